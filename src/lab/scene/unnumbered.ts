/**
 * A ToR without addresses: FRR's `neighbor … interface`, a BGPPeer with `interface`, and nothing configured on the link.
 *
 *     pod ── node1 ══ eth0, link-local only ══ tor (FRR) ── outside 192.0.2.0/24
 */
import { durationText } from '../report.ts';
import { type Ground, now } from './ground.ts';
import { bgpConfiguration, bgpPeer, ipPool, letIn, node } from './manifests.ts';
import { startFrr } from './router.ts';
import type { Counted } from './says.ts';
import { type Facts, frrNeeds, type Scene, type Stage } from './scene.ts';
import { lossText, lostOf, startTraffic } from './traffic.ts';

const torAsn = 65000;
const outside = '192.0.2.0/24';
const host = '192.0.2.10';
const podCidr = '10.65.1.0/24';
const nodeAddress = '10.0.0.11';
const exchangeMs = 500;

const wire = (ground: Ground): Promise<void> =>
  ground.wire([
    {
      name: 'node1',
      ip: [
        'link add eth0 type veth peer name swp1 netns {tor}',
        `address add ${nodeAddress}/32 dev lo`,
        'link set eth0 up',
      ],
    },
    {
      name: 'tor',
      ip: [
        'link add outside type veth peer name eth0 netns {host}',
        'address add 192.0.2.1/24 dev outside',
        'link set outside up',
        'link set swp1 up',
      ],
    },
    {
      name: 'host',
      ip: [`address add ${host}/24 dev eth0`, 'link set eth0 up', 'route add default via 192.0.2.1'],
    },
  ]);

const frr = `router bgp ${torAsn}
 bgp router-id 192.0.2.1
 no bgp ebgp-requires-policy
 neighbor swp1 interface remote-as external
 neighbor swp1 timers connect 1
 address-family ipv4 unicast
  network ${outside}
 exit-address-family
 address-family ipv6 unicast
  neighbor swp1 activate
 exit-address-family
`;

const manifests = [
  bgpConfiguration({ nodeToNodeMeshEnabled: false }),
  ipPool('pods', '10.65.0.0/16'),
  letIn('outside', outside),
  node('node1', nodeAddress, podCidr),
  bgpPeer('tor', { interface: 'eth0', asNumber: torAsn, filters: ['outside'], connectRetry: '1s' }),
];

async function linkLocal(ground: Ground, where: string, link: string): Promise<string> {
  const text = await ground.ip(where, `-6 -o address show dev ${link} scope link`);
  return /inet6 (fe80:[^/]*)/.exec(text)?.[1] ?? '';
}

async function exchange(ground: Ground, from: string, to: string, at: string): Promise<Counted> {
  const traffic = await startTraffic({ from, to, at: [at], flows: 4 });
  try {
    const since = now();
    await ground.pass(exchangeMs);
    return await traffic.count(since);
  } finally {
    await traffic.close(); // after Ctrl-C too: its thread would keep the process alive
  }
}

async function play({ ground, report, check }: Stage): Promise<Facts> {
  await wire(ground);
  ground.put(...manifests);
  report.wait('starting the router and the node');
  await Promise.all([ground.speaker('node1'), ground.agent('node1'), startFrr(ground, 'tor', frr)]);
  const began = now();
  const here = await linkLocal(ground, 'node1', 'eth0');
  const there = await linkLocal(ground, 'tor', 'swp1');
  const numbers = await ground.ip('node1', '-4 -o address show dev eth0');
  const peer = await ground.until('the session with the ToR', async () => {
    const found = await ground.peer('node1', 'tor');
    return found?.state === 'Established' ? found : undefined;
  });
  check(
    `the session is up: ${peer.localAddress ?? here} - ${peer.address}, AS ${peer.peerAsn}`,
    numbers.trim() !== '' && `the link has IPv4 addresses: ${numbers.trim()}`,
    !peer.address.startsWith(there) &&
      `the session is with ${peer.address}, the ToR's end of the link is ${there}`,
  );
  const [out] = await ground.until(`the route to ${outside} on node1`, async () => {
    const ways = await ground.ways('node1', outside);
    return ways.length > 0 ? ways : undefined;
  });
  const [back] = await ground.until(`the route to ${podCidr} on the ToR`, async () => {
    const ways = await ground.ways('tor', podCidr);
    return ways.length > 0 ? ways : undefined;
  });
  const routes = Math.ceil(now() - began);
  check(
    `IPv4 routes with IPv6 next hops both ways after ${durationText(routes)} (RFC 8950)`,
    (out?.gateway !== there || out.dev !== 'eth0') &&
      `node1 sends ${outside} to ${out?.gateway} on ${out?.dev}, not to ${there} on eth0`,
    (back?.gateway !== here || back.dev !== 'swp1') &&
      `the ToR sends ${podCidr} to ${back?.gateway} on ${back?.dev}, not to ${here} on swp1`,
  );
  for (const [prefix, way] of [
    [outside, out],
    [podCidr, back],
  ] as const)
    report.block(`      ${prefix} via inet6 ${way?.gateway} dev ${way?.dev}`);
  const pod = await ground.pod('node1', 'pod');
  const ends = { fromPod: pod.netns, fromHost: ground.netns('host') };
  const [fromPod, fromHost] = await Promise.all([
    exchange(ground, ends.fromPod, host, ends.fromHost),
    exchange(ground, ends.fromHost, pod.address, ends.fromPod),
  ]);
  for (const [who, seen] of [
    ['from the pod to a host behind the ToR', fromPod],
    ['from there to the pod', fromHost],
  ] as const)
    check(
      `${who}: ${lossText(seen)}`,
      seen.sent === 0 && `${who} nothing was sent`,
      lostOf(seen) > 0 && `${who}: ${lossText(seen)}`,
    );
  return {
    ...{ session: { local: here, remote: peer.address, asn: peer.peerAsn, families: peer.families } },
    ...{ out, back, fromPod, fromHost, times: { routes } },
  };
}

export const unnumbered: Scene = {
  about: 'a ToR found by its link: BGP over link-local addresses, IPv4 through IPv6 next hops',
  needs: frrNeeds,
  play,
};
