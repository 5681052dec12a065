/** The real kernel behind the ports: netlink, nft and procfs, in the network namespace of the process or of another. */
import { dumpAddresses, dumpLinks, dumpNeighbours, linkRequests } from './link-requests.ts';
import type { NetnsKernel } from './links.ts';
import { NETLINK } from './netlink/constants.ts';
import { Requests } from './netlink/requests.ts';
import { portIdOf } from './netlink/socket.ts';
import { openNft } from './nft.ts';
import { runBatch } from './nft-batch.ts';
import { readNftCounters, readNftElements, readNftHooks, readNftTable } from './nft-dump.ts';
import { watchNft } from './nft-watch.ts';
import { isOurProgram } from './program.ts';
import { applyRoutes, dumpRoutes, matchRoute, routeTo } from './routes.ts';
import { readSysctl, writeSysctl } from './sysctl.ts';
import { shareWatch, watchKernel } from './watch.ts';

/** Holds the errors of a whole batch of route changes. */
const RECEIVE_BUFFER = 8 << 20;

/**
 * The kernel of the process's own network namespace, or of the one at `netns`, a path that must stay while it is used.
 * Throws if the native addon is not built or there is no such namespace.
 */
export function openKernel(netns?: string): NetnsKernel {
  const requests = new Requests({ protocol: NETLINK.ROUTE, netns, receiveBuffer: RECEIVE_BUFFER });
  const nft = openNft(netns);
  // Opened when first used: most ports, and all of pods' namespaces, never are.
  let batches: Requests | undefined;
  const tables = (): Requests => {
    batches ??= new Requests({ protocol: NETLINK.NETFILTER, netns, receiveBuffer: RECEIVE_BUFFER });
    return batches;
  };
  const stops = new Set<() => void>();
  const closedWithUs = (stop: () => void): (() => void) => {
    stops.add(stop);
    return () => {
      stops.delete(stop);
      stop();
    };
  };
  const routes6 = () => dumpRoutes(requests, { version: 6 });
  const watch = shareWatch((onEvent) =>
    watchKernel({ netns, ownPortId: portIdOf(requests.fd), routes6 }, onEvent),
  );
  return {
    ...linkRequests(requests),
    routes: (filter) => dumpRoutes(requests, filter),
    links: () => dumpLinks(requests),
    addresses: () => dumpAddresses(requests),
    neighbours: () => dumpNeighbours(requests),
    applyRoutes: (ops) => applyRoutes(requests, ops),
    routeTo: (address) => routeTo(requests, address),
    match: (address) => matchRoute(requests, address),
    watch: (onEvent) => closedWithUs(watch(onEvent)),
    nft: nft.run,
    nftWrite: (batch, options) => runBatch(tables(), batch, options),
    nftTable: (table) => readNftTable(tables(), table),
    nftElements: (table, set) => readNftElements(tables(), table, set),
    nftCounters: (table, chain) => readNftCounters(tables(), table, chain),
    nftHooks: () => readNftHooks(tables()),
    nftList: nft.list,
    watchNft: (table, onForeignChange, onOtherChange) => {
      const ownPortId = portIdOf(tables().fd);
      const watch = { netns, isOurs: isOurProgram, ownPortId, table, onForeignChange, onOtherChange };
      return closedWithUs(watchNft(watch));
    },
    sysctl: async (path, value) => writeSysctl(netns, path, value),
    readSysctl: async (path) => readSysctl(netns, path),
    close: () => {
      for (const stop of stops) stop();
      stops.clear();
      requests.close();
      batches?.close();
    },
  };
}

/** See InNetns in links.ts. */
export async function inNetns<T>(path: string, run: (kernel: NetnsKernel) => Promise<T>): Promise<T> {
  const kernel = openKernel(path);
  try {
    return await run(kernel);
  } finally {
    kernel.close();
  }
}
