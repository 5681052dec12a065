/** `tortiectl node status`: the layout of calicoctl's command of that name, so that eyes and scripts find their way. */

import { formatProblem, type Problem } from '../model/problem.ts';
import type { BgpStatus, PeerStatus } from '../model/status.ts';
import type { NodeStatusOptions } from './options.ts';
import { ask, complain, print } from './output.ts';
import { type Paint, paintFor, plain } from './style.ts';
import { boxTable, type Row } from './table.ts';

export async function nodeStatus({ socket, output }: NodeStatusOptions): Promise<number> {
  const asked = await ask<BgpStatus>(socket, '/status', 'bgp');
  if (!asked.ok) {
    if (output === undefined || output === 'wide') process.stdout.write('Tortie process is not running.\n');
    return complain(asked.error);
  }
  const status = asked.value;
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  await print(status, output, () => statusText(status, { wide: output === 'wide', paint, now: new Date() }));
  return isWell(status) ? 0 : 1;
}

const isUp = ({ state }: PeerStatus): boolean => state === 'Established';

const isWell = ({ peers, problems, inSync }: BgpStatus): boolean =>
  inSync && problems.length === 0 && peers.every(isUp);

export interface View {
  readonly wide: boolean;
  readonly paint?: Paint;
  /** "Since" is a time on this day and a date before it. */
  readonly now: Date;
}

export function statusText(status: BgpStatus, view: View): string {
  const version = (peer: PeerStatus): 4 | 6 => (peer.address.includes(':') ? 6 : 4);
  const family = (which: 4 | 6): string => {
    const peers = status.peers.filter((peer) => version(peer) === which);
    const body = peers.length === 0 ? `No IPv${which} peers found.` : peerTable(peers, view);
    return `\nIPv${which} BGP status\n${body}\n`;
  };
  return `Tortie process is running.\n${syncNote(status)}${family(4)}${family(6)}${problemText(status.problems, view)}`;
}

const syncNote = ({ inSync }: BgpStatus): string =>
  inSync ? '' : '\nThe datastore was not read completely yet: what is shown is not final.\n';

const problemText = (problems: readonly Problem[], { paint = plain }: View): string =>
  problems.length === 0
    ? ''
    : `\n${paint('Problems', 'bad')}\n${problems.map((problem) => `  ${formatProblem(problem)}`).join('\n')}\n`;

function peerTable(peers: readonly PeerStatus[], { wide, paint = plain, now }: View): string {
  const headers = ['Peer address', 'Peer type', 'State', 'Since', 'Info'];
  const more = ['AS', 'In', 'Out', 'Last error'];
  const row = (peer: PeerStatus): Row => [
    peer.port === 179 ? peer.address : `${peer.address}.port.${peer.port}`,
    peer.type,
    { text: stateWord(peer), tone: isUp(peer) ? 'good' : 'warn' },
    sinceText(peer.since, now),
    peer.state,
    ...(wide
      ? [
          asText(peer.peerAsn),
          `${peer.prefixesAccepted}/${peer.prefixesReceived}`,
          String(peer.prefixesAdvertised),
        ]
      : []),
    ...(wide ? [peer.lastError ?? ''] : []),
  ];
  return boxTable([...headers, ...(wide ? more : [])], peers.map(row), paint);
}

/** BIRD's words for a protocol, as calicoctl prints them. */
const stateWord = (peer: PeerStatus): string =>
  isUp(peer) ? 'up' : peer.state === 'Idle' ? 'down' : 'start';

/** HH:MM:SS today, YYYY-MM-DD before, in local time. */
export function sinceText(since: string, now: Date): string {
  const at = new Date(since);
  if (Number.isNaN(at.getTime())) return since;
  const two = (value: number): string => String(value).padStart(2, '0');
  return at.toDateString() === now.toDateString()
    ? `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
    : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** 0: any, and nobody has said which yet. */
export const asText = (asn: number): string => (asn === 0 ? '-' : String(asn));
