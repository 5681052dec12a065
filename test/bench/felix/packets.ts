/**
 * Packets between two pods of one node: what goes through one TCP connection, and how many connections a second. Sender and receiver
 * share one processor, which does the forwarding too, so that what a rule costs is not hidden by an idle one; they do not wait
 * for their turn. Rounds are short and go through the kinds of rules in turn.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../../support/eventually.ts';
import { createPlayground } from '../../support/namespaces.ts';
import { percentile } from '../table.ts';
import { kinds, openWorld, port, type RuleKind, serverAddress, type World } from './worlds.ts';

const roundMs = 25;
const modes = { stream: 'Gbit/s', connect: 'connections/s' } as const;
type Mode = keyof typeof modes;

const source = new URL('traffic.c', import.meta.url).pathname;
const place = ['taskset', '-c', String(availableParallelism() - 1), 'chrt', '--rr', '10'] as const;

type Figures = Readonly<Record<RuleKind, readonly number[]>>;

export async function packets(rounds: number): Promise<Readonly<Record<Mode, Figures>>> {
  const directory = mkdtempSync(join(tmpdir(), 'tortie-bench-'));
  const ground = createPlayground('bfp');
  try {
    const program = join(directory, 'traffic');
    execFileSync('gcc', ['-O2', '-o', program, source]);
    const worlds = new Map<RuleKind, World>();
    for (const kind of kinds) {
      const world = openWorld(ground, kind);
      const server = ground.start(world.server, [...place, program, 'serve', String(port)]);
      await eventually(
        () => {
          if (!server.output().includes('serving')) throw new Error(`no server: ${server.output()}`);
        },
        { within: 15_000 },
      );
      worlds.set(kind, world);
    }
    const measure = async (kind: RuleKind, mode: Mode): Promise<number> => {
      const { client = '' } = worlds.get(kind) ?? {};
      const command = [...place, program, mode, serverAddress, String(port), String(roundMs)].join(' ');
      const [count = 0, micros = 1] = (await ground.exec(client, command)).split(' ').map(Number);
      return mode === 'stream' ? (count * 8) / micros / 1000 : (count * 1e6) / micros;
    };
    const made = (): Record<RuleKind, number[]> => ({ none: [], conntrack: [], ours: [], calico: [] });
    const figures = { stream: made(), connect: made() };
    for (let round = -1; round < rounds; round += 1) {
      const order = kinds.map((_, index) => kinds[(index + round + kinds.length) % kinds.length] ?? 'none');
      for (const mode of ['stream', 'connect'] as const)
        for (const kind of order) {
          const figure = await measure(kind, mode);
          if (round >= 0) figures[mode][kind].push(figure);
        }
    }
    return figures;
  } finally {
    await ground.close();
    rmSync(directory, { recursive: true });
  }
}

/** More is better: medians, and the median of ours/theirs round by round. */
export function packetLines(figures: Readonly<Record<Mode, Figures>>): readonly string[] {
  const digits = (figure: number): string => figure.toFixed(figure < 100 ? 2 : 0);
  return (['stream', 'connect'] as const).flatMap((mode) => {
    const { ours } = figures[mode];
    return kinds.map((kind) => {
      const theirs = figures[mode][kind];
      const ratio = percentile(
        ours.map((figure, round) => figure / (theirs[round] ?? Number.NaN)),
        0.5,
      );
      const name = `felix: packets, ${mode}, ${kind}`.padEnd(50);
      return `${name}  ${`${digits(percentile(theirs, 0.5))} ${modes[mode]}`.padStart(24)}  ours/this ${ratio.toFixed(3)}  n=${theirs.length}`;
    });
  });
}
