/** The session room against a BIRD of Debian, on loopback of the test's own namespace: what BIRD says of us counts. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { PeerConfig } from '../../bgp/config.ts';
import { asn, ipv4 } from '../../src/lib/net.ts';
import { eventually } from '../support/eventually.ts';
import { type LivePeer, livePeer } from '../support/live-peer.ts';
import { peerConfig } from '../support/peer.ts';
import { address } from '../support/sockets.ts';

const within = { within: 15_000, every: 50 };
const [ours, birds] = ['10.77.0.1', '10.77.0.2'];
const [ourPort, birdPort] = [7179, 7180];
const stops: (() => unknown)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

// Not of 127/8: routes with such a next hop are refused, rightly.
const onLoopback = (verb: 'add' | 'del'): void => {
  for (const one of [ours, birds]) execFileSync('ip', ['addr', verb, `${one}/32`, 'dev', 'lo']);
};
beforeAll(() => onLoopback('add'));
afterAll(() => onLoopback('del'));

interface Bird {
  show(): string;
  log(): string;
  ctl(command: string): string;
}

function bird(options: { readonly us?: number; readonly extra?: string } = {}): Bird {
  const { us = 65000, extra = '' } = options;
  const directory = mkdtempSync(join(tmpdir(), 'session-'));
  const [config, log, socket] = ['bird.conf', 'bird.log', 'bird.ctl'].map((name) => join(directory, name));
  writeFileSync(
    join(directory, 'bird.conf'),
    `log "${log}" all;
debug protocols { states, events, packets };
router id 10.0.0.2;
protocol device {}
protocol static { ipv4; route 10.50.0.0/24 unreachable; route 10.51.0.0/24 unreachable; }
protocol bgp tortie {
  local ${birds} port ${birdPort} as 65001;
  neighbor ${ours} port ${ourPort} as ${us};
  multihop; strict bind yes; connect delay time 1; connect retry time 2; error wait time 2, 4; hold time 9;
  ${extra}
  ipv4 { import all; export all; };
  ipv6 { import all; export all; };
}
`,
  );
  const process = spawn('bird', ['-f', '-c', config ?? '', '-s', socket ?? '']);
  const ended = new Promise((resolve) => process.once('close', resolve));
  stops.push(async () => {
    process.kill();
    await ended;
    rmSync(directory, { recursive: true });
  });
  const ctl = (command: string): string =>
    execFileSync('birdc', ['-s', socket ?? '', ...command.split(' ')], { encoding: 'utf8' });
  return { ctl, show: () => ctl('show protocols all tortie'), log: () => readFileSync(log ?? '', 'utf8') };
}

function tortie(changes: Partial<PeerConfig> = {}, routerId = 0x0a000001): LivePeer {
  const config = peerConfig({
    key: `${birds} ${birdPort}`,
    address: address(birds),
    port: birdPort,
    localAddress: address(ours),
    connectRetryMs: 1000,
    families: ['ipv4-unicast', 'ipv6-unicast'],
    ...changes,
  });
  const peer = livePeer(
    config,
    { asn: config.localAsn, routerId: ipv4(routerId) },
    { address: ours, port: ourPort },
  );
  stops.push(() => peer.stop('the test is over'));
  return peer;
}

const start = (peer: LivePeer): void => peer.tell({ kind: 'ManualStart' });

async function bothUp(peer: LivePeer, far: Bird): Promise<void> {
  await eventually(() => {
    expect(peer.state()).toBe('Established');
    expect(far.show()).toContain('Established');
  }, within);
}

test('we dial a BIRD that only listens: both families, four-octet AS, route refresh, hold time of the lower', async () => {
  const far = bird({ extra: 'passive yes;' });
  const peer = tortie();
  start(peer);
  await bothUp(peer, far);
  expect(peer.negotiated()).toMatchObject({
    peerAsn: 65001,
    peerId: 0x0a000002,
    holdTimeMs: 9000,
    families: ['ipv4-unicast', 'ipv6-unicast'],
    fourOctetAs: true,
    routeRefresh: true,
  });
  const shown = far.show();
  for (const words of [
    'AF announced: ipv4 ipv6',
    'Route refresh',
    '4-octet AS numbers',
    'Neighbor ID:      10.0.0.1',
  ])
    expect(shown).toContain(words);
  await eventually(() => {
    const prefixes = peer.delivered.flatMap((message) =>
      message.kind === 'update' ? message.announced.flatMap((one) => one.prefixes) : [],
    );
    expect(prefixes).toHaveLength(2);
  }, within);
});

test('BIRD dials us while nobody listens for our own dials', async () => {
  const far = bird();
  const peer = tortie({ port: 1 }); // BIRD is not there: refused
  start(peer);
  await bothUp(peer, far);
  expect(peer.history).toEqual(['up']);
});

test.each([0x0a000001, 0x0b000001])(
  'RFC 4271 §6.8: both dial, with our identifier %i, and one session comes up and stays',
  async (routerId) => {
    const far = bird();
    const peer = tortie({}, routerId);
    start(peer);
    await bothUp(peer, far);
    // A KEEPALIVE is due every 3 s; watch one being heard.
    const kept = performance.now() + 4000;
    await eventually(() => {
      expect(peer.state()).toBe('Established');
      if (performance.now() < kept) throw new Error('still watching');
    }, within);
    expect(far.show()).toContain('Established');
  },
);

test('RFC 4271 §6.2: a BIRD that expects another AS of us says so, and we say what it means', async () => {
  bird({ us: 65009 });
  const peer = tortie();
  start(peer);
  await eventually(
    () =>
      expect(peer.errors).toContain(
        'the neighbour closed the session with OPEN message error, bad peer AS (2/2): AS 65000: it expects another AS number from us',
      ),
    within,
  );
});

test('RFC 4271 §6.2: we refuse a BIRD with another AS, and BIRD reads it as that', async () => {
  const far = bird();
  const peer = tortie({ peerAsn: asn(65007) });
  start(peer);
  await eventually(() => expect(far.log()).toContain('Bad peer AS'), within);
  expect(peer.errors).toContain(
    'the neighbour says it is AS 65001 but BGPPeer expects 65007; we closed with OPEN message error, bad peer AS (2/2)',
  );
});

test('RFC 9003 §2: BIRD reads why we stopped', async () => {
  const far = bird();
  const peer = tortie();
  start(peer);
  await bothUp(peer, far);
  await peer.stop('node1 is drained');
  await eventually(
    () => expect(far.log()).toContain('Received: Administrative shutdown: "node1 is drained"'),
    within,
  );
  expect(peer.state()).toBe('Idle');
});

test('a restarted BIRD is back without our holding anything against it', async () => {
  const far = bird();
  const peer = tortie();
  start(peer);
  await bothUp(peer, far);
  far.ctl('restart tortie');
  await eventually(() => expect(peer.history).toEqual(['up', 'down', 'up']), within);
  expect(peer.errors.join()).toContain('administrative reset');
});
