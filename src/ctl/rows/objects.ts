/** Objects of the cluster: read them, check them, change them. */

import { type Command, command, type OptionRow, usual } from '../command.ts';
import { kindWords } from '../objects/names.ts';
import type { DescribeOptions, FileOptions, GetOptions } from '../options.ts';

export const space: OptionRow = {
  flags: '-n, --namespace <namespace>',
  what: 'the namespace',
  fallback: 'default',
};
const everywhere: OptionRow = { flags: '-A, --all-namespaces', what: 'of all namespaces' };
const selector: OptionRow = {
  flags: '-l, --selector <labels>',
  what: 'only objects with these labels: a=b,c!=d,e in (f,g)',
};
export const file: OptionRow = {
  flags: '-f, --filename <path>',
  what: 'file, directory, or - for standard input',
  many: true,
};
export const recursive: OptionRow = { flags: '-R, --recursive', what: 'directories with all below them' };

export const objectCommands: readonly Command[] = [
  command<GetOptions>({
    name: 'get',
    words: '<kind> [names...]',
    what: "objects of a kind, in calicoctl's columns",
    options: [
      {
        flags: '-o, --output <form>',
        what: 'ps, wide, yaml, json, name, or custom-columns=NAME,KIND,PEERIP',
        fallback: 'ps',
      },
      space,
      everywhere,
      selector,
      { flags: '-w, --watch', what: 'and what changes, until Ctrl-C' },
    ],
    values: kindWords,
    examples: [
      'tortiectl get bgppeers',
      'tortiectl get ippool -o wide',
      'tortiectl get networkpolicy -A -l app=web',
    ],
    exits: usual,
    run: async (words, options) => (await import('../objects/get.ts')).get(words, options),
  }),
  command<DescribeOptions>({
    name: 'describe',
    words: '<kind> [names...]',
    what: 'one object in words: its fields, its conditions, what happened to it',
    options: [space, everywhere, selector],
    values: kindWords,
    examples: ['tortiectl describe bgppeer rack1', 'tortiectl describe ippool default-ipv4'],
    exits: usual,
    run: async (words, options) => (await import('../objects/describe.ts')).describe(words, options),
  }),
  command<FileOptions>({
    name: 'validate',
    what: 'what is wrong with manifests, before they go to a cluster; none is asked',
    options: [
      file,
      recursive,
      { flags: '-o, --output <form>', what: 'instead of sentences', choices: ['json'] },
    ],
    examples: ['tortiectl validate -f manifests/ -R', 'helm template . | tortiectl validate -f -'],
    exits: [
      [0, 'nothing is wrong'],
      [1, 'something is wrong'],
      [2, 'there is nothing to read, or it was asked for wrongly'],
    ],
    run: async (_, options) => (await import('../objects/validate.ts')).validate(options),
  }),
];
