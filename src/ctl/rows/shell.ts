/** Commands about the program itself. */
import { type Command, command, output } from '../command.ts';
import { shells } from '../shells.ts';

/** @param all  every command there is, these included; asked for when it is needed */
export const shellCommands = (all: () => readonly Command[]): readonly Command[] => [
  command<{ readonly output?: 'json' | 'yaml'; readonly client?: boolean }>({
    name: 'version',
    what: 'the version of this program, and those the nodes report',
    options: [{ flags: '--client', what: 'only of this program: nothing is asked' }, output('json', 'yaml')],
    examples: ['tortiectl version', 'tortiectl version --client'],
    exits: [
      [0, 'all the same'],
      [1, 'some node runs another version, or reports none'],
      [2, 'the cluster does not answer'],
    ],
    run: async (_, options) => (await import('../version.ts')).version(options),
  }),
  command({
    name: 'completion',
    words: '<shell>',
    what: `a completion script for ${shells.join(', ')}`,
    values: shells,
    examples: [
      'source <(tortiectl completion bash)',
      'tortiectl completion fish > ~/.config/fish/completions/tortiectl.fish',
    ],
    exits: [
      [0, 'printed'],
      [2, 'there is none for that shell'],
    ],
    run: async ([shell = '']) => (await import('../completion.ts')).completion(shell, all()),
  }),
];
