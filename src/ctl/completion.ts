/** Shell completion, made from the table of commands so that it cannot fall behind it. Names of objects are asked for when needed. */

import type { Command } from './command.ts';
import { complain } from './output.ts';
import { shells } from './shells.ts';

/** The words before, and the words that may follow them. */
interface Words {
  readonly path: string;
  readonly words: readonly string[];
}

const globals = ['--kubeconfig', '--context', '--datastore'];

const longOf = (flags: string): string => /--[\w-]+/.exec(flags)?.[0] ?? flags.split(' ')[0] ?? '';

/** Every path of words that leads on, "" the first. */
export function wordTable(commands: readonly Command[]): readonly Words[] {
  const groups = new Map<string, Set<string>>([['', new Set()]]);
  for (const { name } of commands) {
    const [first = '', second] = name.split(' ');
    groups.get('')?.add(first);
    if (second !== undefined) groups.set(first, (groups.get(first) ?? new Set<string>()).add(second));
  }
  return [
    ...[...groups].map(([path, words]) => ({ path, words: [...words, '--help'] })),
    ...commands.map(({ name, options = [], values = [] }) => ({
      path: name,
      words: [...values, ...options.map(({ flags }) => longOf(flags)), ...globals, '--help'],
    })),
  ];
}

/** Commands whose second word is the name of an object of the kind in their first. */
const named = (commands: readonly Command[]): readonly string[] =>
  commands
    .filter(({ words = '', values }) => values !== undefined && /name/.test(words))
    .map(({ name }) => name);

const registered = 'complete -o default -F _tortiectl tortiectl';

const scripts: Readonly<Record<string, (commands: readonly Command[]) => string>> = {
  bash: (commands) => bash(commands, registered),
  // zsh runs bash completions as they are.
  zsh: (commands) =>
    `#compdef tortiectl\nautoload -U +X bashcompinit && bashcompinit\n${bash(commands, registered)}`,
  fish,
};

export async function completion(shell: string, commands: readonly Command[]): Promise<number> {
  const script = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined;
  if (script === undefined)
    return complain({
      code: 2,
      sentence: `"${shell}" has no completion here. There is: ${shells.join(', ')}.`,
    });
  process.stdout.write(script(commands));
  return 0;
}

/**
 * The path is the words that are no options; the longest known one decides. Options that say which cluster and which
 * namespace are handed on when names of objects are asked for. zsh runs the same text, where `path` and `words` have a
 * meaning of their own, so no variable is called that.
 */
function bash(commands: readonly Command[], end: string): string {
  const cases = wordTable(commands).map(
    ({ path, words }) => `      "${path}") offer="${words.join(' ')}" ;;`,
  );
  const withNames = named(commands).map((name) => `"${name} "*`);
  return `# tortiectl completion for bash
_tortiectl() {
  local way="" full word offer="" take="" asked=()
  for word in "\${COMP_WORDS[@]:1:$((COMP_CWORD-1))}"; do
    if [ -n "$take" ]; then take=""; asked+=("$word"); continue; fi
    case "$word" in
      ${[...globals, '-n', '--namespace'].join('|')}) take=1; asked+=("$word") ;;
      -A|--all-namespaces) asked+=("$word") ;;
      -*) ;;
      *) way="\${way:+$way }$word" ;;
    esac
  done
  full=$way
  while :; do
    case "$way" in
${cases.join('\n')}
    esac
    [ -n "$offer" ] && break
    case "$way" in *" "*) way="\${way% *}" ;; *) way="" ;; esac
  done
  case "$full" in
    ${withNames.join(' | ')})
      case "\${COMP_WORDS[COMP_CWORD]}" in -*) ;; *)
        word=\${full#* }
        offer=$(tortiectl get "\${word%% *}" -o name "\${asked[@]}" 2>/dev/null | sed 's,.*/,,') ;;
      esac ;;
  esac
  COMPREPLY=($(compgen -W "$offer" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
${end}
`;
}

function fish(commands: readonly Command[]): string {
  const lines = wordTable(commands).flatMap(({ path, words }) =>
    words.map((word) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`;
      return `complete -c tortiectl -n '__tortiectl_at "${path}"' ${what}`;
    }),
  );
  const names = named(commands).map(
    (name) => `complete -c tortiectl -n '__tortiectl_kind "${name}"' -f -a '(__tortiectl_names "${name}")'`,
  );
  return `# tortiectl completion for fish
function __tortiectl_words
  string match -v -- '-*' (commandline -opc)[2..-1]
end
function __tortiectl_at
  set -l before (string join ' ' -- (__tortiectl_words))
  test "$argv[1]" = "$before"
end
function __tortiectl_kind
  string match -q -- "$argv[1] *" (string join ' ' (__tortiectl_words))
end
function __tortiectl_names
  set -l words (string split ' ' -- (string replace -- "$argv[1] " '' (string join ' ' (__tortiectl_words))))
  tortiectl get $words[1] -o name 2>/dev/null | string replace -r '.*/' ''
end
${[...lines, ...names].join('\n')}
`;
}
