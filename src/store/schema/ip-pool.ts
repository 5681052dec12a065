/** projectcalico.org/v3 IPPool. Strict, with Calico's own validation and defaults. */
import type { z } from 'zod';
import { formatPrefix, isPrefix4, lengthOf, overlaps, type Prefix, parsePrefix } from '../../lib/net.ts';
import { ok, type Result } from '../../lib/result.ts';
import type { IpPool, Meta } from '../../model/resource.ts';
import { type Selector, usesGlobal } from '../../model/selector.ts';
import { strictPrefix } from './addresses.ts';
import { isStrictPrefix, never, noGlobal, prefixLength, type Rule, withDefault, withRules } from './cel.ts';
import { flag, list, maybe, oneOf, selectorOrAbsent, wholeNumber } from './fields.ts';
import type { Flaw } from './flaw.ts';
import { createdAt, isDeleting } from './meta.ts';
import { check, manifest, read, strict, unsupported } from './read.ts';

const linkLocal = ['169.254.0.0/16', 'fe80::/10'].flatMap((text) => parsePrefix(text) ?? []);

const encapsulation = 'packets between nodes are routed, never encapsulated';

const everything: Selector = { kind: 'all' };

const selector = selectorOrAbsent
  // A word of policies; here it would mean nothing.
  .refine((value) => value === undefined || !usesGlobal(value), {
    error: 'cannot use global(), which has a meaning in policies only.',
    params: { fix: 'Write all() or labels to select by.' },
  })
  .transform((value) => value ?? everything);

const assignmentMode = oneOf('Automatic', 'Manual', '').transform((word) =>
  word === 'Manual' ? word : 'Automatic',
);

const notLinkLocal: Rule = {
  rule: ['169.254.0.0/16', 'fe80::/10']
    .map((prefix) => `!cidr('${prefix}').containsCIDR(self) && !cidr(self).containsCIDR('${prefix}')`)
    .join(' && '),
  message: 'must not overlap 169.254.0.0/16 or fe80::/10, which are link-local',
};

const isIpv4 = 'cidr(self.cidr).ip().family() == 4';
const sizeOf = (pool: string): string =>
  `(has(${pool}.blockSize) ? ${pool}.blockSize : ${isIpv4} ? 26 : 122)`;
const isForServices = "has(self.allowedUses) && 'LoadBalancer' in self.allowedUses";

const rules: readonly Rule[] = [
  {
    rule: `!has(self.blockSize) || (${isIpv4} ? self.blockSize >= 20 && self.blockSize <= 32 : self.blockSize >= 116)`,
    message: 'blockSize must be from 20 to 32 for IPv4, and from 116 to 128 for IPv6',
  },
  {
    rule: `(has(self.disabled) && self.disabled) || cidr(self.cidr).prefixLength() <= ${sizeOf('self')}`,
    message: 'blockSize makes blocks greater than the pool: choose a greater one (26 and 122 if absent)',
  },
  {
    rule: `${sizeOf('self')} == ${sizeOf('oldSelf')}`,
    message: 'blockSize never changes: make another pool, and disable this one',
  },
  {
    rule: "!has(self.namespaceSelector) || self.namespaceSelector in ['', 'all()'] || !has(self.allowedUses) || !('Tunnel' in self.allowedUses)",
    message: 'namespaceSelector cannot stand in a pool for tunnels: write allowedUses: [Workload]',
  },
  {
    rule: `!(${isForServices}) || self.allowedUses.all(use, use == 'LoadBalancer')`,
    message: 'allowedUses cannot have another use next to LoadBalancer: make a pool for each',
  },
  {
    rule: `!(${isForServices}) || !has(self.nodeSelector) || self.nodeSelector in ['', 'all()']`,
    message: 'nodeSelector must be all() in a LoadBalancer pool, whose addresses are of no node',
  },
  {
    rule: `!(${isForServices}) || !has(self.disableBGPExport) || !self.disableBGPExport`,
    message:
      'disableBGPExport cannot be true in a LoadBalancer pool: leave it out of serviceLoadBalancerIPs instead',
  },
];

