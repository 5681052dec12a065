/**
 * A kernel in memory behind the kernel ports, for unit tests. `test/contract/kernel.ts` holds it to the real one.
 *
 * What it knows: links with addresses and neighbours, routes by key with the kernel's refusals, tables of nftables by name
 * with the scripts as they came, sysctls, events. What others do to a kernel is done by the `foreign…` helpers, and what
 * goes wrong by the `refuse…` ones. It does not know: connected and local routes, and what a rule means.
 */
import type { KernelEvent, Link, Route, RouteOp } from '../../src/kernel/kernel.ts';
import { routeKey } from '../../src/kernel/kernel.ts';
import { kernelError } from '../../src/kernel/kernel-error.ts';
import type { InNetns, NetnsKernel, VethEnd } from '../../src/kernel/links.ts';
import type { ChainSeen } from '../../src/kernel/netlink/nft/read.ts';
import { addFakeLink, type FindNamespace, fakeLinks, removeFakeLink } from './fake-links.ts';
import {
  dumpFakeNft,
  fakeCounters,
  fakeElements,
  type RefuseRules,
  runFakeNft,
  writeFakeNft,
} from './fake-nft.ts';
import {
  applyFakeRoutes,
  fakeMatch,
  fakeRoutes,
  fakeRouteTo,
  removeFakeRoute,
  setFakeRoute,
} from './fake-routes.ts';
import { emit, emptyState, type FakeNftWatcher, type FakeState, linkByName } from './fake-state.ts';

export interface FakeKernel extends NetnsKernel {
  /** What was accepted, in order: scripts, and of netlink transactions what nft would write. */
  readonly transactions: readonly string[];
  readonly sysctls: ReadonlyMap<string, string>;
  /** Puts a physical link; it starts down. */
  addLink(link: VethEnd): Link;
  /** Somebody else's route, put without any check. */
  foreignSetRoute(route: Route): void;
  /** Somebody else deletes a route; false if there is none of this key. */
  foreignDeleteRoute(key: Pick<Route, 'dst' | 'table' | 'metric'>): boolean;
  /** False if there is none. */
  foreignDeleteLink(name: string): boolean;
  /** Somebody else runs an nft script. */
  foreignNft(script: string): void;
  /** Tells every watcher that events were lost. */
  overrun(): void;
  /** From now on `refuse` may give an errno name to any route op; undefined lets it through. */
  refuseRoutes(refuse: (op: RouteOp) => string | undefined): void;
  /** From now on every nft transaction fails with these words; undefined: no more. */
  refuseNft(words: string | undefined, code?: string): void;
  /** From now on rules are refused, each by itself; undefined: no more. */
  refuseRules(refuse: RefuseRules | undefined): void;
  /** Base chains of others, as they are from now on. */
  foreignHooks(chains: readonly ChainSeen[]): void;
}

export interface FakeNetwork {
  /** The kernel of the namespace at `path`; made at first use. */
  kernel(path: string): FakeKernel;
  /** Fails for a path nobody asked `kernel` for. */
  readonly inNetns: InNetns;
}

/** One namespace by itself. */
export const createFakeKernel = (): FakeKernel => createFakeNetwork().kernel('/proc/self/ns/net');

/** Several namespaces that veth pairs can join. Each has a loopback, down. */
export function createFakeNetwork(): FakeNetwork {
  const states = new Map<string, FakeState>();
  const kernels = new Map<string, FakeKernel>();
  const find: FindNamespace = (path) => {
    const state = states.get(path);
    if (state === undefined)
      throw kernelError(`enter network namespace ${path}`, 'ENOENT', 'there is no such file');
    return state;
  };
  const make = (path: string): FakeKernel => {
    const state = emptyState();
    addFakeLink(state, { name: 'lo', mac: '00:00:00:00:00:00', mtu: 65_536 });
    const kernel = openFake(state, find);
    states.set(path, state);
    kernels.set(path, kernel);
    return kernel;
  };
  return {
    kernel: (path) => kernels.get(path) ?? make(path),
    inNetns: async (path, run) => run(openFake(find(path), find)),
  };
}

