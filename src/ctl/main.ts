/**
 * `tortiectl`: the whole cluster by the API with the rights of the one who asks, and this node by its sockets. Wiring only:
 * the table of commands. Other rooms add theirs as one line of `commands`.
 */
import { CommanderError, Option, Command as Parser } from 'commander';
import type { Command, OptionRow } from './command.ts';
import { ipamCommands } from './ipam.ts';
import { changeCommands } from './rows/change.ts';
import { checkCommands } from './rows/check.ts';
import { clusterCommands } from './rows/cluster.ts';
import { configCommands } from './rows/config.ts';
import { nodeCommands } from './rows/node.ts';
import { objectCommands } from './rows/objects.ts';
import { policyCommands } from './rows/policy.ts';
import { shellCommands } from './rows/shell.ts';

const commands: readonly Command[] = [
  ...clusterCommands,
  ...objectCommands,
  ...changeCommands,
  ...checkCommands,
  ...ipamCommands,
  ...nodeCommands,
  ...configCommands,
  ...policyCommands,
  ...shellCommands(() => commands),
];

/** First words that have others below them. */
const groups: Readonly<Record<string, string>> = {
  node: 'a node as a router',
  bgp: 'the BGP tables of this node',
  policy: 'what network policy means here: for a pod, a connection, a change',
  ipam: 'which address is whose',
  migrate: 'coming from another pod network',
};

const globals: readonly OptionRow[] = [
  {
    flags: '--kubeconfig <file>',
    what: 'the cluster and your rights in it; otherwise found as kubectl does',
  },
  { flags: '--context <name>', what: 'a context of the kubeconfig' },
  {
    flags: '--datastore <datastore>',
    what: 'kubernetes, or dir:PATH for a directory of manifests',
    fallback: 'kubernetes',
  },
];

function optionOf({ flags, what, choices, fallback, many, conflicts }: OptionRow): Option {
  const option = new Option(flags, what);
  if (choices !== undefined) option.choices(choices);
  if (fallback !== undefined) option.default(fallback);
  if (conflicts !== undefined) option.conflicts([...conflicts]);
  if (many === true) option.argParser((value, before: readonly string[] = []) => [...before, value]);
  return option;
}

/** "kubectl tortie" when kubectl started us. */
const programName = (): string => process.env['TORTIECTL_NAME'] ?? 'tortiectl';

const notes = ({ examples, exits }: Command, program: string): string =>
  [
    '\nExamples:',
    ...examples.map((example) => `  ${example.replace(/^tortiectl/, program)}`),
    '\nExit codes:',
    ...exits.map(([code, when]) => `  ${code}  ${when}`),
  ].join('\n');

function add(root: Parser, row: Command, done: (code: number) => void): void {
  const words = row.name.split(' ');
  const own = words.pop() ?? '';
  const parent = words.reduce((above, word) => groupOf(above, word), root);
  const parser = parent.command(row.words === undefined ? own : `${own} ${row.words}`).description(row.what);
  for (const option of row.options ?? []) parser.addOption(optionOf(option));
  parser.addHelpText('after', notes(row, root.name()));
  parser.action(async () => done(await row.run(parser.args, parser.optsWithGlobals())));
}

function groupOf(above: Parser, word: string): Parser {
  const known = above.commands.find((child) => child.name() === word);
  return known ?? above.command(word).description(groups[word] ?? '');
}

function build(done: (code: number) => void): Parser {
  const root = new Parser(programName())
    .description('What Tortie does in this cluster and on this node: sessions, routes, addresses and policy.')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true });
  for (const option of globals) root.addOption(optionOf(option));
  for (const row of commands) add(root, row, done);
  return root;
}

/** @param argv  what follows `tortiectl`. @returns the exit code */
export async function main(argv: readonly string[]): Promise<number> {
  let code = 0;
  // A reader that has seen enough, such as head, is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? code : 2),
  );
  try {
    await build((done) => {
      code = done;
    }).parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}
