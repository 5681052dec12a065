/** How the node agents are configured. */

import { type Command, command, output, socket } from '../command.ts';
import type { ConfigShowOptions } from '../options.ts';

export const configCommands: readonly Command[] = [
  command<ConfigShowOptions>({
    name: 'config show',
    words: '[field]',
    what: 'which FelixConfiguration holds at this node, or at another, field by field',
    options: [
      socket('felix'),
      {
        flags: '--node <name>',
        what: 'of this node, as the objects of the cluster say; otherwise this one, as its agent has it',
      },
      { flags: '--origin', what: 'where each value comes from' },
      output('json', 'yaml'),
    ],
    examples: [
      'tortiectl config show --origin',
      'tortiectl config show --node node2 -o yaml',
      'tortiectl config show natOutgoingExclusions --node node2 --origin',
    ],
    exits: [
      [0, 'answered'],
      [1, 'there is no such field or node'],
      [2, 'the agent, or the cluster, does not answer'],
    ],
    run: async ([field], options) => (await import('../config.ts')).configShow(field, options),
  }),
];
