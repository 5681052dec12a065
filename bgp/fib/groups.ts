/** Learned prefixes by the list of next hops they share. */
import type { NextHop } from '../../src/kernel/kernel.ts';
import { type Address, type Prefix, versionOf } from '../../src/lib/net.ts';

export interface Group {
  readonly key: string;
  readonly nextHops: readonly Address[];
  readonly prefixes: Set<Prefix>;
  /** What the next hops come to. */
  hops: readonly NextHop[];
}

export interface GroupsOptions {
  readonly resolve: (nextHops: readonly Address[]) => readonly NextHop[];
  /** No prefix is reached by this next hop any more. */
  readonly onUnused: (nextHop: Address) => void;
}

export class Groups {
  readonly #options: GroupsOptions;
  readonly #byKey = new Map<string, Group>();
  readonly #byNextHop = new Map<Address, Set<Group>>();
  readonly #byList = new WeakMap<readonly Address[], Group>();

  constructor(options: GroupsOptions) {
    this.#options = options;
  }

  uses(nextHop: Address): boolean {
    return this.#byNextHop.has(nextHop);
  }

  by(nextHop: Address): Iterable<Group> {
    return this.#byNextHop.get(nextHop) ?? [];
  }

  /** The group of this list, with or without prefixes. */
  of(nextHops: readonly Address[]): Group {
    const listed = this.#byList.get(nextHops);
    if (listed !== undefined && this.#byKey.get(listed.key) === listed) return listed;
    const key = nextHops.map((nextHop) => `${versionOf(nextHop)}.${nextHop}`).join(' ');
    const group = this.#byKey.get(key) ?? { key, nextHops, prefixes: new Set(), hops: [] };
    this.#byList.set(nextHops, group);
    return group;
  }

  join(group: Group, prefix: Prefix): void {
    if (group.prefixes.size === 0) this.#found(group);
    group.prefixes.add(prefix);
  }

  /** True if it was the last. */
  leave(group: Group, prefix: Prefix): boolean {
    group.prefixes.delete(prefix);
    if (group.prefixes.size > 0) return false;
    this.#byKey.delete(group.key);
    for (const nextHop of group.nextHops) this.#part(nextHop, group);
    return true;
  }

  #found(group: Group): void {
    this.#byKey.set(group.key, group);
    for (const nextHop of group.nextHops) {
      const sharing = this.#byNextHop.get(nextHop) ?? new Set();
      this.#byNextHop.set(nextHop, sharing.add(group));
    }
    group.hops = this.#options.resolve(group.nextHops);
  }

  #part(nextHop: Address, group: Group): void {
    const sharing = this.#byNextHop.get(nextHop);
    sharing?.delete(group);
    if (sharing === undefined || sharing.size > 0) return;
    this.#byNextHop.delete(nextHop);
    this.#options.onUnused(nextHop);
  }
}
