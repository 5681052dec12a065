/** What a request comes to: one want for each address, with the pools it may be from. */
import { type PoolRequest, selectPools } from '../ipam/pools.ts';
import type { Want } from '../ipam/turn.ts';
import { type Address, compareAddresses, type IpVersion, versionOf } from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { AssignRequest, Facts, LedgerRefusal } from './ledger.ts';

/** IPv4 first. Fails if a family has no pool: all or nothing. */
export function wantsOf(request: AssignRequest, facts: Facts): Result<readonly Want[], LedgerRefusal> {
  const { addresses = [], families } = request;
  const wished: readonly { readonly family: IpVersion; readonly address?: Address }[] =
    addresses.length > 0
      ? addresses.toSorted(compareAddresses).map((address) => ({ family: versionOf(address), address }))
      : [...new Set(families)].sort().map((family) => ({ family }));
  if (wished.length === 0)
    return err({ kind: 'no-pool', what: 'No address family was asked for.', transient: false });
  const wants: Want[] = [];
  for (const wish of wished) {
    const pools = selectPools(facts.pools, { ...wish, ...circumstances(request, facts) });
    if (!pools.ok) return err({ kind: 'no-pool', what: pools.error, transient: false });
    wants.push({ ...wish, pools: pools.value });
  }
  return ok(wants);
}

const circumstances = (
  { use = 'Workload', namespace, pools }: AssignRequest,
  { nodeLabels }: Facts,
): Omit<PoolRequest, 'family' | 'address'> => ({
  use,
  nodeLabels,
  ...(namespace === undefined ? {} : { namespace }),
  ...(pools === undefined ? {} : { named: pools }),
});
