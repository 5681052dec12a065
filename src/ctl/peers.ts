/** `tortiectl bgp peers`: the neighbours of this node in one table, and below it why each session that is down is so. */
import type { PeerDetail } from '../model/status.ts';
import { untilInterrupted } from './cluster/until.ts';
import { asText, sinceText } from './node-status.ts';
import type { PeersOptions } from './options.ts';
import { ask, complain, print } from './output.ts';
import { type Paint, paintFor, plain } from './style.ts';
import { type Cell, columns } from './table.ts';

const everyMs = 1000;
const clearScreen = '\x1b[H\x1b[2J';

export async function bgpPeers(options: PeersOptions): Promise<number> {
  if (options.watch !== true) return show(options, '');
  const clear = process.stdout.isTTY ? clearScreen : '';
  return untilInterrupted(() => {
    let timer: NodeJS.Timeout | undefined;
    let isOver = false;
    const draw = async (): Promise<void> => {
      await show(options, clear);
      if (!isOver) timer = setTimeout(draw, everyMs);
    };
    void draw();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  });
}

async function show({ socket, output }: PeersOptions, clear: string): Promise<number> {
  const asked = await ask<readonly PeerDetail[]>(socket, '/peers', 'bgp');
  if (!asked.ok) return complain(asked.error);
  const peers = asked.value;
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  process.stdout.write(clear);
  await print(peers, output, () => peersText(peers, { wide: output === 'wide', now: new Date(), paint }));
  return peers.every(isUp) ? 0 : 1;
}

export const isUp = ({ state }: PeerDetail): boolean => state === 'Established';

export interface PeersView {
  readonly wide: boolean;
  readonly now: Date;
  readonly paint?: Paint;
}

export function peersText(peers: readonly PeerDetail[], { wide, now, paint = plain }: PeersView): string {
  if (peers.length === 0) return 'No neighbours.';
  const headers = ['NEIGHBOUR', 'AS', 'STATE', 'SINCE', 'IN', 'ACCEPTED', 'OUT'];
  const more = ['NAME', 'FAMILIES', 'HOLD', 'MESSAGES IN', 'MESSAGES OUT', 'CONNECTIONS LOST'];
  const row = (peer: PeerDetail): Cell[] => [
    addressOf(peer),
    asText(peer.peerAsn),
    { text: peer.state, tone: isUp(peer) ? 'good' : 'warn' },
    sinceText(peer.since, now),
    String(peer.prefixesReceived),
    String(peer.prefixesAccepted),
    String(peer.prefixesAdvertised),
    ...(wide ? widely(peer) : []),
  ];
  const table = columns(wide ? [...headers, ...more] : headers, peers.map(row), { paint });
  const down = peers.filter((peer) => !isUp(peer) && peer.lastError !== undefined);
  const reasons = down.map(
    (peer) =>
      `\n${paint(addressOf(peer), 'bad')} is down: ${peer.lastError}.${peer.remedy === undefined ? '' : `\n  ${peer.remedy}`}`,
  );
  return [table, ...reasons].join('\n');
}

const widely = (peer: PeerDetail): readonly Cell[] => [
  peer.name,
  peer.families.join(' '),
  peer.holdTimeSeconds === undefined ? '' : `${peer.holdTimeSeconds}s`,
  String(total(peer.messages.received)),
  String(total(peer.messages.sent)),
  String(peer.connections.lost),
];

const total = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** Where it is, and of a pod who. */
export const addressOf = ({ address, port, workload }: PeerDetail): string =>
  [
    address,
    ...(port === 179 ? [] : [`port ${port}`]),
    ...(workload === undefined ? [] : [`(Pod ${workload})`]),
  ].join(' ');
