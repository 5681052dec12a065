/** The overview as people read it: problems, then a line for each session, then one sentence. Pure. */
import { sinceText } from '../node-status.ts';
import { type Paint, plain, type Tone } from '../style.ts';
import { type Cell, columns, type Row } from '../table.ts';
import type { Health, NodeView, Overview } from './overview.ts';

export interface View {
  readonly wide: boolean;
  readonly now: Date;
  readonly paint?: Paint;
}

const tones: Readonly<Record<Health, Tone>> = { up: 'good', degraded: 'warn', down: 'bad', stale: 'bad' };
const marks = {
  1: { text: '✗', tone: 'bad' },
  2: { text: '!', tone: 'warn' },
  3: { text: '·', tone: 'quiet' },
} as const;

export function overviewText(overview: Overview, view: View): string {
  const { paint = plain } = view;
  return [...problems(overview, paint), table(overview, view), '', summary(overview)].join('\n');
}

function problems({ troubles }: Overview, paint: Paint): readonly string[] {
  if (troubles.length === 0) return [];
  const lines = troubles.map(({ node, rank, what, fix }) => {
    const { text, tone } = marks[rank];
    return `  ${paint(text, tone)} ${paint(node, 'strong')}: ${what} ${paint(fix, 'quiet')}`;
  });
  return [paint('Problems', 'bad'), ...lines, ''];
}

const order: Readonly<Record<Health, number>> = { down: 0, stale: 1, degraded: 2, up: 3 };

function table({ nodes }: Overview, view: View): string {
  if (nodes.length === 0) return 'No nodes.';
  const headers = ['NODE', 'PEER', 'AS', 'STATE', 'SINCE', 'IN', 'OUT', 'POLICY'];
  const more = ['TYPE', 'PODS', 'ROUTER ID', 'ORIGINATED', 'VERSION'];
  const sorted = [...nodes].sort((a, b) => order[a.health] - order[b.health]);
  return columns(
    view.wide ? [...headers, ...more] : headers,
    sorted.flatMap((node) => nodeRows(node, view)),
    view.paint === undefined ? {} : { paint: view.paint },
  );
}

function nodeRows(node: NodeView, { wide, now }: View): readonly Row[] {
  const { bgp, felix } = node;
  const sessions = sessionRows(node, now);
  return sessions.map((cells, index): Row => {
    const first = index === 0;
    const policyTone = felix?.dataplane === 'in-sync' ? 'good' : 'warn';
    const { type, row } = cells;
    const pods = felix === undefined ? '' : `${felix.endpoints.ready}/${felix.endpoints.total}`;
    const versions = [...new Set([bgp?.version, felix?.version].filter((one) => one !== undefined))].join(
      ', ',
    );
    return [
      first ? { text: node.node, tone: tones[node.health] } : '',
      ...row,
      first ? { text: node.policy, tone: policyTone } : '',
      ...(wide ? [type] : []),
      ...(wide && first ? [pods, bgp?.routerId ?? '', bgp?.originated.join(', ') ?? '', versions] : []),
    ];
  });
}

interface SessionRow {
  readonly type: string;
  /** PEER, AS, STATE, SINCE, IN, OUT */
  readonly row: Row;
}

/** Sessions of the mesh that are up are not reported one by one: they are one line together. */
function sessionRows({ bgp, health }: NodeView, now: Date): readonly SessionRow[] {
  const empty: Row = ['-', '', '', '', '', ''];
  if (bgp === undefined)
    return [{ type: '', row: ['-', '', { text: 'no report', tone: 'bad' as const }, '', '', ''] }];
  const isOld = health === 'stale';
  const rows = bgp.peers.map((peer): SessionRow => {
    const up = peer.state === 'Established';
    const state: Cell = {
      text: isOld ? `${peer.state}?` : peer.state,
      tone: isOld ? 'quiet' : up ? 'good' : 'bad',
    };
    const peerText = peer.name === peer.address ? peer.name : `${peer.name} ${peer.address}`;
    return {
      type: peer.type,
      row: [
        peerText,
        String(peer.asn),
        state,
        sinceText(peer.since, now),
        `${peer.accepted}/${peer.received}`,
        String(peer.advertised),
      ],
    };
  });
  const meshUp = bgp.sessions.established - bgp.peers.filter(({ state }) => state === 'Established').length;
  const mesh: Row = [
    `mesh: ${meshUp} up`,
    bgp.asn === undefined ? '' : String(bgp.asn),
    { text: isOld ? 'Established?' : 'Established', tone: isOld ? 'quiet' : 'good' },
    '',
    '',
    '',
  ];
  const all = meshUp > 0 ? [...rows, { type: 'node-to-node mesh', row: mesh }] : rows;
  return all.length === 0 ? [{ type: '', row: empty }] : all;
}

function summary({ nodes, sessions, troubles }: Overview): string {
  const count = (health: Health): number => nodes.filter((node) => node.health === health).length;
  const words = (['down', 'stale', 'degraded'] as const)
    .map((health) => [count(health), health] as const)
    .filter(([number]) => number > 0)
    .map(([number, health]) => `${number} ${health}`);
  const policy = nodes.filter(({ policy: text }) => text === 'in-sync').length;
  return `${[
    `${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'}: ${[`${count('up')} well`, ...words].join(', ')}`,
    `${sessions.established} of ${sessions.total} sessions established`,
    `policy in sync on ${policy} of ${nodes.length}`,
    troubles.length === 0
      ? 'no problems'
      : `${troubles.length} ${troubles.length === 1 ? 'problem' : 'problems'}`,
  ].join('; ')}.`;
}
