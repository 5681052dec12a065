import fc from 'fast-check';
import { expect, test } from 'vitest';
import { intentOf } from '../../../bgp/intent.ts';
import { overlaps } from '../../../src/lib/net.ts';
import type { Node, Resource } from '../../../src/model/resource.ts';
import { bgpConfiguration, bgpPeer, ipPool, node } from '../../support/resources.ts';

/** Few values, so that clashes are common. */
const ip4 = fc.integer({ min: 1, max: 6 }).map((host) => `10.0.0.${host}`);
const ip6 = fc.integer({ min: 1, max: 6 }).map((host) => `fd00::${host}`);
const podCidr = fc.constantFrom(
  '10.244.0.0/16',
  '10.244.1.0/24',
  '10.244.2.0/24',
  '10.244.2.128/25',
  'fd01::/48',
  'fd01::/64',
);
const anyNode = fc
  .record({
    name: fc.integer({ min: 1, max: 6 }).map((number) => `node${number}`),
    ips: fc.array(fc.oneof(ip4, ip6), { maxLength: 3 }),
    podCidrs: fc.array(podCidr, { maxLength: 2 }),
    labels: fc.constantFrom<Record<string, string>>({}, { rack: 'a' }),
  })
  .map(({ name, ...over }) => node(name, over));
const nodes = fc.uniqueArray(anyNode, { selector: (one) => one.meta.name, minLength: 1, maxLength: 6 });
const peers = fc.uniqueArray(
  fc
    .record({
      name: fc.constantFrom('p', 'q', 'r', 's', 't'),
      ip: fc.oneof(ip4, ip6, fc.constant('192.0.2.1')),
      asNumber: fc.constantFrom(64512, 65000),
      scope: fc.constantFrom({}, { node: 'node1' }, { nodeSelector: "rack == 'a'" }),
    })
    .map(({ name, ip, asNumber, scope }) => bgpPeer(name, ip, { asNumber, ...scope })),
  { selector: (peer) => peer.meta.name, maxLength: 5 },
);
const others = fc.tuple(
  fc.option(fc.record({ mesh: fc.boolean(), listenPort: fc.constantFrom(179, 1790) }).map(bgpConfiguration)),
  fc.subarray([ipPool('10.244.0.0/16'), ipPool('10.250.0.0/16', { disableBgpExport: true })]),
);
const cluster: fc.Arbitrary<{ readonly nodes: readonly Node[]; readonly all: readonly Resource[] }> = fc
  .tuple(nodes, peers, others)
  .map(([list, explicit, [configuration, pools]]) => ({
    nodes: list,
    all: [...list, ...explicit, ...pools, ...(configuration === null ? [] : [configuration])],
  }));
const shuffled = cluster.chain((value) =>
  fc.tuple(fc.constant(value), fc.shuffledSubarray([...value.all], { minLength: value.all.length })),
);

test('the order in which resources come changes nothing', () => {
  fc.assert(
    fc.property(shuffled, ([{ all }, order]) => {
      expect(intentOf('node1', order)).toEqual(intentOf('node1', all));
    }),
    { numRuns: 500 },
  );
});

test('keys are unique, no session is with ourselves, and each has a source of its own family', () => {
  fc.assert(
    fc.property(cluster, ({ all }) => {
      const { config } = intentOf('node1', all);
      if (config === undefined) return;
      const keys = config.peers.map((peer) => peer.key);
      expect(new Set(keys).size).toBe(keys.length);
      const own: unknown[] = [config.ownAddress.ipv4, config.ownAddress.ipv6];
      for (const peer of config.peers) {
        expect(own).not.toContain(peer.address);
        expect(typeof peer.localAddress).toBe(typeof peer.address);
        expect(peer.families.length).toBeGreaterThan(0);
      }
    }),
    { numRuns: 500 },
  );
});

test('of two nodes without clashes, either both have a session with the other or neither has', () => {
  fc.assert(
    fc.property(nodes, (list) => {
      const addresses = list.flatMap((one) => [...one.internalIps]);
      fc.pre(new Set(addresses).size === addresses.length);
      const meets = (from: Node, to: Node): boolean =>
        intentOf(from.meta.name, list).config?.peers.some((peer) => to.internalIps.includes(peer.address)) ??
        false;
      for (const a of list) for (const b of list) if (a !== b) expect(meets(a, b)).toBe(meets(b, a));
    }),
    { numRuns: 100 },
  );
});

test('every pair of nodes whose pod CIDRs overlap is named in a problem, and no other pair', () => {
  fc.assert(
    fc.property(nodes, (list) => {
      const told = intentOf('node1', list).problems.filter((problem) =>
        problem.where.endsWith('spec.podCIDRs'),
      );
      if (!list.some((one) => one.meta.name === 'node1')) return;
      for (const a of list)
        for (const b of list) {
          if (a.meta.name >= b.meta.name) continue;
          const clash = a.podCidrs.some((one) => b.podCidrs.some((other) => overlaps(one, other)));
          const named = told.some(({ where, what }) =>
            [a, b].every((each) => `${where} ${what}`.match(new RegExp(`Node/${each.meta.name}\\b`))),
          );
          expect(named).toBe(clash);
        }
    }),
    { numRuns: 300 },
  );
});
