/**
 * nftables through the `nft` command: one transaction is one `nft -f -`, all or nothing. One runs at a time, in order.
 */
import { kernelError } from './kernel-error.ts';
import { type ProgramOutput, runProgram } from './program.ts';

export interface Nft {
  run(script: string): Promise<void>;
  list(what: string): Promise<unknown>;
}

const LINE_KEPT = 200;
/** @param netns  path of the namespace nft runs in; undefined: ours */
export function openNft(netns?: string): Nft {
  let tail: Promise<unknown> = Promise.resolve();
  const inTurn = (args: readonly string[], input: string): Promise<ProgramOutput> => {
    const call = { program: 'nft', package: 'nftables', netns, args, input };
    const turn = tail.then(() => runProgram(call));
    tail = turn.catch(() => undefined);
    return turn;
  };
  return {
    run: async (script) => {
      const { code, words } = await inTurn(['-f', '-'], script);
      if (code !== 0) throw kernelError('run an nft transaction', 'EINVAL', explain(words, script));
    },
    list: async (what) => {
      const { code, out, words } = await inTurn(['-j', 'list', ...what.split(/\s+/)], '');
      if (code === 0) return JSON.parse(out);
      if (words.includes('No such file or directory')) return undefined;
      throw kernelError(`list ${what} by nft`, 'EINVAL', explain(words, ''));
    },
  };
}

const TOO_LARGE =
  'the transaction is larger than the socket buffer; in a user namespace that limit is net.core.wmem_max of the machine';

/**
 * nft's first complaint with the line of the script it is about.
 * From "/dev/stdin:3:1-20: Error: Could not process rule: …" to 'line 3: Could not process rule: …: "add rule …"'.
 */
export function explain(words: string, script: string): string {
  const found = /^[^\s:]+:(\d+):\d+(?:-\d+)?: Error: (.*)$/m.exec(words);
  if (/Message too long/.test(words)) return TOO_LARGE;
  if (found === null) return words.trim().split('\n').slice(0, 3).join(' ');
  const line = script.split('\n', Number(found[1]))[Number(found[1]) - 1]?.trim() ?? '';
  const shown = line.length > LINE_KEPT ? `${line.slice(0, LINE_KEPT)}…` : line;
  return `line ${found[1]}: ${found[2]}${shown === '' ? '' : `: "${shown}"`}`;
}
