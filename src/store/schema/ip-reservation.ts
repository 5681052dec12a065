/** projectcalico.org/v3 IPReservation: addresses that are not given to anybody new. */
import { ok, type Result } from '../../lib/result.ts';
import type { IpReservation } from '../../model/ipam.ts';
import type { Meta } from '../../model/meta.ts';
import { prefixOrAddress } from './addresses.ts';
import { isPrefixOrAddress, prefixLength, withRules } from './cel.ts';
import { list, maybe } from './fields.ts';
import type { Flaw } from './flaw.ts';
import { manifest, read, strict } from './read.ts';

export const ipReservationSchema = manifest(
  maybe(
    strict({
      reservedCIDRs: maybe(
        list(withRules(prefixOrAddress, [isPrefixOrAddress], prefixLength))
          .describe('Addresses and prefixes that are not given to anybody new.')
          .meta({ maxItems: 1000 }),
      ),
    }),
  ),
);

export function readIpReservation(meta: Meta, json: unknown): Result<IpReservation, readonly Flaw[]> {
  const parsed = read(ipReservationSchema, json);
  if (!parsed.ok) return parsed;
  return ok({
    kind: 'IPReservation',
    meta,
    reservedCidrs: [...new Set(parsed.value.spec?.reservedCIDRs ?? [])],
  });
}
