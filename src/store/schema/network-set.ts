/** projectcalico.org/v3 NetworkSet and GlobalNetworkSet: addresses with labels. */
import type { Prefix } from '../../lib/net.ts';
import { ok, type Result } from '../../lib/result.ts';
import type { Meta } from '../../model/meta.ts';
import type { NetworkSet } from '../../model/policy.ts';
import { prefixOrAddress } from './addresses.ts';
import { list, maybe } from './fields.ts';
import type { Flaw } from './flaw.ts';
import { manifest, read, strict } from './read.ts';

/** A set may have a hundred thousand of them, for which a rule of the API server would cost too much: only their letters are looked at there. */
const net = prefixOrAddress.meta({ maxLength: 48, pattern: '^[0-9a-fA-F:.]+(/[0-9]{1,3})?$' });

export const networkSetSchema = manifest(
  maybe(strict({ nets: maybe(list(net).describe('Prefixes and single addresses.')) })),
);

function netsOf(json: unknown): Result<readonly Prefix[], readonly Flaw[]> {
  const parsed = read(networkSetSchema, json);
  return parsed.ok ? ok([...new Set(parsed.value.spec?.nets ?? [])]) : parsed;
}

type Of<Kind> = Result<Extract<NetworkSet, { readonly kind: Kind }>, readonly Flaw[]>;

export function readNetworkSet(meta: Meta, json: unknown): Of<'NetworkSet'> {
  const nets = netsOf(json);
  return nets.ok ? ok({ kind: 'NetworkSet', meta, nets: nets.value }) : nets;
}

export function readGlobalNetworkSet(meta: Meta, json: unknown): Of<'GlobalNetworkSet'> {
  const nets = netsOf(json);
  return nets.ok ? ok({ kind: 'GlobalNetworkSet', meta, nets: nets.value }) : nets;
}
