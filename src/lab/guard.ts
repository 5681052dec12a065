/**
 * Runs work that must be undone whatever happens: Ctrl-C, SIGTERM, SIGHUP, a closed pipe and a bug all abort its signal,
 * so that its own `finally` gets its turn.
 */
import { isFailure } from './failure.ts';

const codeOf: Readonly<Partial<Record<NodeJS.Signals, number>>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/** @returns what `work` returned; 128 + the signal's number if one came */
export async function guarded(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const ending = new AbortController();
  let code: number | undefined;
  let bug: unknown;
  const onSignal = (name: NodeJS.Signals): void => {
    if (code === undefined) process.stderr.write(`\n${name}: stopping …\n`);
    code ??= codeOf[name] ?? 1;
    ending.abort();
  };
  const onBug = (error: unknown): void => {
    bug ??= error;
    ending.abort();
  };
  /** Nobody reads any more, as with "| head". */
  const onPipe = (): void => onSignal('SIGHUP');
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal);
  process.on('uncaughtException', onBug);
  process.stdout.on('error', onPipe); // for good: the last line is written after this function is over
  try {
    const result = await work(ending.signal);
    if (bug !== undefined) throw bug;
    return code ?? result;
  } catch (error) {
    if (code !== undefined) return code;
    if (bug !== undefined) throw bug;
    if (isFailure(error)) {
      process.stderr.write(`tortie lab: ${error.message}\n`);
      return 1;
    }
    throw error;
  } finally {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, onSignal);
    process.off('uncaughtException', onBug);
  }
}
