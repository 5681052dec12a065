/** What the daemons export, asked of the daemons themselves, and as docs/METRICS.md shows it. */
import { tcpConnect } from '../../src/kernel/sockets.ts';
import { ipv4 } from '../../src/lib/net.ts';
import { eventually } from '../support/eventually.ts';
import type { Playground } from '../support/namespaces.ts';

export interface Metric {
  readonly name: string;
  readonly type: string;
  readonly help: string;
}

/** The daemons in their order, with the port each serves metrics on. */
export const daemons = { bgp: 9092, felix: 9091, controller: 9094 } as const;
export type Daemon = keyof typeof daemons;

/** What every Node.js process exports, by prom-client. */
const common = /^(process|nodejs)_/;

async function scrape(ground: Playground, port: number): Promise<string> {
  const door = await tcpConnect(`/run/netns/${ground.netns('node')}`, ipv4(0x7f000001), port);
  door.write('GET /metrics HTTP/1.0\r\n\r\n');
  let text = '';
  for await (const chunk of door) text += String(chunk);
  return text;
}

const parse = (text: string): readonly Metric[] =>
  [...text.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)$/gm)].map(
    ([, name = '', help = '', type = '']) => ({
      name,
      help,
      type,
    }),
  );

/** Runs the three on an empty directory, in the namespace `node` of the playground, until each has said what it exports. */
export async function exported(
  ground: Playground,
  directory: string,
): Promise<ReadonlyMap<Daemon, readonly Metric[]>> {
  const found = new Map<Daemon, readonly Metric[]>();
  for (const daemon of ['bgp', 'felix', 'controller'] as const) {
    const where =
      daemon === 'controller' ? [] : ['--node', 'node', '--socket', `${directory}/${daemon}.sock`];
    const state = daemon === 'felix' ? ['--state-dir', `${directory}/state`] : [];
    const running = ground.tortie('node', [daemon, '--datastore', `dir:${directory}`, ...where, ...state]);
    await eventually(
      async () => {
        if (running.process.exitCode !== null)
          throw new Error(`tortie ${daemon} ended:\n${running.output()}`);
        const metrics = parse(await scrape(ground, daemons[daemon]));
        if (metrics.length === 0) throw new Error(`tortie ${daemon} exports nothing`);
        found.set(daemon, metrics);
      },
      { within: 30_000 },
    );
    await running.end();
  }
  return found;
}

/** A series of a histogram belongs to the histogram. */
export const baseOf = (series: string, known: ReadonlySet<string>): string => {
  const base = series.replace(/_(bucket|sum|count)$/, '');
  return known.has(series) ? series : base;
};

export const metricsTable = (found: ReadonlyMap<Daemon, readonly Metric[]>): string => {
  const rows = new Map<string, { readonly metric: Metric; readonly by: Daemon[] }>();
  for (const [daemon, metrics] of found)
    for (const metric of metrics.filter(({ name }) => !common.test(name))) {
      const row = rows.get(metric.name) ?? { metric, by: [] };
      row.by.push(daemon);
      rows.set(metric.name, row);
    }
  const lines = [...rows.values()].map(
    ({ metric: { name, type, help }, by }) => `| \`${name}\` | ${type} | ${by.join(', ')} | ${help} |`,
  );
  return ['| metric | type | of | |', '|---|---|---|---|', ...lines].join('\n');
};
