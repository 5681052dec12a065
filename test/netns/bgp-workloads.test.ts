/** Pods that speak BGP with the node they run on (BGPPeer.localWorkloadSelector): BIRD behind a veth, as the CNI plugin wires it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tcpConnect, tcpListen } from '../../src/kernel/sockets.ts';
import { type BgpPod, bgpPod, podBird, podManifest } from '../support/bgp-pod.ts';
import { eventually } from '../support/eventually.ts';
import { type OwnRouter, ownRouter } from '../support/own-router.ts';
import { bgpConfiguration, createRack, ipPool, isUp, type Rack } from '../support/rack.ts';
import { address } from '../support/wire.ts';

/** A machine of CI is slow. */
const soon = 30_000;
const [peering4, peering6] = ['169.254.77.1', 'fd00:77::1'];

const workloads = (name: string, localWorkloadSelector: string, more: object = {}) => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'BGPPeer',
  metadata: { name },
  spec: { localWorkloadSelector, asNumber: 64600, keepaliveTime: '1s', ...more },
});
const teamOf = (team: string) => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'default', labels: { team } },
});
const settings = (localWorkloadPeeringIPV4: string) =>
  bgpConfiguration({ localWorkloadPeeringIPV4, localWorkloadPeeringIPV6: peering6 });

let rack: Rack;
let pod: BgpPod;
let bird: OwnRouter;

const addressesOf = async (): Promise<readonly string[]> =>
  (await rack.node(1).status()).peers.map(({ address }) => address).sort();
const routesIn = (host: string, words: string): Promise<string> => rack.ground.exec(host, `ip ${words}`);

/** A TCP connection comes about. */
async function reaches(from: string, at: string, to: string): Promise<void> {
  const path = (name: string): string => `/run/netns/${rack.ground.netns(name)}`;
  const server = await tcpListen(path(at), address(to), 8080, (socket) => socket.resume());
  try {
    const socket = await tcpConnect(path(from), address(to), 8080, { timeoutMs: 5000 });
    socket.destroy();
  } finally {
    server.close();
  }
}

beforeAll(async () => {
  rack = createRack('workloads', 2);
  rack.put(ipPool('services-of-pods', '10.99.0.0/16'), ipPool('of-pods-6', 'fd00:99::/32'));
  rack.put(teamOf('net'), settings(peering4));
  pod = bgpPod(rack, 'router', 5, { app: 'router' });
  rack.put(
    pod.manifest,
    workloads('pods', "app == 'router' && pcns.team == 'net'", { nodeSelector: 'all()' }),
  );
  await Promise.all([rack.node(1).start(), rack.node(2).start()]);
  bird = await ownRouter(
    rack,
    'bird',
    'router',
    podBird(5, [
      { node: peering4, own: '10.244.1.5' },
      { node: peering6, own: 'fd00:244:1::5' },
    ]),
  );
});
afterAll(() => rack.close());

test('the pod comes up over both families at the addresses that only pods know, and is shown by its name', async () => {
  for (const address of ['10.244.1.5', 'fd00:244:1::5']) {
    const peer = await rack.node(1).peer(address, isUp, soon);
    expect([peer.workload, peer.resource, peer.peerAsn]).toEqual(['default/router', 'pods', 64600]);
    expect(peer.families).toEqual([address.includes(':') ? 'ipv6-unicast' : 'ipv4-unicast']);
  }
  const { stdout } = spawnSync(
    new URL('../../src/tortie.sh', import.meta.url).pathname,
    ['ctl', 'bgp', 'peers', '--socket', join(rack.directory, 'node1.sock')],
    { encoding: 'utf8' },
  );
  expect(stdout).toContain('10.244.1.5 (Pod default/router)');
  expect((await rack.node(2).status()).peers.map(({ workload }) => workload)).toEqual([undefined]);
});

test('a pod that does not dial is said to be awaited, and holds up nothing', async () => {
  rack.put(podManifest('mute', ['10.244.1.6'], { app: 'router' }));
  await rack
    .node(1)
    .peer(
      '10.244.1.6',
      ({ lastError = '', remedy = '' }) =>
        lastError.includes('Pod/default/mute has not dialled us yet') &&
        remedy.includes(`AS 64512 at ${peering4}`),
      soon,
    );
  await eventually(async () => expect(await rack.node(1).probe('/readyz')).toMatch(/^HTTP\/1\.[01] 200/), {
    within: soon,
  });
  rack.drop('Pod', 'mute');
});

test('what it announces is forwarded to it, by the route the node agent made to it, and the other node comes by this one', async () => {
  const ours = ['unreachable 10.244.1.0/24', 'unreachable fd00:244:1::/64'];
  await rack
    .node(1)
    .forwards(
      [
        ...ours,
        '10.244.2.0/24 via 172.30.0.12',
        'fd00:244:2::/64 via fd00:30::12',
        '10.99.5.0/24 via 10.244.1.5',
        'fd00:99:5::/64 via fd00:244:1::5',
      ],
      soon,
    );
  await rack
    .node(2)
    .forwards(
      [
        ...ours.map((line) => line.replace('244.1.', '244.2.').replace('244:1:', '244:2:')),
        '10.244.1.0/24 via 172.30.0.11',
        'fd00:244:1::/64 via fd00:30::11',
        '10.99.5.0/24 via 172.30.0.11',
        'fd00:99:5::/64 via fd00:30::11',
      ],
      soon,
    );
  for (const to of ['10.99.5.1', 'fd00:99:5::1']) {
    await rack.ground.exec('router', `ip address add ${to} dev lo`);
    await eventually(() => reaches('node2', 'router', to), { within: soon });
  }
});

