/** Pods as neighbours: whatever there is, in whatever order it comes, both daemons mean the same pods. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { intentOf } from '../../../bgp/intent.ts';
import { SpeakerNeighbours } from '../../../felix/speaker.ts';
import { formatAddress } from '../../../src/lib/net.ts';
import { type Resource, refOf } from '../../../src/model/resource.ts';
import { bgpConfiguration, bgpPeer, node } from '../../support/resources.ts';
import { v4 } from '../../support/wire.ts';
import { namespace, pod, serviceAccount, workloadPeer } from '../../support/workloads.ts';

const labels = fc.constantFrom<Record<string, string>>({}, { app: 'a' }, { app: 'b' }, { app: 'a', x: 'y' });
const selector = fc.constantFrom(
  "app == 'a'",
  'has(app)',
  "pcns.team == 'net'",
  "pcsa.team == 'net'",
  'all()',
);
const pods = fc
  .array(
    fc.record({
      host: fc.integer({ min: 1, max: 4 }),
      labels,
      more: fc.constantFrom({}, {}, { nodeName: 'node2' }, { hostNetwork: true }, { finished: true }),
    }),
    { maxLength: 4 },
  )
  .map((rows) =>
    rows.map(({ host, labels: own, more }, index) =>
      pod(`pod${index}`, [`10.244.1.${host}`, `fd00:244::${index + 1}`], own, more),
    ),
  );
const peers = fc
  .array(
    fc.record({
      selector,
      scope: fc.constantFrom({}, { node: 'node1' }, { node: 'node2' }, { nodeSelector: "rack == 'a'" }),
      more: fc.constantFrom({}, {}, { keepaliveTimeMs: 1000 }),
    }),
    { maxLength: 3 },
  )
  .map((rows) =>
    rows.map(({ selector: text, scope, more }, index) => workloadPeer(`p${index}`, text, { ...scope, more })),
  );
const others = fc.tuple(
  fc.constantFrom<readonly Resource[]>([], [namespace('default', { team: 'net' })]),
  fc.constantFrom<readonly Resource[]>([], [serviceAccount('bot', { team: 'net' })]),
  fc.constantFrom<readonly Resource[]>([], [bgpPeer('by-address', '10.244.1.1')]),
  fc.constantFrom<readonly Resource[]>(
    [bgpConfiguration({ mesh: false })],
    [
      bgpConfiguration({
        mesh: false,
        listenPort: 1790,
        more: { workloadPeering: { ipv4: v4('169.254.77.1') } },
      }),
    ],
  ),
);
const cluster = fc
  .record({ pods, peers, others, rack: fc.constantFrom('a', 'b') })
  .map(({ pods: some, peers: explicit, others: around, rack }): readonly Resource[] => [
    node('node1', { ips: ['10.0.0.1', 'fd00::1'], labels: { rack } }),
    ...some,
    ...explicit,
    ...around.flat(),
  ]);
const shuffled = cluster.chain((all) =>
  fc.tuple(fc.constant(all), fc.shuffledSubarray([...all], { minLength: all.length })),
);

test('the order in which resources come changes nothing', () => {
  fc.assert(
    fc.property(shuffled, ([all, order]) => {
      expect(intentOf('node1', order)).toEqual(intentOf('node1', all));
    }),
    { numRuns: 300 },
  );
});

/** What the node agent opens, as "pod address", when first `all` was there, and then what is not in `left` went. */
function opened(all: readonly Resource[], left: readonly Resource[]): readonly string[] {
  const neighbours = new SpeakerNeighbours('node1');
  for (const resource of all) neighbours.change({ kind: 'put', resource });
  for (const resource of all)
    if (!left.includes(resource)) neighbours.change({ kind: 'delete', ref: refOf(resource) });
  const attached = left.flatMap((one) =>
    one.kind === 'Pod' && one.nodeName === 'node1' && !one.hostNetwork
      ? [{ interface: one.meta.name, namespace: 'default', pod: one.meta.name, addresses: one.ips }]
      : [],
  );
  return neighbours.doors(attached).map((door) => `${door.interface} ${formatAddress(door.from)}`);
}

test('the node agent opens the way for just the pods that have a session with the speaker, whatever came before', () => {
  const some = shuffled.chain(([, order]) =>
    fc.tuple(
      fc.constant(order.filter((one) => one.kind !== 'BGPPeer' || one.remote.kind === 'workloads')),
      fc.subarray([...order]),
    ),
  );
  fc.assert(
    fc.property(some, ([all, kept]) => {
      const left = all.filter((one) => one.kind === 'Node' || kept.includes(one));
      const peers = intentOf('node1', left).config?.peers ?? [];
      // Two pods with one address are one neighbour, and each of them may dial.
      expect(new Set(opened(all, left).map((one) => one.split(' ')[1]))).toEqual(
        new Set(peers.map(({ address: at }) => formatAddress(at))),
      );
    }),
    { numRuns: 300 },
  );
});
