/** What two Nodes cannot both have: an address, a BGP Identifier, a pod prefix. */
import {
  type Address,
  comparePrefixes,
  contains,
  formatAddress,
  formatIpv4,
  formatPrefix,
  type Prefix,
} from '../../src/lib/net.ts';
import type { Problem } from '../../src/model/problem.ts';
import { addressesOf, type Router } from '../../src/model/router.ts';

/** `routers` by name. */
export function clashes(routers: readonly Router[]): Problem[] {
  return [...sharedAddresses(routers), ...sharedRouterIds(routers), ...overlappingPodCidrs(routers)];
}

function sharedAddresses(routers: readonly Router[]): Problem[] {
  const owners = new Map<Address, string>();
  const problems: Problem[] = [];
  for (const router of routers) {
    for (const address of addressesOf(router)) {
      const owner = owners.get(address);
      if (owner === undefined) owners.set(address, router.name);
      else
        problems.push({
          where: `Node/${router.name}`,
          what: `It has the address ${formatAddress(address)}, and so has Node/${owner}: there is no session between the two, and others reach only one of them.`,
          fix: 'Give each node an address of its own.',
        });
    }
  }
  return problems;
}

/** Equal IPv4 addresses are told above; what is left is two names with one hash, or a hash that is someone's address. */
function sharedRouterIds(routers: readonly Router[]): Problem[] {
  const owners = new Map<number, Router>();
  const problems: Problem[] = [];
  for (const router of routers) {
    const owner = owners.get(router.routerId);
    if (owner === undefined) owners.set(router.routerId, router);
    else if (owner.ipv4 === undefined || router.ipv4 === undefined)
      problems.push({
        where: `Node/${router.name}`,
        what: `Its BGP identifier would be ${formatIpv4(router.routerId)}, as that of Node/${owner.name}: they cannot peer (RFC 6286).`,
        fix: 'Give one of the two an IPv4 address or another name.',
      });
  }
  return problems;
}

/** Sorted, a prefix comes right after those that hold it, so one walk with the open ones finds every overlap. */
function overlappingPodCidrs(routers: readonly Router[]): Problem[] {
  const all = routers
    .flatMap((router) => router.podCidrs.map((prefix) => ({ prefix, name: router.name })))
    .sort((a, b) => comparePrefixes(a.prefix, b.prefix) || (a.name < b.name ? -1 : 1));
  const problems: Problem[] = [];
  let open: { readonly prefix: Prefix; readonly name: string }[] = [];
  for (const one of all) {
    open = open.filter((other) => contains(other.prefix, one.prefix));
    for (const other of open) if (other.name !== one.name) problems.push(overlap(one, other));
    open.push(one);
  }
  return problems;
}

function overlap(
  one: { readonly prefix: Prefix; readonly name: string },
  other: { readonly prefix: Prefix; readonly name: string },
): Problem {
  const [inner, outer] = [formatPrefix(one.prefix), formatPrefix(other.prefix)];
  const relation =
    one.prefix === other.prefix
      ? `The pod CIDR ${inner} is also that of Node/${other.name}`
      : `The pod CIDR ${inner} lies inside ${outer} of Node/${other.name}`;
  return {
    where: `Node/${one.name} spec.podCIDRs`,
    what: `${relation}: their pods cannot be told apart by address.`,
    fix: 'Give each node a pod CIDR of its own; replacing the Node object makes the API server choose a new one.',
  };
}
