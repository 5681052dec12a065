/**
 * Which interface of this host is which HostEndpoint.
 *
 * By name: whether or not there is such an interface now, so that one that comes is judged from its first packet. By expected
 * address: whichever interface has one. '*' is the rest. Of several that claim one interface the one whose name comes first
 * has it, and the others are told of.
 */
import type { HostEndpoint } from '../../src/model/policy.ts';
import type { HostInterface } from './inputs.ts';

export const everyInterface = '*';

export interface HostPlaces {
  /** Interface, or '*' → who has it. */
  readonly owners: ReadonlyMap<string, HostEndpoint>;
  /** Those that have none they asked for, and why, a sentence. */
  readonly idle: ReadonlyMap<string, string>;
}

/** @param hosts  of this node */
export function placeHosts(hosts: Iterable<HostEndpoint>, interfaces: readonly HostInterface[]): HostPlaces {
  const owners = new Map<string, HostEndpoint>();
  const idle = new Map<string, string>();
  const inOrder = [...hosts].sort((a, b) => (a.meta.name < b.meta.name ? -1 : 1));
  for (const host of inOrder) {
    const { name } = host.meta;
    const wanted = interfacesOf(host, interfaces);
    if (wanted.length === 0) idle.set(name, 'No interface of this node has one of its expectedIPs.');
    for (const each of wanted) {
      const owner = owners.get(each);
      if (owner === undefined) owners.set(each, host);
      else idle.set(name, `HostEndpoint ${owner.meta.name} already stands for interface ${each}.`);
    }
  }
  return { owners, idle };
}

function interfacesOf(host: HostEndpoint, interfaces: readonly HostInterface[]): readonly string[] {
  if (host.interfaceName !== undefined) return [host.interfaceName];
  const expected = new Set(host.expectedIps);
  return interfaces
    .filter(({ addresses }) => addresses.some((address) => expected.has(address)))
    .map(({ name }) => name);
}
