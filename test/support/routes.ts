/** Routes for tests of policy and RIBs: sound defaults, and arbitrary ones from so few values that they often tie. */
import fc from 'fast-check';
import type { PeerConfig, SpeakerConfig } from '../../bgp/config.ts';
import { type Path, pathOf, type Source } from '../../bgp/rib/path.ts';
import type { PathAttributes } from '../../bgp/wire/message.ts';
import { type Address, asn, type Ipv4, ipv4 } from '../../src/lib/net.ts';
import { address, prefix, v4, v6 } from './wire.ts';

export const sourceOf = (part: Partial<Source> = {}): Source => ({
  key: '192.0.2.1 179',
  type: 'ebgp',
  bgpId: v4('192.0.2.1'),
  address: address('192.0.2.1'),
  port: 179,
  ...part,
});

export const attributesOf = (part: Partial<PathAttributes> = {}): PathAttributes => ({
  origin: 'igp',
  asPath: [],
  nextHop: address('192.0.2.1'),
  ...part,
});

export const sequence = (...numbers: number[]): PathAttributes['asPath'] => [
  { kind: 'sequence', asns: numbers.map(asn) },
];

export const routeOf = (source: Partial<Source>, attributes: Partial<PathAttributes>): Path =>
  pathOf(sourceOf(source), attributesOf(attributes));

export const peerOf = (part: Partial<PeerConfig> = {}): PeerConfig => {
  const at = part.address ?? address('192.0.2.1');
  const port = part.port ?? 179;
  return {
    key: `${at} ${port}`,
    name: 'Global_192_0_2_1',
    origin: 'global',
    address: at,
    port,
    peerAsn: asn(64999),
    localAsn: asn(64512),
    holdTimeMs: 90_000,
    connectRetryMs: 5_000,
    families: ['ipv4-unicast', 'ipv6-unicast'],
    ...part,
  };
};

export const configOf = (part: Partial<SpeakerConfig> = {}): SpeakerConfig => ({
  asn: asn(64512),
  routerId: v4('192.0.2.100'),
  listenPort: 179,
  ownAddress: { ipv4: v4('192.0.2.100'), ipv6: v6('2001:db8::100') },
  origins: [prefix('10.1.0.0/24')],
  peers: [],
  importPolicy: { within: [prefix('10.0.0.0/8'), prefix('fd00::/16')], never: [prefix('10.1.0.0/24')] },
  exportDeny: [],
  ...part,
});

const few = (...values: number[]): fc.Arbitrary<number> => fc.constantFrom(...values);
const nextHops: readonly Address[] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map(address);

const asPath: fc.Arbitrary<PathAttributes['asPath']> = fc.array(
  fc.record({
    kind: fc.constantFrom('sequence', 'sequence', 'set'),
    asns: fc.array(few(1, 2, 3).map(asn), { minLength: 1, maxLength: 2 }),
  }),
  { maxLength: 2 },
);

export const arbitraryAttributes: fc.Arbitrary<PathAttributes> = fc.record(
  {
    origin: fc.constantFrom('igp', 'egp', 'incomplete'),
    asPath,
    nextHop: fc.constantFrom(...nextHops),
    med: few(0, 10, 20),
    localPref: few(100, 200),
    originatorId: few(1, 2).map((id): Ipv4 => ipv4(id)),
    clusterList: fc.array(few(1, 2).map(ipv4), { minLength: 1, maxLength: 2 }),
    communities: fc.constantFrom([1], [1], [0xffff_0006]),
  },
  { requiredKeys: ['origin', 'asPath', 'nextHop'] },
);

/** One path by each of some neighbours, among them at most one of our own. */
export const arbitraryPaths: fc.Arbitrary<readonly Path[]> = fc
  .array(
    fc.record({
      type: fc.constantFrom('ebgp', 'ibgp'),
      bgpId: few(1, 2, 3),
      address: fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::1'),
      attributes: arbitraryAttributes,
      isLocal: few(0, 0, 0, 0, 0, 1).map((value) => value === 1),
    }),
    { minLength: 1, maxLength: 7 },
  )
  .map((drafts) => {
    const local = drafts.findIndex((draft) => draft.isLocal);
    return drafts.map(({ attributes, ...draft }, index) =>
      pathOf(
        {
          key: index === local ? 'local' : `peer ${index}`,
          type: index === local ? 'local' : draft.type,
          bgpId: ipv4(draft.bgpId),
          address: address(draft.address),
          port: index,
        },
        attributes,
      ),
    );
  });
