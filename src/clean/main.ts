/** `tortie clean`: leaves a node as Tortie found it. Wiring only: what is removed is decided in plan.ts. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { askSocket } from '../host/socket.ts';
import { openKernel } from '../kernel/linux.ts';
import { openXtables, type XtBackend, xtBackendInUse } from '../kernel/xtables.ts';
import { clean, empty } from './clean.ts';
import { openDaemonSet } from './daemonset.ts';
import { type CleanOptions, parseOptions } from './options.ts';

/** @returns the exit code: 0 all is removed, 1 something is left or still runs, 2 for a wrong command line */
export async function main(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv);
  if (typeof options === 'number') return options;
  const { waitFor, patience, socketDir, stateDir, pods, state } = options;
  if (waitFor !== undefined) return waitForNodes(waitFor, patience);
  const running = await until(patience, () => whoRuns(socketDir));
  if (running !== undefined)
    return complain(`${running} still runs here and would put back what is removed; stop it first.`);
  const kernel = openKernel();
  const xtables = { open: (backend: XtBackend) => openXtables(backend), inUse: xtBackendInUse };
  try {
    const { done, failed } = await clean({ kernel, xtables, pods, stateDir });
    const kept = state ? [...(await empty(stateDir)), ...(await empty(socketDir))] : [];
    for (const what of done) process.stdout.write(`removed ${what}\n`);
    if (done.length === 0) process.stdout.write('nothing of Tortie was in the kernel\n');
    for (const what of [...failed, ...kept]) complain(`not removed: ${what}`);
    return failed.length + kept.length === 0 ? 0 : 1;
  } finally {
    kernel.close();
  }
}

function complain(sentence: string): number {
  process.stderr.write(`tortie clean: ${sentence}\n`);
  return 1;
}

async function waitForNodes(
  waitFor: NonNullable<CleanOptions['waitFor']>,
  patience: number,
): Promise<number> {
  const asked = await openDaemonSet(waitFor);
  if (!asked.ok) return complain(asked.error);
  const left = await until(patience, asked.value);
  if (left === undefined) return 0;
  const name = `DaemonSet ${waitFor.namespace}/${waitFor.name}`;
  return complain(`${name} after ${patience} s: ${left}. Its pods’ logs and events say why.`);
}

async function whoRuns(socketDir: string): Promise<string | undefined> {
  for (const name of ['bgp', 'felix']) {
    const answer = await askSocket(join(socketDir, `${name}.sock`), '/status');
    if (answer.ok) return `tortie ${name}`;
  }
  return undefined;
}

/** Asks once a second until there is nothing left to say. @returns the last word, if patience ended */
async function until(seconds: number, ask: () => Promise<string | undefined>): Promise<string | undefined> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const word = await ask();
    if (word === undefined || performance.now() >= end) return word;
    await pause(1000);
  }
}
