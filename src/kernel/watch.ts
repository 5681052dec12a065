/**
 * Link, address, route and neighbour events of one namespace, in the kernel's order.
 *
 * Two things the kernel does not tell, and the reader of these events must know: IPv4 routes that go because their link went
 * down or lost its address go silently (so look again after a link or address event), and next hops of an IPv4 multipath
 * route that die are not reported either. One thing is repaired here: IPv6 reports the loss of one next hop of several like
 * the loss of the whole route, so after a deletion the rest of the route is looked up and reported as `set`.
 *
 * Route changes of our own are not told, and not even queued for us: whoever made them has the kernel's answer, and 100,000 of
 * them would take the room of what others do.
 */
import { isPrefix4 } from '../lib/net.ts';
import type { KernelEvent, Route } from './kernel.ts';
import { routeKey } from './kernel.ts';
import { decodeAddress } from './netlink/address.ts';
import { NETLINK, RTM, RTNLGRP } from './netlink/constants.ts';
import { decodeLink } from './netlink/link.ts';
import { listen } from './netlink/listener.ts';
import { decodeNeighbour } from './netlink/neighbour.ts';
import type { Message } from './netlink/reader.ts';
import { decodeRoute } from './netlink/route.ts';
import { accept, asLoaded, assembled, jumpIfEqual, loadHalf, loadWord } from './socket-filter.ts';

/** Room for about 100,000 events; memory is used only while they wait. */
const RECEIVE_BUFFER = 64 << 20;

type Decode = (message: Message) => KernelEvent | undefined;

const routeEvent =
  (change: 'set' | 'delete'): Decode =>
  ({ view, start, end }) => {
    const route = decodeRoute(view, start, end);
    return route === undefined ? undefined : { kind: 'route', change, route };
  };
const linkEvent =
  (change: 'set' | 'delete'): Decode =>
  ({ view, start, end }) => {
    const link = decodeLink(view, start, end);
    return link === undefined ? undefined : { kind: 'link', change, link };
  };
const addressEvent =
  (change: 'set' | 'delete'): Decode =>
  ({ view, start, end }) => {
    const address = decodeAddress(view, start, end);
    return address === undefined ? undefined : { kind: 'address', change, address };
  };
const neighbourEvent =
  (change: 'set' | 'delete'): Decode =>
  ({ view, start, end }) => {
    const neighbour = decodeNeighbour(view, start, end);
    return neighbour === undefined ? undefined : { kind: 'neighbour', change, neighbour };
  };

const rows: ReadonlyMap<number, Decode> = new Map([
  [RTM.NEWROUTE, routeEvent('set')],
  [RTM.DELROUTE, routeEvent('delete')],
  [RTM.NEWLINK, linkEvent('set')],
  [RTM.DELLINK, linkEvent('delete')],
  [RTM.NEWADDR, addressEvent('set')],
  [RTM.DELADDR, addressEvent('delete')],
  [RTM.NEWNEIGH, neighbourEvent('set')],
  [RTM.DELNEIGH, neighbourEvent('delete')],
]);

/** struct nlmsghdr: nlmsg_type at 4, nlmsg_pid at 12. */
const notOurRoutes = (portId: number): Uint8Array =>
  assembled([
    [loadWord, 0, 0, 12],
    [jumpIfEqual, 0, 3, asLoaded(portId, 4)],
    [loadHalf, 0, 0, 4],
    [jumpIfEqual, 2, 0, asLoaded(RTM.NEWROUTE, 2)],
    [jumpIfEqual, 1, 0, asLoaded(RTM.DELROUTE, 2)],
    [accept, 0, 0, 0xffff_ffff],
    [accept, 0, 0, 0],
  ]);

/** Undefined for messages of other kinds. */
const decodeEvent = (message: Message): KernelEvent | undefined => rows.get(message.type)?.(message);

export interface WatchOptions {
  readonly netns?: string | undefined;
  /** Octets; for tests that want an overrun. */
  readonly receiveBuffer?: number;
  /** Port id of the socket our own route changes go through. */
  readonly ownPortId: number;
  /** All IPv6 routes there are. */
  readonly routes6: () => Promise<readonly Route[]>;
}

/** See Kernel.watch. */
export function watchKernel(options: WatchOptions, onEvent: (event: KernelEvent) => void): () => void {
  let stopped = false;
  const emit = (event: KernelEvent): void => {
    if (!stopped) onEvent(event);
  };
  const survivors = lookForSurvivors(options.routes6, emit);
  const stop = listen(
    {
      protocol: NETLINK.ROUTE,
      netns: options.netns,
      receiveBuffer: options.receiveBuffer ?? RECEIVE_BUFFER,
      groups: Object.values(RTNLGRP),
      filter: notOurRoutes(options.ownPortId),
    },
    {
      message: (message) => {
        const event = decodeEvent(message);
        if (event === undefined) return;
        if (event.kind === 'route') survivors.saw(event.change, event.route);
        emit(event);
      },
      lost: () => emit({ kind: 'overrun' }),
      burst: survivors.look,
    },
  );
  return () => {
    stopped = true;
    stop();
  };
}

/** One watch for all who ask: `start` runs for the first of them, and what it returned after the last has stopped. */
export function shareWatch(
  start: (onEvent: (event: KernelEvent) => void) => () => void,
): (onEvent: (event: KernelEvent) => void) => () => void {
  const hearers = new Set<{ readonly hear: (event: KernelEvent) => void }>();
  let stop = (): void => undefined;
  return (hear) => {
    const hearer = { hear };
    if (hearers.size === 0)
      stop = start((event) => {
        for (const one of hearers) one.hear(event);
      });
    hearers.add(hearer);
    return () => {
      if (hearers.delete(hearer) && hearers.size === 0) stop();
    };
  };
}

/** Finds out what is left of IPv6 routes that lost a next hop, one dump for a whole burst of losses. */
function lookForSurvivors(routes6: () => Promise<readonly Route[]>, emit: (event: KernelEvent) => void) {
  let suspects = new Set<string>();
  let looking: Set<string> | undefined;

  const saw = (change: 'set' | 'delete', route: Route): void => {
    const key = routeKey(route);
    // Whatever the running dump says about this key is older than this event.
    looking?.delete(key);
    if (change === 'delete' && mayHaveSiblings(route)) suspects.add(key);
    else suspects.delete(key);
  };

  const look = (): void => {
    if (looking !== undefined || suspects.size === 0) return;
    const round = suspects;
    looking = round;
    suspects = new Set();
    const report = (routes: readonly Route[]): void => {
      for (const route of routes)
        if (round.has(routeKey(route))) emit({ kind: 'route', change: 'set', route });
    };
    // A dump that fails says nothing: the deletions stand as they were reported.
    const again = (): void => {
      looking = undefined;
      look();
    };
    routes6()
      .then(report, () => undefined)
      .finally(again);
  };

  return { saw, look };
}

/** Only routes by a gateway have siblings; one deleted with several next hops was deleted whole. */
const mayHaveSiblings = ({ dst, nextHops }: Route): boolean =>
  !isPrefix4(dst) && nextHops.length === 1 && nextHops[0]?.via !== undefined;