const spec = strict({
  cidr: withRules(
    strictPrefix.describe('A prefix that addresses are given from, without host bits. Never changes.'),
    [isStrictPrefix, notLinkLocal, never('cidr', 'make another pool, and disable this one')],
    prefixLength,
  ),
  disabled: maybe(flag.describe('No new address is given from this pool; false if absent.')),
  disableBGPExport: maybe(flag.describe('Routes in this pool are not announced; false if absent.')),
  blockSize: maybe(
    wholeNumber('a prefix length', 20, 128).describe(
      'Prefix length of the blocks that nodes take of this pool; 26 if absent, 122 for IPv6. Never changes.',
    ),
  ),
  nodeSelector: maybe(
    withDefault(
      withRules(selector.describe('The nodes that may take blocks of this pool.'), [noGlobal]),
      'all()',
    ),
  ),
  namespaceSelector: maybe(
    withRules(selector.describe('The namespaces whose pods get addresses of this pool; all() if absent.'), [
      noGlobal,
    ]),
  ),
  allowedUses: maybe(
    list(oneOf('Workload', 'Tunnel', 'LoadBalancer'))
      .describe(
        'What addresses of this pool are for; Workload and Tunnel if absent. LoadBalancer stands alone.',
      )
      .meta({ maxItems: 10 }),
  ),
  assignmentMode: maybe(
    withDefault(assignmentMode.describe('Manual: only for what asks for this pool by name.'), 'Automatic'),
  ),
  ipipMode: unsupported(encapsulation, 'Never', ''),
  vxlanMode: unsupported(encapsulation, 'Never', ''),
  natOutgoing: maybe(
    flag.describe(
      'Pods of this pool reach what is outside all pools with the address of their node; false if absent.',
    ),
  ),
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

const blockSizes = (cidr: Prefix): readonly [least: number, most: number, usual: number] =>
  isPrefix4(cidr) ? [20, 32, 26] : [116, 128, 122];

function checkBlockSize({ cidr, blockSize, disabled = false }: Spec) {
  const [least, most, usual] = blockSizes(cidr);
  const size = blockSize ?? usual;
  const at = ['blockSize'];
  if (size < least || size > most)
    return {
      at,
      wrong: {
        what: `must be from ${least} to ${most} for ${formatPrefix(cidr)}, but is ${size}.`,
        fix: 'Choose one in that range, or remove the field.',
      },
    };
  if (disabled || lengthOf(cidr) <= size) return undefined;
  return {
    at,
    wrong: {
      what: `makes blocks greater than the pool: ${size}${blockSize === undefined ? ', the default,' : ''} against ${formatPrefix(cidr)}.`,
      fix: `Choose ${lengthOf(cidr)} or more.`,
    },
  };
}

function checkUses({
  allowedUses = [],
  nodeSelector = everything,
  namespaceSelector,
  disableBGPExport,
}: Spec) {
  const flaw = (field: string, what: string, fix: string) => ({ at: [field], wrong: { what, fix } });
  if (allowedUses.includes('Tunnel') && namespaceSelector !== undefined && namespaceSelector.kind !== 'all')
    return flaw(
      'namespaceSelector',
      'cannot stand in a pool for tunnels, whose addresses are of no namespace.',
      'Write allowedUses: [Workload], or remove namespaceSelector.',
    );
  if (!allowedUses.includes('LoadBalancer')) return undefined;
  if (allowedUses.some((use) => use !== 'LoadBalancer'))
    return flaw('allowedUses', 'cannot have another use next to LoadBalancer.', 'Make a pool for each.');
  if (nodeSelector.kind !== 'all')
    return flaw(
      'nodeSelector',
      'must be all() in a LoadBalancer pool, whose addresses are of no node.',
      'Write all(), or remove it.',
    );
  return disableBGPExport === true
    ? flaw(
        'disableBGPExport',
        'cannot be true in a LoadBalancer pool.',
        'Leave its prefix out of serviceLoadBalancerIPs of the BGPConfiguration instead.',
      )
    : undefined;
}

export const ipPoolSchema = manifest(
  withRules(
    spec.superRefine(check(checkCidr)).superRefine(check(checkBlockSize)).superRefine(check(checkUses)),
    rules,
  ),
);

export function readIpPool(meta: Meta, json: unknown): Result<IpPool, readonly Flaw[]> {
  const parsed = read(ipPoolSchema, json);
  if (!parsed.ok) return parsed;
  const { cidr, disabled, disableBGPExport, blockSize, allowedUses, ...rest } = parsed.value.spec;
  const { nodeSelector = everything, namespaceSelector = everything, assignmentMode = 'Automatic' } = rest;
  const { natOutgoing = false } = rest;
  const created = createdAt(json);
  const usual =
    namespaceSelector.kind === 'all' ? (['Workload', 'Tunnel'] as const) : (['Workload'] as const);
  return ok({
    kind: 'IPPool',
    meta,
    cidr,
    disabled: disabled ?? false,
    disableBgpExport: disableBGPExport ?? false,
    blockSize: blockSize ?? blockSizes(cidr)[2],
    nodeSelector,
    namespaceSelector,
    allowedUses: allowedUses === undefined || allowedUses.length === 0 ? usual : [...new Set(allowedUses)],
    assignmentMode,
    ...(natOutgoing ? { natOutgoing } : {}),
    terminating: isDeleting(json),
    ...(created === undefined ? {} : { created }),
  });
}
