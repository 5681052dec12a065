/** v1 Node. It has hundreds of fields; unknown ones pass, those we read must be right. */
import { z } from 'zod';
import { type Address, formatPrefix, type Prefix, versionOf } from '../../lib/net.ts';
import { ok, type Result } from '../../lib/result.ts';
import type { Meta, Node } from '../../model/resource.ts';
import { parseAddressField, prefix } from './addresses.ts';
import { list, maybe, text } from './fields.ts';
import type { Flaw } from './flaw.ts';
import { check, read } from './read.ts';

const spec = z.object({ podCIDR: maybe(prefix), podCIDRs: maybe(list(prefix)) }).superRefine(
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
  status: maybe(z.object({ addresses: maybe(list(statusAddress)) })),
});

export function readNode(meta: Meta, json: unknown): Result<Node, readonly Flaw[]> {
  const parsed = read(schema, json);
  if (!parsed.ok) return parsed;
  const { podCIDR, podCIDRs } = parsed.value.spec ?? {};
  const addresses = parsed.value.status?.addresses ?? [];
  return ok({
    kind: 'Node',
    meta,
    podCidrs: podCIDRs ?? (podCIDR === undefined ? [] : [podCIDR]),
    internalIps: [...new Set(addresses.filter((address) => address !== undefined))],
  });
}
