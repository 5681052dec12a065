/** projectcalico.org/v3 IPAMBlock. Written by programs only, so what is wrong with it names no remedy but a look at it. */
import { z } from 'zod';
import type { JsonFields } from '../../lib/json.ts';
import { formatPrefix, lengthOf, widthOf } from '../../lib/net.ts';
import { ok, type Result } from '../../lib/result.ts';
import type { AllocationAttribute, BlockOwner, IpamBlock } from '../../model/ipam.ts';
import type { Meta } from '../../model/meta.ts';
import { strictPrefix } from './addresses.ts';
import { isStrictPrefix, never, prefixLength, withRules } from './cel.ts';
import { flag, list, maybe, parseText, record, text, time, wholeNumber } from './fields.ts';
import { type Flaw, mustBe, type Wrong } from './flaw.ts';
import { check, field, foreign, manifest, read, shared } from './read.ts';

const seeCheck = 'See tortiectl ipam check; delete the block only if none of its addresses is used.';

const owner = field(
  (json): Result<BlockOwner, Wrong> => {
    const source = parseText(json);
    if (!source.ok) return source;
    const [, type, name = ''] = /^(host|virtual):(.+)$/.exec(source.value) ?? [];
    if (type === undefined)
      return mustBe('host:NODE or virtual:NAME', json, 'Write host: and the name of a node.');
    return ok(type === 'host' ? { type, node: name } : { type: 'virtual', name });
  },
  { type: 'string', pattern: '^(host|virtual):.+$' },
);

/** The most addresses of a block: blockSize 20 and 116. */
const mostAddresses = 4096;

const ordinal = wholeNumber('an ordinal', 0, mostAddresses - 1);

const slot = field(
  (json): Result<number | undefined, Wrong> =>
    json === null
      ? ok(undefined)
      : typeof json === 'number' && Number.isInteger(json) && json >= 0
        ? ok(json)
        : mustBe('null or an index of attributes', json, seeCheck),
  { type: 'integer', nullable: true },
);

/** Larger than any count of ours: Calico may start one from the time of day. */
const sequence = field(
  (json) =>
    typeof json === 'number' && Number.isInteger(json) && json >= 0
      ? ok(json)
      : mustBe('a sequence number', json, seeCheck),
  { type: 'integer', format: 'int64', minimum: 0 },
);

const attribute = shared({
  handle_id: maybe(text),
  secondary: maybe(record(text)),
  releasedAt: maybe(time),
}).transform(
  ({ handle_id = '', secondary = {}, releasedAt, ...beside }): AllocationAttribute => ({
    handle: handle_id,
    secondary,
    ...(releasedAt === undefined ? {} : { releasedAt }),
    ...(Object.keys(beside).length === 0 ? {} : { beside }),
  }),
);

const spec = shared({
  cidr: withRules(
    strictPrefix.describe('The addresses of this block.'),
    [isStrictPrefix, never('cidr', 'a block is made and deleted, never moved')],
    prefixLength,
  ),
  affinity: maybe(owner.describe('Whose block it is: host:NODE or virtual:NAME; nobody’s if absent.')),
  affinityClaimTime: maybe(time),
  allocations: list(slot).describe('By ordinal: index into attributes, or null if free.'),
  unallocated: list(ordinal).describe('Free ordinals, the one to give next first.'),
  attributes: list(attribute).describe('What is known of each allocation.'),
  sequenceNumber: maybe(sequence),
  sequenceNumberForAllocation: maybe(record(sequence)),
  deleted: maybe(flag.describe('It is being deleted: nothing more is given from it.')),
  strictAffinity: maybe(flag.describe('Deprecated, and without effect.')),
});

type Spec = z.infer<typeof spec>;

/** Every index leads somewhere, and nothing is both free and given. */
function checkBlock({ cidr, allocations, unallocated, attributes }: Spec) {
  const flaw = (at: readonly (string | number)[], what: string) => ({ at, wrong: { what, fix: seeCheck } });
  const size = 2 ** (widthOf(cidr) - lengthOf(cidr));
  if (allocations.length !== size)
    return flaw(
      ['allocations'],
      `must have ${size} entries for ${formatPrefix(cidr)}, but has ${allocations.length}.`,
    );
  const lost = allocations.findIndex((index) => index !== undefined && index >= attributes.length);
  if (lost >= 0) return flaw(['allocations', lost], `leads to no attribute: there are ${attributes.length}.`);
  const last = new Map(unallocated.map((free, at) => [free, at]));
  const wrongly = unallocated.findIndex(
    (free, at) => free >= size || allocations[free] !== undefined || last.get(free) !== at,
  );
  return wrongly < 0
    ? undefined
    : flaw(
        ['unallocated', wrongly],
        `is not free, not in the block or listed twice: ${unallocated[wrongly]}.`,
      );
}

export const ipamBlockSchema = manifest(spec.superRefine(check(checkBlock)));

/** An update replaces all metadata but what the API server keeps to itself. */
const keptMeta = z.object({
  metadata: z.object({ finalizers: maybe(foreign), ownerReferences: maybe(foreign) }),
});

export function readIpamBlock(meta: Meta, json: unknown): Result<IpamBlock, readonly Flaw[]> {
  const parsed = read(ipamBlockSchema, json);
  if (!parsed.ok) return parsed;
  const { cidr, affinity, affinityClaimTime, allocations, unallocated, attributes, ...more } =
    parsed.value.spec;
  const { sequenceNumber = 0, sequenceNumberForAllocation = {}, deleted = false, ...others } = more;
  const { strictAffinity, ...fields } = others;
  const spec: JsonFields = strictAffinity === true ? { ...fields, strictAffinity } : fields;
  const metadata = keptMeta.safeParse(json).data?.metadata ?? {};
  const isBare = Object.keys(spec).length + Object.keys(metadata).length === 0;
  return ok({
    ...{ kind: 'IPAMBlock', meta, cidr, allocations, unallocated, attributes },
    ...(affinity === undefined ? {} : { affinity }),
    ...(affinityClaimTime === undefined ? {} : { affinityClaimTime }),
    ...{ sequenceNumber, sequenceNumberForAllocation, deleted },
    ...(isBare ? {} : { beside: { metadata, spec } }),
  });
}
