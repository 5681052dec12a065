/**
 * projectcalico.org/v3 IPPool. Strict.
 *
 * Addresses come from each node's pod CIDRs in this version, so a pool says which prefixes are pod addresses and
 * whether they may be announced. Fields that would split a pool between nodes, namespaces or uses are accepted only
 * with values that ask for no such thing; blockSize is checked and has nothing to size.
 */
import type { z } from 'zod';
import { formatPrefix, isPrefix4, lengthOf, overlaps, type Prefix, parsePrefix } from '../../lib/net.ts';
import { ok, type Result } from '../../lib/result.ts';
import type { IpPool, Meta } from '../../model/resource.ts';
import { strictPrefix } from './addresses.ts';
import { flag, maybe, selectorOrAbsent, wholeNumber } from './fields.ts';
import { describe, type Flaw, type Wrong, wrong } from './flaw.ts';
import { check, field, manifest, read, strict, unsupported } from './read.ts';

const linkLocal = ['169.254.0.0/16', 'fe80::/10'].flatMap((text) => parsePrefix(text) ?? []);

const encapsulation = 'packets between nodes are routed, never encapsulated';

/** "" and all() are the same; anything else would limit the pool. */
const everythingOnly = (what: string) =>
  selectorOrAbsent.refine((selector) => selector === undefined || selector.kind === 'all', {
    error: `limits the pool to some ${what}, which is not supported in this version: addresses come from each node's pod CIDRs.`,
    params: { fix: 'Remove the field or write all().' },
  });

const allowedUses = field(parseAllowedUses, {
  type: 'array',
  items: { type: 'string', enum: ['Workload', 'Tunnel'] },
});

function parseAllowedUses(json: unknown): Result<undefined, Wrong> {
  const uses: unknown = json;
  if (!Array.isArray(uses))
    return wrong(`must be a list, but is ${describe(json)}.`, 'Write [Workload, Tunnel].');
  const bad = uses.find((use) => use !== 'Workload' && use !== 'Tunnel');
  if (bad === undefined && (uses.length === 0 || uses.includes('Workload'))) return ok(undefined);
  return wrong(
    bad === undefined
      ? 'leaves out Workload, but a pool serves nothing else in this version.'
      : `has a use that is not supported in this version: ${describe(bad)}.`,
    'Write [Workload] or [Workload, Tunnel], or remove the field.',
  );
}

const spec = strict({
  cidr: strictPrefix.describe('A prefix that pod addresses are from, without host bits.'),
  disabled: maybe(flag.describe('Addresses of this pool are not for new pods; false if absent.')),
  disableBGPExport: maybe(flag.describe('Routes in this pool are not announced; false if absent.')),
  blockSize: maybe(
    wholeNumber('a prefix length', 20, 128).describe(
      'Checked against cidr; without effect, because each node has prefixes of its own.',
    ),
  ),
  nodeSelector: maybe(everythingOnly('nodes').describe('Only all() is supported in this version.')),
  namespaceSelector: maybe(everythingOnly('namespaces').describe('Only all() is supported in this version.')),
  allowedUses: maybe(allowedUses.describe('Must include Workload.')),
  ipipMode: unsupported(encapsulation, 'Never', ''),
  vxlanMode: unsupported(encapsulation, 'Never', ''),
  natOutgoing: unsupported('addresses of pods are never translated', false),
  assignmentMode: unsupported('addresses are always assigned automatically', 'Automatic', ''),
});

type Spec = z.infer<typeof spec>;

function checkCidr({ cidr }: Spec) {
  const clash = linkLocal.find((prefix) => overlaps(prefix, cidr));
  return clash === undefined
    ? undefined
    : {
        at: ['cidr'],
        wrong: {
          what: `must not overlap the link-local prefix ${formatPrefix(clash)}, but is ${formatPrefix(cidr)}.`,
          fix: 'Choose a prefix of your own, for example 10.244.0.0/16.',
        },
      };
}

const blockSizes = (cidr: Prefix): readonly [number, number] => (isPrefix4(cidr) ? [20, 32] : [116, 128]);

function checkBlockSize({ cidr, blockSize, disabled = false }: Spec) {
  if (blockSize === undefined) return undefined;
  const [least, most] = blockSizes(cidr);
  const at = ['blockSize'];
  if (blockSize < least || blockSize > most)
    return {
      at,
      wrong: {
        what: `must be from ${least} to ${most} for ${formatPrefix(cidr)}, but is ${blockSize}.`,
        fix: 'Choose one in that range, or remove the field.',
      },
    };
  if (disabled || lengthOf(cidr) <= blockSize) return undefined;
  return {
    at,
    wrong: {
      what: `makes blocks greater than the pool: ${blockSize} against ${formatPrefix(cidr)}.`,
      fix: `Choose ${lengthOf(cidr)} or more.`,
    },
  };
}

export const ipPoolSchema = manifest(spec.superRefine(check(checkCidr)).superRefine(check(checkBlockSize)));

export function readIpPool(meta: Meta, json: unknown): Result<IpPool, readonly Flaw[]> {
  const parsed = read(ipPoolSchema, json);
  if (!parsed.ok) return parsed;
  const { cidr, disabled = false, disableBGPExport = false } = parsed.value.spec;
  return ok({ kind: 'IPPool', meta, cidr, disabled, disableBgpExport: disableBGPExport });
}