function openFake(state: FakeState, find: FindNamespace): FakeKernel {
  let refuse: (op: RouteOp) => string | undefined = () => undefined;
  let nftRefusal: { readonly words: string; readonly code: string } | undefined;
  let refuseRules: RefuseRules = letAll;
  const assertAllowed = (): void => {
    if (nftRefusal !== undefined)
      throw kernelError('run an nft transaction', nftRefusal.code, nftRefusal.words);
  };
  const port = {};
  const watch = (onEvent: (event: KernelEvent) => void): (() => void) => {
    state.watchers.set(onEvent, port);
    return () => state.watchers.delete(onEvent);
  };
  return {
    ...fakeLinks(state, find),
    transactions: state.transactions,
    sysctls: state.sysctls,
    routes: async (filter) => fakeRoutes(state, filter),
    links: async () => [...state.links.values()].map(({ link }) => link),
    addresses: async () => [...state.addresses.values()],
    neighbours: async () => [...state.neighbours.values()],
    applyRoutes: async (ops) => applyFakeRoutes(state, ops, refuse, port),
    routeTo: (address) => fakeRouteTo(state, address),
    match: (address) => fakeMatch(state, address),
    watch,
    nft: async (script) => {
      assertAllowed();
      runFakeNft(state, script);
      state.transactions.push(script);
    },
    nftWrite: async (batch, { check } = {}) => {
      if (batch.isEmpty) return 0;
      assertAllowed();
      const lines = writeFakeNft(state, batch, refuseRules, check === true);
      if (check !== true) state.transactions.push(lines.join('\n'));
      return 1;
    },
    nftTable: async (table) => dumpFakeNft(state, table),
    nftElements: async (table, set) => fakeElements(state, table, set),
    nftCounters: async (table, chain) => fakeCounters(state, table, chain),
    nftHooks: async () => state.hooks,
    nftList: async (what) => listFake(state, what),
    watchNft: (table, onForeignChange, onOtherChange) => {
      const watcher = { table, onForeignChange, onOtherChange };
      state.nftWatchers.add(watcher);
      return () => state.nftWatchers.delete(watcher);
    },
    sysctl: async (path, value) => {
      assertLinkOf(state, path, `set ${path} to ${value}`);
      state.sysctls.set(path, value);
    },
    readSysctl: async (path) => {
      assertLinkOf(state, path, `read ${path}`);
      return state.sysctls.get(path) ?? '0';
    },
    close: () => undefined,
    addLink: (link) => addFakeLink(state, link),
    foreignSetRoute: (route) => setFakeRoute(state, route),
    foreignDeleteRoute: (key) => {
      const found = state.routes.get(routeKey(key));
      if (found !== undefined) removeFakeRoute(state, found);
      return found !== undefined;
    },
    foreignDeleteLink: (name) => {
      const found = linkByName(state, name);
      if (found !== undefined) removeFakeLink(state, found);
      return found !== undefined;
    },
    foreignNft: (script) => {
      const touched = runFakeNft(state, script);
      queueMicrotask(() => {
        for (const watcher of [...state.nftWatchers]) tellTouched(watcher, touched);
      });
    },
    overrun: () => {
      emit(state, { kind: 'overrun' });
      queueMicrotask(() => {
        for (const watcher of [...state.nftWatchers]) watcher.onForeignChange(undefined);
      });
    },
    refuseRoutes: (next) => {
      refuse = next;
    },
    refuseNft: (words, code = 'EINVAL') => {
      nftRefusal = words === undefined ? undefined : { words, code };
    },
    refuseRules: (next) => {
      refuseRules = next ?? letAll;
    },
    foreignHooks: (chains) => {
      state.hooks = chains;
      queueMicrotask(() => {
        for (const watcher of [...state.nftWatchers]) watcher.onOtherChange?.(undefined);
      });
    },
  };
}

const letAll: RefuseRules = { judge: () => undefined, isTold: true };

function tellTouched(
  { table, onForeignChange, onOtherChange }: FakeNftWatcher,
  touched: ReadonlySet<string>,
): void {
  if (touched.has(table)) onForeignChange(undefined);
  if ([...touched].some((name) => name !== table)) onOtherChange?.(undefined);
}

/** Only "table inet NAME" has an answer of its own here. */
function listFake(state: FakeState, what: string): unknown {
  const name = /^table inet (\S+)$/.exec(what)?.[1];
  if (name === undefined || !state.tables.has(name)) return undefined;
  return { nftables: [{ table: { family: 'inet', name } }] };
}

/** Parameters of an interface exist while the interface does. */
function assertLinkOf(state: FakeState, path: string, asked: string): void {
  const name = /^net\/ipv[46]\/(?:conf|neigh)\/([^/]+)\//.exec(path)?.[1];
  if (name === undefined || name === 'all' || name === 'default' || linkByName(state, name) !== undefined)
    return;
  throw kernelError(asked, 'ENOENT', 'there is no such parameter');
}
