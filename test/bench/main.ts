/**
 * `npm run bench [-- NAME…]`: all benches, or those named, one after the other, and one table of what came out.
 * Runs in namespaces of its own (test/house/isolate.sh); each bench ends what it started.
 */
import { availableParallelism, release } from 'node:os';
import { format, heading, type Row } from './table.ts';

interface Bench {
  /** @returns rows for the table; none where the bench prints one of its own */
  readonly run: (options: readonly string[]) => Promise<readonly Row[]>;
}

const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  wire: () => import('./wire.ts'),
  routes: () => import('./routes.ts'),
  bgp: () => import('./bgp.ts'),
  policy: () => import('./policy.ts'),
  felix: () => import('./felix.ts'),
  ruleset: () => import('./ruleset.ts'),
  cni: () => import('./cni.ts'),
  ipam: () => import('./ipam.ts'),
};

/** Names come first; from the first that begins with a hyphen on, all is for the benches themselves. */
async function main(argv: readonly string[]): Promise<number> {
  const cut = argv.findIndex((word) => word.startsWith('-'));
  const names = cut < 0 ? argv : argv.slice(0, cut);
  const options = cut < 0 ? [] : argv.slice(cut);
  const unknown = names.find((name) => !Object.hasOwn(benches, name));
  if (unknown !== undefined) {
    console.error(`bench: there is no bench "${unknown}". There is: ${Object.keys(benches).join(', ')}.`);
    return 2;
  }
  console.log(
    `Node ${process.version}, Linux ${release()}, ${availableParallelism()} cores. Less is better.`,
  );
  for (const [name, load] of Object.entries(benches)) {
    if (names.length > 0 && !names.includes(name)) continue;
    const { run } = await load();
    const rows = await run(options);
    if (rows.length > 0) console.log(heading);
    for (const row of rows) console.log(format(row));
  }
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
