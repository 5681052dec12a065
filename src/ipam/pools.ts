/**
 * Which pools an address may come from, and why the others are left out.
 *
 * Requested ∩ enabled ∩ allowedUses ∩ nodeSelector ∩ namespaceSelector ∩ assignmentMode, in the order requested, else by name.
 */
import {
  type Address,
  containsAddress,
  formatAddress,
  formatPrefix,
  type IpVersion,
  overlaps,
  parsePrefix,
  versionOf,
} from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { IpPool, Labels, PoolUse } from '../model/resource.ts';
import { formatSelector, matchesSelector } from '../model/selector.ts';

export interface PoolRequest {
  readonly family: IpVersion;
  readonly use: PoolUse;
  readonly nodeLabels: Labels;
  /** Absent: only pools for all namespaces. */
  readonly namespace?: Labels;
  /** Names or CIDRs. */
  readonly named?: readonly string[];
  /** It must be just this. */
  readonly address?: Address;
}

/** Why a pool gives nothing to anybody, whoever asks; the reasons are those of Calico's condition Allocatable. */
export type Closed =
  | { readonly reason: 'Terminating' | 'PoolDisabled' }
  | { readonly reason: 'CIDROverlap'; readonly elder: IpPool };

/**
 * Undefined: it is open.
 * @param pools  all there are
 */
export function closedBecause(pool: IpPool, pools: readonly IpPool[]): Closed | undefined {
  if (pool.terminating) return { reason: 'Terminating' };
  if (pool.disabled) return { reason: 'PoolDisabled' };
  const elder = pools.find((one) => isElder(one, pool) && overlaps(one.cidr, pool.cidr));
  return elder && { reason: 'CIDROverlap', elder };
}

/** The one that was there first keeps its range, disabled or not, whatever it is for; of two of one second, the first by name. */
function isElder(one: IpPool, than: IpPool): boolean {
  if (one.meta.name === than.meta.name) return false;
  const [a, b] = [one.created ?? '', than.created ?? ''];
  return a === b ? one.meta.name < than.meta.name : a < b;
}

/** Fails: sentences that name every pool of the family and say what keeps it out, or that there is none. */
export function selectPools(
  pools: readonly IpPool[],
  request: PoolRequest,
): Result<readonly IpPool[], string> {
  const ofFamily = pools.filter(({ cidr }) => versionOf(cidr) === request.family);
  const { address } = request;
  if (address !== undefined && !ofFamily.some(({ cidr }) => containsAddress(cidr, address)))
    return err(
      `No IPPool contains ${formatAddress(address)}. Ask for an address of a pool, or create an IPPool around it.`,
    );
  const asked = inOrder(ofFamily, request.named);
  const judged = asked.found.map((pool) => ({ pool, why: whyClosed(pool, pools) ?? whyNot(pool, request) }));
  const fit = judged.flatMap(({ pool, why }) => (why === undefined ? [pool] : []));
  if (fit.length > 0) return ok(fit);
  const reasons = [
    ...judged.map(({ pool, why }) => `${pool.meta.name} (${formatPrefix(pool.cidr)}) ${why}`),
    ...asked.missing.map((name) => `${name} is requested, but no IPv${request.family} pool is called so`),
  ];
  return err(
    reasons.length === 0
      ? `There is no IPv${request.family} IPPool. Create one, for example with cidr ${request.family === 4 ? '10.244.0.0/16' : 'fd00:244::/64'}.`
      : `No IPv${request.family} pool may be used here: ${reasons.join('; ')}.`,
  );
}

const isCalled = (pool: IpPool, name: string): boolean =>
  pool.meta.name === name || parsePrefix(name) === pool.cidr;

function inOrder(
  pools: readonly IpPool[],
  named: readonly string[] | undefined,
): { readonly found: readonly IpPool[]; readonly missing: readonly string[] } {
  const byName = pools.toSorted((a, b) => (a.meta.name < b.meta.name ? -1 : 1));
  if (named === undefined) return { found: byName, missing: [] };
  const found = new Set(named.flatMap((name) => byName.filter((pool) => isCalled(pool, name))));
  const missing = named.filter((name) => !byName.some((pool) => isCalled(pool, name)));
  return { found: [...found], missing };
}

function whyClosed(pool: IpPool, pools: readonly IpPool[]): string | undefined {
  const closed = closedBecause(pool, pools);
  if (closed === undefined) return undefined;
  if (closed.reason === 'CIDROverlap')
    return `overlaps the older pool ${closed.elder.meta.name} (${formatPrefix(closed.elder.cidr)}), so one of the two must go`;
  return closed.reason === 'PoolDisabled' ? 'is disabled' : 'is being deleted';
}

/** In the order a person would check; undefined lets the pool in. */
const obstacles: readonly ((pool: IpPool, request: PoolRequest) => string | undefined)[] = [
  ({ cidr }, { address }) =>
    address !== undefined && !containsAddress(cidr, address)
      ? `does not contain ${formatAddress(address)}`
      : undefined,
  ({ allowedUses }, { use }) =>
    allowedUses.includes(use)
      ? undefined
      : `is for ${allowedUses.join(' and ')}, not for ${use} (allowedUses)`,
  ({ assignmentMode }, { named, address }) =>
    assignmentMode === 'Manual' && named === undefined && address === undefined
      ? 'is only for those who ask for it (assignmentMode Manual)'
      : undefined,
  ({ nodeSelector }, { nodeLabels }) =>
    matchesSelector(nodeSelector, nodeLabels)
      ? undefined
      : `is not for this node (nodeSelector ${formatSelector(nodeSelector)})`,
  ({ namespaceSelector }, { namespace }) =>
    namespaceSelector.kind === 'all' ||
    (namespace !== undefined && matchesSelector(namespaceSelector, namespace))
      ? undefined
      : `is not for this namespace (namespaceSelector ${formatSelector(namespaceSelector)})`,
];

function whyNot(pool: IpPool, request: PoolRequest): string | undefined {
  for (const obstacle of obstacles) {
    const why = obstacle(pool, request);
    if (why !== undefined) return why;
  }
  return undefined;
}
