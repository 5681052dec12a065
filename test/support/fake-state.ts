/** What a fake namespace holds, and how its events get out. See fake-kernel.ts. */
import type {
  KernelEvent,
  Link,
  LinkAddress,
  Neighbour,
  OnForeignChange,
  OnOtherChange,
  Route,
} from '../../src/kernel/kernel.ts';
import type { ChainSeen } from '../../src/kernel/netlink/nft/read.ts';
import { type Address, containsAddress, prefixOf } from '../../src/lib/net.ts';
import type { FakeTable } from './fake-nft-table.ts';

export interface FakeLink {
  link: Link;
  readonly peer: { readonly state: FakeState; readonly ifindex: number } | undefined;
}

export interface FakeNftWatcher {
  readonly table: string;
  readonly onForeignChange: OnForeignChange;
  readonly onOtherChange: OnOtherChange | undefined;
}

export interface FakeState {
  readonly links: Map<number, FakeLink>;
  readonly addresses: Map<string, LinkAddress>;
  readonly neighbours: Map<string, Neighbour>;
  readonly proxies: Set<string>;
  readonly routes: Map<string, Route>;
  /** inet tables of nftables. */
  readonly tables: Map<string, FakeTable>;
  /** Base chains of others' tables. */
  hooks: readonly ChainSeen[];
  readonly transactions: string[];
  readonly sysctls: Map<string, string>;
  /** Each with the port it watches through. */
  readonly watchers: Map<(event: KernelEvent) => void, object>;
  readonly nftWatchers: Set<FakeNftWatcher>;
  nextIfindex: number;
}

export const emptyState = (): FakeState => ({
  links: new Map(),
  addresses: new Map(),
  neighbours: new Map(),
  proxies: new Set(),
  routes: new Map(),
  tables: new Map(),
  hooks: [],
  transactions: [],
  sysctls: new Map(),
  watchers: new Map(),
  nftWatchers: new Set(),
  nextIfindex: 1,
});

/**
 * Events come after the call that made them, in order, as from the kernel.
 * @param by  the port that made the change, whose watchers are not told of it
 */
export function emit(state: FakeState, event: KernelEvent, by?: object): void {
  queueMicrotask(() => {
    for (const [watcher, port] of [...state.watchers])
      if (port !== by && state.watchers.has(watcher)) watcher(event);
  });
}

export const linkByName = (state: FakeState, name: string): FakeLink | undefined =>
  [...state.links.values()].find(({ link }) => link.name === name);

/** The link on whose subnet `address` lies, if it is up. */
export function connectedLink(state: FakeState, address: Address): number | undefined {
  for (const { ifindex, address: own, length } of state.addresses.values()) {
    const isUp = state.links.get(ifindex)?.link.up === true;
    if (isUp && containsAddress(prefixOf(own, length), address)) return ifindex;
  }
  for (const { dst, nextHops } of state.routes.values()) {
    const [hop] = nextHops;
    if (hop !== undefined && hop.via === undefined && containsAddress(dst, address)) return hop.ifindex;
  }
  return undefined;
}
