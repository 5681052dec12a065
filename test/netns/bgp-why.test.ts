/**
 * Each reason a session is down, planted once beside real routers: what "tortiectl bgp peer" says of why, and what to do.
 * One neighbour for each, all of them down at the same time; what the kernel counts is of a node, so each of those has its own.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { birdConf, frrConf, type OwnKind, ownRouter } from '../support/own-router.ts';
import { bgpConfiguration, bgpPeer, createRack } from '../support/rack.ts';

const rack = createRack('why', 3);
/** Connections that nobody answers take their time, and machines are slow. */
const within = 120_000;

type Router = (us: string, it: string) => readonly [OwnKind, string];

interface Fault {
  /** Of its host; the address is 172.30.0.N. */
  readonly number: number;
  /** The node that has the neighbour. */
  readonly node: number;
  /** Absent: nobody speaks BGP there. */
  readonly router?: Router;
  /** A command run on its host first. */
  readonly first?: string;
  readonly spec?: object;
  readonly why: RegExp;
  readonly fix: RegExp;
}

/** BIRD on a host of its own. */
const bird =
  (lines = '', change: (text: string) => string = (text) => text): Router =>
  (us, it) => ['bird', change(birdConf(us, it, lines)).replace('router id 172.30.0.1', `router id ${it}`)];
const frr =
  (lines: readonly string[], more = ''): Router =>
  (us, it) => ['frr', `${frrConf(us, lines).replace('router-id 172.30.0.1', `router-id ${it}`)}${more}`];

const passwords = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'passwords', namespace: 'tortie' },
  data: { tor: Buffer.from('right').toString('base64') },
};
const signed = { password: { secretKeyRef: { name: 'passwords', key: 'tor' } } };

const faults: Readonly<Record<string, Fault>> = {
  'another AS than we expect': {
    number: 21,
    node: 1,
    router: bird(),
    spec: { asNumber: 65001 },
    why: /AS 65000.*65001.*bad peer AS \(2\/2\)/,
    fix: /Set asNumber of BGPPeer\/fault-21/,
  },
  'it expects another AS from us': {
    number: 22,
    node: 1,
    router: frr(
      [],
      'no neighbor 172.30.0.11 remote-as 64512\nneighbor 172.30.0.11 remote-as 64999\nneighbor 172.30.0.11 timers 1 9\nneighbor 172.30.0.11 timers connect 1\n',
    ),
    why: /bad peer AS \(2\/2\).*: it expects another AS number from us/,
    fix: /Tell the router that we are AS 64512/,
  },
  'nobody listens': {
    number: 23,
    node: 1,
    why: /refuse.*\(ECONNREFUSED\)/,
    fix: /Start BGP on 172\.30\.0\.23, or let it listen on port 179/,
  },
  'a firewall drops': {
    number: 24,
    node: 1,
    first:
      "nft 'add table ip f; add chain ip f i { type filter hook input priority 0; }; add rule ip f i tcp dport 179 drop'",
    why: /does not answer/,
    fix: /no firewall on the way drops TCP port 179/,
  },
  'nobody has the address': {
    number: 25,
    node: 1,
    first: 'ip link set eth0 down',
    why: /\(EHOSTUNREACH\)|does not answer/,
    fix: /ip neighbour show 172\.30\.0\.25|ping 172\.30\.0\.25/,
  },
  'no route': {
    number: 0,
    node: 1,
    spec: { peerIP: '203.0.113.9' },
    why: /no route.*\(ENETUNREACH\)/,
    fix: /Give this node a route to 203\.0\.113\.9 .* or set reachableBy in BGPPeer\/fault-0/,
  },
  'another password': {
    number: 26,
    node: 1,
    router: bird('password "wrong";'),
    spec: signed,
    why: /wrongly signed TCP segments? \(TCPMD5Failure\): its password is another than that in tor of Secret passwords/,
    fix: /both sign with the same; BGPPeer\/fault-26 names it/,
  },
  'no password there': {
    number: 27,
    node: 2,
    router: bird(),
    spec: signed,
    why: /unsigned TCP segments? \(TCPMD5NotFound\): it has no password for this session/,
    fix: /Set the same password on the router/,
  },
  'no password here': {
    number: 28,
    node: 2,
    router: bird('password "wrong";'),
    why: /signed TCP segments? \(TCPMD5Unexpected\): it has a password for this session, and we have none/,
    fix: /Name the Secret with the router's password in BGPPeer\/fault-28/,
  },
  'TTL security here only': {
    number: 29,
    node: 1,
    router: bird('ttl security off;'),
    spec: { ttlSecurity: 1 },
    why: /dialled us with TTL 1, and ttlSecurity 1 takes 255 at least|too far travelled \(TTL below 255\)/,
    fix: /Turn on TTL security \(GTSM\) on the router/,
  },
  'it refuses our hold time': {
    number: 30,
    node: 1,
    router: frr([], 'bgp minimum-holdtime 60\n'),
    spec: { holdTime: '9s' },
    why: /unacceptable hold time \(2\/6\).*: it does not take our hold time of 9 s/,
    fix: /Set a longer holdTime in BGPPeer\/fault-30/,
  },
  'roles that do not go together': {
    number: 31,
    node: 1,
    router: frr(['local-role provider']),
    spec: { role: 'provider' },
    why: /role mismatch \(2\/11\)/,
    fix: /Set roles that go together/,
  },
  'no address family in common': {
    number: 32,
    node: 1,
    router: bird('', (text) => text.replace('ipv4 {', 'ipv6 {')),
    spec: { families: ['IPv4'] },
    why: /famil/,
    fix: /famil/,
  },
  'BFD that is not there, and strict': {
    number: 33,
    node: 1,
    router: bird(),
    spec: { failureDetectionMode: 'BFDIfDirectlyConnected', bfd: { strict: true } },
    why: /BFD is (down|not up yet), and bfd\.strict makes the session wait for it/,
    fix: /docs\/BFD\.md/,
  },
  'more prefixes than allowed': {
    number: 34,
    node: 1,
    router: bird(
      '',
      (text) => `${text.replace('export none', 'export all')}
protocol static { ipv4; route 10.66.1.0/24 blackhole; route 10.66.2.0/24 blackhole; route 10.66.3.0/24 blackhole; }`,
    ),
    spec: { maxPrefix: { ipv4: { limit: 2 } } },
    why: /maximum number of prefixes reached \(6\/1\)/,
    fix: /raise maxPrefix of BGPPeer\/fault-34, then "tortiectl bgp reset"/,
  },
  'shut down there': {
    number: 35,
    node: 1,
    router: frr(['shutdown']),
    why: /172\.30\.0\.35 port 179 closed the connection/,
    fix: /See that the router has this node as a neighbour, not shut down/,
  },
  "port 179 is somebody else's": {
    number: 36,
    node: 3,
    spec: { connectMode: 'Passive' },
    why: /it cannot dial us: .*179.* socat \(pid \d+\)/,
    fix: /End whoever has the port, or set another listenPort/,
  },
};

