/**
 * `npm run bench [-- NAME…]`: all benches, or those named, one after the other, and one table of what came out.
 * Runs in namespaces of its own (test/house/isolate.sh); each bench ends what it started.
 */
import { availableParallelism, release } from 'node:os';
import { format, heading, type Row } from './table.ts';

interface Bench {
  readonly run: () => Promise<readonly Row[]>;
}

const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  wire: () => import('./wire.ts'),
  routes: () => import('./routes.ts'),
  speaker: () => import('./speaker.ts'),
  policy: () => import('./policy.ts'),
  cni: () => import('./cni.ts'),
  ipam: () => import('./ipam.ts'),
};

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.find((name) => !Object.hasOwn(benches, name));
  if (unknown !== undefined) {
    console.error(`bench: there is no bench "${unknown}". There is: ${Object.keys(benches).join(', ')}.`);
    return 2;
  }
  console.log(
    `Node ${process.version}, Linux ${release()}, ${availableParallelism()} cores. Less is better.`,
  );
  console.log(heading);
  for (const [name, load] of Object.entries(benches)) {
    if (names.length > 0 && !names.includes(name)) continue;
    const { run } = await load();
    for (const row of await run()) console.log(format(row));
  }
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
