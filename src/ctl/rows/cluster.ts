/** The whole cluster at a glance. */

import { type Command, command, output } from '../command.ts';
import type { StatusOptions } from '../options.ts';

export const clusterCommands: readonly Command[] = [
  command<StatusOptions>({
    name: 'status',
    what: 'the whole cluster: every node, its sessions and its policy, problems first',
    options: [
      output('wide', 'json', 'yaml'),
      { flags: '-w, --watch', what: 'draw it anew when something changes, until Ctrl-C' },
    ],
    examples: ['tortiectl status', 'tortiectl status --watch', 'tortiectl status -o json'],
    exits: [
      [0, 'every node reports, every session is up, policy is in sync'],
      [1, 'something is not well'],
      [2, 'no node is well, or the cluster does not answer or does not let you look'],
    ],
    run: async (_, options) => (await import('../status/command.ts')).status(options),
  }),
];