const nameOf = ({ number }: Fault): string => `fault-${number}`;
const addressOf = ({ number }: Fault): string => `172.30.0.${number}`;

function peer(fault: Fault): string {
  const words = [
    'ctl',
    'bgp',
    'peer',
    nameOf(fault),
    '--socket',
    join(rack.directory, `node${fault.node}.sock`),
  ];
  const launcher = new URL('../../src/tortie.sh', import.meta.url).pathname;
  const { status, stdout, stderr } = spawnSync(launcher, words, { encoding: 'utf8' });
  expect(status, stderr).toBe(1);
  return stdout;
}

beforeAll(async () => {
  rack.put(bgpConfiguration({ nodeToNodeMeshEnabled: false }), passwords);
  for (const fault of Object.values(faults))
    rack.put(bgpPeer(nameOf(fault), addressOf(fault), 65000, { node: `node${fault.node}`, ...fault.spec }));
  for (const fault of Object.values(faults)) {
    if (fault.number === 0) continue;
    rack.host(nameOf(fault), fault.number);
    if (fault.first !== undefined) await rack.ground.exec(nameOf(fault), fault.first);
    const router = fault.router?.(`172.30.0.1${fault.node}`, addressOf(fault));
    if (router !== undefined) await ownRouter(rack, router[0], nameOf(fault), router[1]);
  }
  rack.ground.start('node3', ['socat', '-u', 'TCP-LISTEN:179,reuseaddr,fork', 'OPEN:/dev/null']);
  for (const node of [1, 2, 3]) await rack.node(node).start('--namespace', 'tortie');
}, 240_000);
afterAll(() => rack.close());

describe('a session that is down says why, and what to do', () => {
  test.each(Object.entries(faults))(
    '%s',
    async (_, fault) => {
      await eventually(
        () => {
          const text = peer(fault);
          expect(text).toMatch(new RegExp(`^Why: .*${fault.why.source}`, 'm'));
          expect(text).toMatch(new RegExp(`^Do: .*(${fault.fix.source})`, 'm'));
        },
        { within, every: 1000 },
      );
    },
    within + 30_000,
  );
});