test('it hears what any neighbour of another AS does, with the address it dials as next hop', async () => {
  const hears = async (prefix: string, hop: string): Promise<void> => {
    const said = await bird.ask(`show route ${prefix} all`);
    if (!said.includes(`next_hop: ${hop}`) || !said.includes('as_path: 64512')) throw new Error(said);
  };
  await eventually(() => hears('10.244.2.0/24', peering4), { within: soon });
  await eventually(() => hears('10.244.1.0/24', peering4), { within: soon });
  await eventually(() => hears('fd00:244:2::/64', peering6), { within: soon });
});

test('a speaker that listens at the addresses of its node alone listens there too', async () => {
  rack.put(
    bgpConfiguration({
      localWorkloadPeeringIPV4: peering4,
      localWorkloadPeeringIPV6: peering6,
      bindMode: 'NodeIP',
    }),
  );
  await eventually(
    () => {
      for (const own of [peering4, peering6, '172.30.0.11'])
        expect(rack.node(1).log()).toContain(`"address":"${own}","port":179,"message":"listening"`);
    },
    { within: soon },
  );
  expect((await rack.node(1).status()).problems).not.toContainEqual(
    expect.objectContaining({ where: expect.stringContaining('fd00:77::1') }),
  );
  const { since } = await rack.node(1).peer('fd00:244:1::5', isUp, soon);
  await bird.ask('restart all');
  for (const pods of ['fd00:244:1::5', '10.244.1.5'])
    await rack.node(1).peer(pods, (peer) => isUp(peer) && peer.since !== since, soon);
  rack.put(settings(peering4));
});

test('the peering addresses are of this node alone, on no interface, and come back when somebody takes them', async () => {
  expect(await routesIn('node1', 'route show table local proto 82')).toMatch(
    /^local 169\.254\.77\.1 dev lo /,
  );
  expect(await routesIn('node1', 'address')).not.toContain(peering4);
  await rack.ground.exec('node1', `ip route del local ${peering4} table local`);
  await eventually(
    async () => {
      const found = await routesIn('node1', 'route show table local proto 82');
      if (!found.includes(peering4)) throw new Error(`not back: ${found}`);
    },
    { within: soon },
  );
  const told = await Promise.all([rack.node(1).routes(), rack.node(2).routes()]);
  expect(
    told.flat().filter(({ prefix }) => prefix.startsWith('169.254.') || prefix.startsWith('fd00:77:')),
  ).toEqual([]);
});

test('another peering address is a problem where an interface has it, and takes the place of the first where none has', async () => {
  await rack.node(1).ip('address add 192.0.2.77/32 dev lo');
  rack.put(settings('192.0.2.77'));
  await eventually(
    async () => {
      const { problems } = await rack.node(1).status();
      expect(problems).toContainEqual(
        expect.objectContaining({
          what: expect.stringContaining('192.0.2.77 is an address of an interface'),
        }),
      );
      expect(await routesIn('node1', 'route show table local proto 82')).toBe('');
    },
    { within: soon },
  );
  await rack.node(1).ip('address del 192.0.2.77/32 dev lo');
  await eventually(
    async () => expect(await routesIn('node1', 'route show table local proto 82')).toContain('192.0.2.77'),
    { within: soon },
  );
  rack.put(settings(peering4));
  await rack.node(1).peer('10.244.1.5', isUp, soon);
});

test('a pod of other labels is no neighbour any more; one that is selected is again; one that is gone is gone, with its routes', async () => {
  const relabelled = { ...pod.manifest, metadata: { ...pod.manifest.metadata, labels: { app: 'other' } } };
  rack.put(relabelled);
  await eventually(async () => expect(await addressesOf()).toEqual(['172.30.0.12']), { within: soon });
  rack.put(pod.manifest);
  await rack.node(1).peer('10.244.1.5', isUp, soon);
  rack.drop('Pod', 'router');
  await eventually(
    async () => {
      expect(await addressesOf()).toEqual(['172.30.0.12']);
      expect((await rack.node(2).kernel()).filter((line) => line.includes('99'))).toEqual([]);
    },
    { within: soon },
  );
});

test('without such a BGPPeer the pods are not watched, and the peering addresses go', async () => {
  rack.drop('BGPPeer', 'pods');
  await eventually(
    async () => {
      expect(await routesIn('node1', 'route show table local proto 82')).toBe('');
      expect(await routesIn('node1', '-6 route show table local proto 82')).toBe('');
    },
    { within: soon },
  );
});
