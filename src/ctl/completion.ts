/** Shell completion, made from the commands themselves so that it cannot fall behind them. */
import type { Command } from 'commander';

export const shells = ['bash', 'zsh', 'fish'] as const;

/** A path of subcommands, and the words that may follow it. */
interface Words {
  readonly path: string;
  readonly words: readonly string[];
}

function wordsBelow(command: Command, path: readonly string[]): readonly Words[] {
  const options = command.options.map(({ long, short }) => long ?? short ?? '').filter((word) => word !== '');
  const words = [...command.commands.map((child) => child.name()), ...options, '--help'];
  const extra = command.name() === 'completion' ? shells : [];
  return [
    { path: path.join(' '), words: [...extra, ...words] },
    ...command.commands.flatMap((child) => wordsBelow(child, [...path, child.name()])),
  ];
}

export async function completion(shell: string, root: Command): Promise<number> {
  const script = completionScript(shell, root);
  if (script === undefined) {
    process.stderr.write(`tortiectl: "${shell}" has no completion here. There is: ${shells.join(', ')}.\n`);
    return 2;
  }
  process.stdout.write(script);
  return 0;
}

function completionScript(shell: string, root: Command): string | undefined {
  const words = wordsBelow(root, []);
  switch (shell) {
    case 'bash':
      return bash(words);
    case 'zsh':
      // zsh runs bash completions as they are.
      return `#compdef tortiectl\nautoload -U +X bashcompinit && bashcompinit\n${bash(words)}`;
    case 'fish':
      return fish(words);
    default:
      return undefined;
  }
}

/** The path is the leading words that are no options; the longest known one decides. */
function bash(all: readonly Words[]): string {
  const cases = all.map(({ path, words }) => `    "${path}") words="${words.join(' ')}" ;;`);
  return `# tortiectl completion for bash
_tortiectl() {
  local path="" word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) break ;; *) path="\${path:+$path }$word" ;; esac
  done
  while :; do
    case "$path" in
${cases.map((line) => `  ${line}`).join('\n')}
    esac
    [ -n "$words" ] && break
    case "$path" in *" "*) path="\${path% *}" ;; *) path="" ;; esac
  done
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _tortiectl tortiectl
`;
}

function fish(all: readonly Words[]): string {
  const lines = all.flatMap(({ path, words }) =>
    words.map((word) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`;
      return `complete -c tortiectl -n '__tortiectl_at "${path}"' ${what}`;
    }),
  );
  return `# tortiectl completion for fish
function __tortiectl_at
  set -l words (commandline -opc)[2..-1]
  test "$argv[1]" = (string join ' ' (string match -v -- '-*' $words))
end
${lines.join('\n')}
`;
}
