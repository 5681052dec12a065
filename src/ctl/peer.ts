/** `tortiectl bgp peer NAME`: all that is known of one neighbour. */
import type { BfdTimes, MessageCounts, NotedStatus, OpenStatus, PeerDetail } from '../model/status.ts';
import { asText } from './node-status.ts';
import type { PeerOptions } from './options.ts';
import { ask, complain, print } from './output.ts';
import { addressOf, isUp } from './peers.ts';
import { type Paint, paintFor, plain } from './style.ts';
import { columns } from './table.ts';

export async function bgpPeer(name: string, { socket, output }: PeerOptions): Promise<number> {
  const asked = await ask<PeerDetail>(socket, `/peers?name=${encodeURIComponent(name)}`, 'bgp');
  if (!asked.ok) return complain(asked.error);
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  await print(asked.value, output, () => peerText(asked.value, paint));
  return isUp(asked.value) ? 0 : 1;
}

type Line = readonly [name: string, value: string | undefined];

export function peerText(peer: PeerDetail, paint: Paint = plain): string {
  const head = `${peer.name}, ${addressOf(peer)}: ${paint(peer.state, isUp(peer) ? 'good' : 'warn')} since ${peer.since}`;
  const why = isUp(peer)
    ? []
    : [
        `Why: ${peer.lastError ?? 'nothing has gone wrong yet'}.`,
        ...(peer.remedy === undefined ? [] : [`Do:  ${peer.remedy}`]),
      ];
  return [
    head,
    ...why,
    ...block('Configured', configured(peer)),
    ...block('Agreed', agreed(peer)),
    ...block('BFD', bfdLines(peer)),
    ...block(
      'Timers, seconds left',
      peer.timers.map(({ name, seconds }) => [name, String(seconds)]),
    ),
    '',
    opens(peer),
    '',
    messages(peer),
    ...block('Errors', errors(peer)),
  ].join('\n');
}

function block(title: string, lines: readonly Line[]): readonly string[] {
  const said = lines.filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...said.map(([name]) => name.length));
  if (said.length === 0) return [];
  return ['', title, ...said.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`)];
}

const secondsText = (seconds: number | undefined): string | undefined =>
  seconds === undefined ? undefined : `${seconds} s`;

const configured = (peer: PeerDetail): readonly Line[] => [
  ['by', peer.resource === undefined ? peer.type : `${peer.resource} (${peer.type})`],
  ['AS', `${asText(peer.peerAsn)}, ours is ${peer.localAsn}`],
  ['from address', peer.localAddress],
  ['password', peer.password === undefined ? undefined : `of Secret ${peer.password}`],
  ['TTL security', peer.ttlSecurity === undefined ? undefined : `${peer.ttlSecurity} hops at most`],
  ['hold time', secondsText(peer.proposed.holdTimeSeconds)],
  ['connect retry', secondsText(peer.proposed.connectRetrySeconds)],
  ['restart time', secondsText(peer.proposed.restartTimeSeconds)],
];

const agreed = (peer: PeerDetail): readonly Line[] =>
  isUp(peer)
    ? [
        ['router id', peer.peerId],
        ['families', peer.families.join(', ')],
        ['hold time', secondsText(peer.holdTimeSeconds)],
        ['keepalive', secondsText(peer.keepaliveSeconds)],
        [
          'prefixes',
          `${peer.prefixesReceived} received, ${peer.prefixesAccepted} accepted, ${peer.prefixesAdvertised} sent`,
        ],
        ...(peer.inForce ?? []).map((phrase, index): Line => [index === 0 ? 'in force' : '', phrase]),
        ...(peer.limits ?? []).map((phrase, index): Line => [index === 0 ? 'limit' : '', phrase]),
        ['repaired', peer.repaired === 0 ? undefined : `${peer.repaired} UPDATEs (RFC 7606)`],
      ]
    : [['routes kept', peer.keptRoutes === undefined ? undefined : `${peer.keptRoutes} of its last session`]];

const timesText = ({ minTxMs, minRxMs, multiplier }: BfdTimes): string =>
  `send every ${minTxMs} ms, receive every ${minRxMs} ms, multiplier ${multiplier}`;

function bfdLines({ bfd }: PeerDetail): readonly Line[] {
  if (bfd === undefined) return [];
  const { neighbour, packets, transmitMs, detectionMs, lastDown } = bfd;
  const isAgreed = bfd.state === 'Up' && transmitMs !== undefined && detectionMs !== undefined;
  return [
    ['state', `${bfd.state} since ${bfd.since}, ${bfd.kind}${bfd.strict ? ', strict' : ''}`],
    ['why not up', bfd.hint],
    ['we ask', timesText(bfd.configured)],
    ['it asks', neighbour && timesText(neighbour)],
    ['it says', neighbour && `${neighbour.state}, ${neighbour.diagnostic}`],
    ['we say', bfd.diagnostic],
    [
      'agreed',
      isAgreed ? `a packet every ${transmitMs} ms, failed after ${detectionMs} ms of silence` : undefined,
    ],
    ['packets', `${packets.sent} sent, ${packets.received} received, ${packets.discarded} discarded`],
    ['went down', `${bfd.downs} times${lastDown === undefined ? '' : `, last: ${notedText(lastDown)}`}`],
  ];
}

/** Row by row, what the last OPEN of each side said; a capability that only one has stands alone in its row. */
function opens({ openSent, openReceived }: PeerDetail): string {
  const fact = (name: string, of: (open: OpenStatus) => string): readonly string[] => [
    name,
    openSent === undefined ? '-' : of(openSent),
    openReceived === undefined ? '-' : of(openReceived),
  ];
  const [ours, theirs] = [openSent?.capabilities ?? [], openReceived?.capabilities ?? []];
  const length = Math.max(ours.length, theirs.length);
  const capabilities = Array.from({ length }, (_, index) => [
    index === 0 ? 'capabilities' : '',
    ours[index] ?? '',
    theirs[index] ?? '',
  ]);
  return columns(
    ['OPEN', 'WE SENT', 'IT SENT'],
    [
      fact('AS', (open) => String(open.asn)),
      fact('router id', (open) => open.routerId),
      fact('hold time', (open) => `${open.holdTimeSeconds} s`),
      ...capabilities,
    ],
  );
}

const kinds: readonly (readonly [keyof MessageCounts, string])[] = [
  ['open', 'OPEN'],
  ['update', 'UPDATE'],
  ['keepalive', 'KEEPALIVE'],
  ['routeRefresh', 'ROUTE-REFRESH'],
  ['notification', 'NOTIFICATION'],
];

const messages = ({ messages: { sent, received } }: PeerDetail): string =>
  columns(
    ['MESSAGES', 'SENT', 'RECEIVED'],
    kinds.map(([kind, name]) => [name, String(sent[kind]), String(received[kind])]),
  );

const notedText = (noted: NotedStatus | undefined): string | undefined =>
  noted && `${noted.what} (at ${noted.at})`;

const errors = (peer: PeerDetail): readonly Line[] => [
  ['connections', `${peer.connections.made} made, ${peer.connections.lost} lost`],
  ...Object.entries(peer.refused).map(([code, count]): Line => [`refused with ${code}`, String(count)]),
  ['last NOTIFICATION sent', notedText(peer.notificationSent)],
  ['last NOTIFICATION received', notedText(peer.notificationReceived)],
  ['last error', isUp(peer) ? peer.lastError : undefined],
];
