/** What we write of our own kinds reads back as what it was. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ipv4, ipv6, lengthOf, type Prefix, prefixOf } from '../../../src/lib/net.ts';
import type { BlockAffinity, BlockOwner, IpamBlock } from '../../../src/model/ipam.ts';
import type { Meta } from '../../../src/model/meta.ts';
import { readManifest } from '../../../src/store/schema/manifest.ts';
import { toManifest } from '../../../src/store/schema/write.ts';

const name = fc.stringMatching(/^[a-z][a-z0-9]{0,10}$/);
const labels = fc.dictionary(name, name, { maxKeys: 3 });
const meta: fc.Arbitrary<Meta> = fc.record(
  { name, labels, annotations: fc.dictionary(name, fc.string(), { maxKeys: 3 }), uid: fc.uuid() },
  { requiredKeys: ['name', 'labels', 'annotations'] },
);

/** Small blocks of both families. */
const cidr: fc.Arbitrary<Prefix> = fc.oneof(
  fc
    .tuple(fc.nat(0xffffffff), fc.integer({ min: 26, max: 32 }))
    .map(([bits, length]) => prefixOf(ipv4(bits), length)),
  fc
    .tuple(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), fc.integer({ min: 122, max: 128 }))
    .map(([bits, length]) => prefixOf(ipv6(bits), length)),
);
const sizeOf = (prefix: Prefix): number =>
  typeof prefix === 'number' ? 2 ** (32 - (prefix % 64)) : 2 ** (128 - lengthOf(prefix));

const affinity: fc.Arbitrary<BlockOwner> = fc.oneof(
  name.map((node) => ({ type: 'host', node }) as const),
  name.map((other) => ({ type: 'virtual', name: other }) as const),
);
const moment = fc
  .date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString());
const attribute = fc.record(
  { handle: fc.string(), secondary: fc.dictionary(name, fc.string(), { maxKeys: 3 }), releasedAt: moment },
  { requiredKeys: ['handle', 'secondary'] },
);

const block: fc.Arbitrary<IpamBlock> = fc
  .tuple(cidr, fc.array(attribute, { maxLength: 5 }))
  .chain(([prefix, attributes]) => {
    const slot =
      attributes.length === 0
        ? fc.constant(undefined)
        : fc.option(fc.nat(attributes.length - 1), { nil: undefined });
    const size = sizeOf(prefix);
    return fc.array(slot, { minLength: size, maxLength: size }).chain((allocations) => {
      const free = allocations.flatMap((index, ordinal) => (index === undefined ? [ordinal] : []));
      return fc.record(
        {
          kind: fc.constant('IPAMBlock' as const),
          meta,
          cidr: fc.constant(prefix),
          affinity,
          affinityClaimTime: moment,
          allocations: fc.constant(allocations),
          unallocated: fc.shuffledSubarray(free),
          attributes: fc.constant(attributes),
          sequenceNumber: fc.maxSafeNat(),
          sequenceNumberForAllocation: fc.dictionary(fc.nat(size - 1).map(String), fc.maxSafeNat()),
          deleted: fc.boolean(),
        },
        {
          requiredKeys: [
            ...([
              'kind',
              'meta',
              'cidr',
              'allocations',
              'unallocated',
              'attributes',
              'sequenceNumber',
            ] as const),
            ...(['sequenceNumberForAllocation', 'deleted'] as const),
          ],
        },
      );
    });
  });

const blockAffinity: fc.Arbitrary<BlockAffinity> = fc.record({
  kind: fc.constant('BlockAffinity' as const),
  meta,
  cidr,
  type: fc.constantFrom('host' as const, 'virtual' as const),
  node: name,
  state: fc.constantFrom('pending' as const, 'confirmed' as const, 'pendingDeletion' as const),
  deleted: fc.boolean(),
});

test('a block or an affinity that was written, and went over the wire, reads as it was', () => {
  fc.assert(
    fc.property(fc.oneof(block, blockAffinity), (value) => {
      const wire: unknown = JSON.parse(JSON.stringify(toManifest(value)));
      expect(readManifest(wire)).toEqual({ ok: true, value });
    }),
  );
});
