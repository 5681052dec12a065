/**
 * Whether what the blocks say and what the pods use are the same, and whether the blocks themselves make sense: one look, nothing
 * changed. A leak found here is a suspicion; the controller waits for a second look before it takes anything back.
 */
import {
  type Address,
  comparePrefixes,
  containsAddress,
  formatAddress,
  formatPrefix,
  overlaps,
  type Prefix,
} from '../lib/net.ts';
import type { BlockAffinity, IpamBlock } from '../model/ipam.ts';
import type { IpPool, Pod } from '../model/resource.ts';
import type { Service } from '../model/service.ts';
import { inUse, ownerOf, ownerText, sameOwner } from './block.ts';
import { whyUnused } from './leaks.ts';

export interface CheckView {
  readonly blocks: readonly IpamBlock[];
  readonly affinities: readonly BlockAffinity[];
  readonly pools: readonly IpPool[];
  readonly nodes: ReadonlySet<string>;
  readonly pods: readonly Pod[];
  readonly services: readonly Service[];
}

/** One address that is given. */
export interface CheckedAllocation {
  readonly address: Address;
  readonly block: Prefix;
  readonly handle: string;
  readonly sequence: number;
  readonly attributes: Readonly<Record<string, string>>;
  /** Absent: it is in use, or nobody can tell. */
  readonly whyUnused?: string;
}

/** One address that a pod or service has. */
export interface UsedAddress {
  readonly address: Address;
  /** "pod shop/web-1", "service shop/web". */
  readonly users: readonly string[];
  readonly allocation?: CheckedAllocation;
}

export interface CheckResult {
  readonly allocations: readonly CheckedAllocation[];
  readonly used: readonly UsedAddress[];
  readonly handles: number;
  /** Given, and in nobody's use. */
  readonly leaked: readonly CheckedAllocation[];
  readonly shared: readonly UsedAddress[];
  readonly outsidePools: readonly UsedAddress[];
  readonly unallocated: readonly UsedAddress[];
  /** Of blocks and affinities; sentences. */
  readonly broken: readonly string[];
}

export function checkIpam(view: CheckView): CheckResult {
  const pods = new Map(view.pods.map((pod) => [`${pod.meta.namespace}/${pod.meta.name}`, pod]));
  const balanced = new Set(
    view.services
      .filter(({ type }) => type === 'LoadBalancer')
      .map(({ meta }) => `${meta.namespace}/${meta.name}`),
  );
  const shown = new Set(view.services.flatMap(({ ingressIps }) => ingressIps));
  const allocations = view.blocks.flatMap((block) =>
    inUse(block).map((one): CheckedAllocation => {
      const { handle, secondary: attributes } = one.attribute;
      const isBalancers = block.affinity?.type === 'virtual' || attributes['type'] === 'loadBalancer';
      const why = !isBalancers
        ? whyUnused(one, pods, view.nodes)
        : shown.has(one.address)
          ? undefined
          : whyUnserved(attributes, balanced);
      const { address, sequence } = one;
      return { address, block: block.cidr, handle, sequence, attributes, ...(why && { whyUnused: why }) };
    }),
  );
  const used = usedAddresses(view, new Map(allocations.map((one) => [one.address, one])));
  // Without any block the nodes give addresses of their podCIDRs, and there is nothing to compare with.
  const ungiven = view.blocks.length === 0 ? [] : used.filter((one) => one.allocation === undefined);
  const pooled = ({ address }: UsedAddress): boolean =>
    view.pools.some(({ cidr, disabled }) => !disabled && containsAddress(cidr, address));
  return {
    allocations,
    used,
    handles: new Set(allocations.map(({ handle }) => handle)).size,
    leaked: allocations.filter((one) => one.whyUnused !== undefined),
    shared: used.filter(({ users }) => users.length > 1),
    outsidePools: ungiven.filter((one) => !pooled(one)),
    unallocated: ungiven.filter(pooled),
    broken: [...blockFlaws(view), ...affinityFlaws(view)],
  };
}

/** An address is given before a service shows it, so its service need only be there. */
function whyUnserved(
  { namespace, service }: Readonly<Record<string, string>>,
  balanced: ReadonlySet<string>,
): string | undefined {
  if (namespace === undefined || service === undefined) return 'No service has it.';
  const name = `${namespace}/${service}`;
  return balanced.has(name) ? undefined : `There is no service ${name} of type LoadBalancer.`;
}

function usedAddresses(
  { pods, services }: CheckView,
  allocations: ReadonlyMap<Address, CheckedAllocation>,
): readonly UsedAddress[] {
  const users = new Map<Address, string[]>();
  const note = (address: Address, user: string): void => {
    users.set(address, [...(users.get(address) ?? []), user]);
  };
  for (const { meta, ips, hostNetwork, finished } of pods)
    if (!hostNetwork && !finished)
      for (const address of ips) note(address, `pod ${meta.namespace}/${meta.name}`);
  for (const { meta, ingressIps } of services)
    for (const address of ingressIps) note(address, `service ${meta.namespace}/${meta.name}`);
  return [...users].map(([address, names]) => {
    const allocation = allocations.get(address);
    return { address, users: names, ...(allocation && { allocation }) };
  });
}

function blockFlaws({ blocks, pools, affinities }: CheckView): readonly string[] {
  const flaws: string[] = [];
  const sorted = blocks.toSorted((a, b) => comparePrefixes(a.cidr, b.cidr));
  for (const [at, block] of sorted.entries()) {
    const name = formatPrefix(block.cidr);
    const clash = sorted.slice(at + 1).find((other) => overlaps(block.cidr, other.cidr));
    if (clash !== undefined)
      flaws.push(
        `Block ${name} overlaps block ${formatPrefix(clash.cidr)}: two pods may have one address. Was a pool made anew with another blockSize? Drain the nodes of the one, and delete it.`,
      );
    if (!pools.some(({ cidr }) => overlaps(cidr, block.cidr)))
      flaws.push(
        `Block ${name} is in no IPPool: its pods keep their addresses, and nothing more is given from it.`,
      );
    const { affinity } = block;
    if (affinity === undefined) continue;
    const claimed = affinities.some(
      (one) => one.cidr === block.cidr && one.state === 'confirmed' && sameOwner(ownerOf(one), affinity),
    );
    if (!claimed)
      flaws.push(
        `Block ${name} is ${ownerText(affinity)}'s, but no BlockAffinity confirms it, so it is not announced. The controller settles this; else restart the agent of ${ownerText(affinity)}.`,
      );
  }
  return flaws;
}

function affinityFlaws({ affinities, blocks, nodes }: CheckView): readonly string[] {
  const byCidr = new Map(blocks.map((block) => [block.cidr, block]));
  return affinities.flatMap((affinity) => {
    const who = `BlockAffinity ${affinity.meta.name}`;
    if (affinity.type === 'host' && !nodes.has(affinity.node))
      return [
        `${who} is of node ${affinity.node}, which is gone. The controller gives it back when its block is empty.`,
      ];
    if (affinity.state !== 'confirmed')
      return [`${who} is ${affinity.state}: a claim or deletion stopped half-way, or is under way now.`];
    return sameOwner(byCidr.get(affinity.cidr)?.affinity, ownerOf(affinity))
      ? []
      : [`${who} is confirmed, but the block is not ${affinity.node}'s. The controller settles this.`];
  });
}

/** "10.65.0.5 (block 10.65.0.0/26, handle k8s-pod-network.x)". */
export const allocationText = ({ address, block, handle }: CheckedAllocation): string =>
  `${formatAddress(address)} (block ${formatPrefix(block)}, handle ${handle === '' ? 'none' : handle})`;
