/** Learned prefixes by the list of next hops they share. */
import type { NextHop } from '../../src/kernel/kernel.ts';
import { type Address, type Prefix, versionOf } from '../../src/lib/net.ts';

export interface Group {
  readonly key: string;
  readonly nextHops: readonly Address[];
  /** In no order. */
  readonly members: Member[];
  /** What the next hops come to. */
  hops: readonly NextHop[];
}

/** A learned prefix, and where it stands in its group. */
export interface Member {
  readonly prefix: Prefix;
  readonly group: Group;
  at: number;
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
    const group = this.#byKey.get(key) ?? { key, nextHops, members: [], hops: [] };
    this.#byList.set(nextHops, group);
    return group;
  }

  join(group: Group, prefix: Prefix): Member {
    const { members } = group;
    if (members.length === 0) this.#found(group);
    const member = { prefix, group, at: members.length };
    members.push(member);
    return member;
  }

  /** The last one takes its place: who looks at all from the last to the first misses none. True if there is none left. */
  leave({ group, at }: Member): boolean {
    const { members } = group;
    const last = members.pop();
    if (last !== undefined && last.at !== at) {
      members[at] = last;
      last.at = at;
    }
    if (members.length > 0) return false;
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
