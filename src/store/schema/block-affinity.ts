/** projectcalico.org/v3 BlockAffinity: one node's claim of one block, in two phases. */
import { ok, type Result } from '../../lib/result.ts';
import type { BlockAffinity } from '../../model/ipam.ts';
import type { Meta } from '../../model/meta.ts';
import { strictPrefix } from './addresses.ts';
import { isStrictPrefix, never, prefixLength, withRules } from './cel.ts';
import { flag, maybe, oneOf, text } from './fields.ts';
import type { Flaw } from './flaw.ts';
import { manifest, read, strict } from './read.ts';

export const blockAffinitySchema = manifest(
  strict({
    state: oneOf('confirmed', 'pending', 'pendingDeletion').describe(
      'pending: claimed · confirmed: the block is there and is this node’s · pendingDeletion: being given back.',
    ),
    node: withRules(text.describe('The node, or the name of who else holds the block.'), [
      never('node', 'the claim of another node is another object'),
    ]),
    type: maybe(oneOf('host', 'virtual').describe('host if absent.')),
    cidr: withRules(
      strictPrefix.describe('The block.'),
      [isStrictPrefix, never('cidr', 'another block is another object')],
      prefixLength,
    ),
    deleted: maybe(flag.describe('It is being deleted.')),
  }),
);

export function readBlockAffinity(meta: Meta, json: unknown): Result<BlockAffinity, readonly Flaw[]> {
  const parsed = read(blockAffinitySchema, json);
  if (!parsed.ok) return parsed;
  const { type = 'host', deleted = false, ...rest } = parsed.value.spec;
  return ok({ kind: 'BlockAffinity', meta, type, deleted, ...rest });
}
