/** `tortiectl bgp decode`: the codec is the speaker's, so it runs in a process of its own that the launcher starts. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { complain } from './output.ts';

const launcher = new URL('../tortie.ts', import.meta.url).pathname;

/** Standard input and output are passed on as they are. @returns the exit code */
export async function bgpDecode(): Promise<number> {
  const child = spawn(process.execPath, [launcher, 'bgp-decode'], { stdio: 'inherit' });
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    return code ?? 2;
  } catch (error) {
    return complain({ code: 2, sentence: `The decoder cannot be started: ${String(error)}.` });
  }
}
