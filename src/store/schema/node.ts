/** v1 Node. It has hundreds of fields; unknown ones pass, those we read must be right. */
import { z } from 'zod';
import { type Address, formatPrefix, type Prefix, versionOf } from '../../lib/net.ts';
import { ok, type Result } from '../../lib/result.ts';
import type { Meta, Node, Taint } from '../../model/resource.ts';
import { parseAddressField, prefix } from './addresses.ts';
import { flag, list, maybe, oneOf, text, textOrAbsent } from './fields.ts';
import type { Flaw } from './flaw.ts';
import { isDeleting } from './meta.ts';
import { check, read } from './read.ts';

const taint = z
  .object({
    key: text,
    value: maybe(textOrAbsent),
    effect: oneOf('NoSchedule', 'PreferNoSchedule', 'NoExecute'),
  })
  .transform(({ key, value, effect }): Taint => ({ key, ...(value === undefined ? {} : { value }), effect }));

const spec = z
  .object({
    podCIDR: maybe(prefix),
    podCIDRs: maybe(list(prefix)),
    taints: maybe(list(taint)),
    unschedulable: maybe(flag),
  })
  .superRefine(
    check(({ podCIDRs = [] }) => {
      const second = podCIDRs.findIndex((one, at) =>
        podCIDRs.slice(0, at).some((other) => versionOf(other) === versionOf(one)),
      );
      return second < 0
        ? undefined
        : {
            at: ['podCIDRs', second],
            wrong: {
              what: `is a second prefix of its IP version: ${formatPrefix(podCIDRs[second] as Prefix)}.`,
              fix: 'Keep one IPv4 and one IPv6 prefix at most, as the API server does.',
            },
          };
    }),
  );

/** Addresses of other types (Hostname, ExternalDNS, …) are not even looked at: they need not be IP addresses. */
const statusAddress = z
  .object({ type: text, address: text })
  .transform(({ type, address }, context): Address | undefined => {
    if (type !== 'InternalIP') return undefined;
    const parsed = parseAddressField(address);
    if (parsed.ok) return parsed.value;
    const { what, fix } = parsed.error;
    context.addIssue({ code: 'custom', path: ['address'], message: what, params: { fix } });
    return z.NEVER;
  });

const schema = z.object({
  spec: maybe(spec),
  status: maybe(
    z.object({
      addresses: maybe(list(statusAddress)),
      conditions: maybe(list(z.object({ type: text, status: text }))),
    }),
  ),
});

export function readNode(meta: Meta, json: unknown): Result<Node, readonly Flaw[]> {
  const parsed = read(schema, json);
  if (!parsed.ok) return parsed;
  const { podCIDR, podCIDRs, taints = [], unschedulable = false } = parsed.value.spec ?? {};
  const { addresses = [], conditions = [] } = parsed.value.status ?? {};
  return ok({
    kind: 'Node',
    meta,
    podCidrs: podCIDRs ?? (podCIDR === undefined ? [] : [podCIDR]),
    internalIps: [...new Set(addresses.filter((address) => address !== undefined))],
    taints,
    unschedulable,
    ready: (conditions.find(({ type }) => type === 'Ready')?.status ?? 'True') === 'True',
    deleting: isDeleting(json),
  });
}
