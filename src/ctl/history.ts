/** `tortiectl bgp history`: what happened on this node, oldest first. */
import type { History, HistoryEntry } from '../model/history.ts';
import { followed } from './cluster/until.ts';
import type { HistoryOptions } from './options.ts';
import { ask, complain } from './output.ts';
import { type Paint, paintFor, plain } from './style.ts';
import { columns } from './table.ts';

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "90s", "10m", "2h", "1d" in ms. */
export function parseAgo(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const length = units[unit];
  return number === undefined || length === undefined ? undefined : Number(number) * length;
}

export async function bgpHistory(options: HistoryOptions): Promise<number> {
  const { socket, output, follow, since, peer, prefix } = options;
  const ago = since === undefined ? undefined : parseAgo(since);
  if (since !== undefined && ago === undefined)
    return complain({ code: 2, sentence: `"${since}" is no time. Write for example 90s, 10m, 2h or 1d.` });
  const query = new URLSearchParams({
    ...(ago === undefined ? {} : { since: String(Date.now() - ago) }),
    ...(peer === undefined ? {} : { peer }),
    ...(prefix === undefined ? {} : { prefix }),
  });
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  const show = (history: History, isFirst: boolean): void => {
    if (output === 'json')
      for (const entry of history.entries) process.stdout.write(`${JSON.stringify(entry)}\n`);
    else process.stdout.write(historyText(history, { isFirst, paint }));
  };
  const tell = async (isFirst: boolean): Promise<number> => {
    const asked = await ask<History>(socket, `/history?${query}`, 'bgp');
    if (!asked.ok) return complain(asked.error);
    show(asked.value, isFirst);
    query.set('after', String(asked.value.next));
    return 0;
  };
  return follow === true ? followed(tell) : tell(true);
}

const kinds = {
  session: 'session',
  route: 'route',
  config: 'config',
  life: 'life',
  kernel: 'kernel',
} as const;

export function historyText(
  { entries, forgotten }: History,
  { isFirst, paint = plain }: { readonly isFirst: boolean; readonly paint?: Paint },
): string {
  if (entries.length === 0) return isFirst ? 'Nothing has happened yet.\n' : '';
  const lost = Object.entries(forgotten).filter(([, count]) => count > 0);
  const gone =
    isFirst && lost.length > 0
      ? `\nOlder entries are forgotten: ${lost.map(([kind, count]) => `${count} of ${kind}`).join(', ')}.\n`
      : '';
  const table = columns(
    ['WHEN', 'KIND', 'WHO', 'WHAT', 'WHY'],
    entries.map((entry) => [
      entry.at.replace('T', ' ').replace('Z', ''),
      kinds[entry.kind],
      entry.who,
      { text: whatOf(entry), tone: toneOf(entry) },
      { text: entry.why ?? '', tone: 'quiet' },
    ]),
    { paint },
  );
  const lines = table.split('\n');
  return `${(isFirst ? lines : lines.slice(1)).join('\n')}\n${gone}`;
}

const toneOf = ({ kind, what }: HistoryEntry): 'good' | 'bad' | 'quiet' =>
  kind !== 'session' ? 'quiet' : what.endsWith('→ Established') ? 'good' : 'bad';

const whatOf = ({ what, times, until }: HistoryEntry): string =>
  times === undefined ? what : `${what}, ${times} times until ${until?.slice(11, 19) ?? 'now'}`;
