/** `tortiectl ipam`: which address is whose, whether that is true, and taking addresses back. */
import { type Command, command, output, usual } from './command.ts';
import type { CheckOptions, ConfigureOptions, ReleaseOptions, ShowOptions } from './ipam/options.ts';

export const ipamCommands: readonly Command[] = [
  command<ShowOptions>({
    name: 'ipam show',
    what: 'how full the pools are, or one address',
    options: [
      { flags: '--show-blocks', what: 'the blocks of each pool too' },
      { flags: '--show-borrowed', what: "the addresses that nodes have of others' blocks" },
      { flags: '--show-configuration', what: 'the settings of IPAM', conflicts: ['ip'] },
      { flags: '--ip <address>', what: 'whose this address is' },
      output('json', 'yaml'),
    ],
    examples: ['tortiectl ipam show --show-blocks', 'tortiectl ipam show --ip 10.244.0.5'],
    exits: [
      [0, 'answered'],
      [1, 'the address is not assigned'],
      [2, 'no answer, not allowed, or asked for wrongly'],
    ],
    run: async (_, options) => (await import('./ipam/show.ts')).show(options),
  }),
  command<CheckOptions>({
    name: 'ipam check',
    what: 'compares the blocks with the pods: leaks, addresses nobody gave, blocks that make no sense',
    options: [
      { flags: '--show-all-ips', what: 'every address that was looked at' },
      { flags: '--show-problem-ips', what: 'every address that something is wrong with' },
      { flags: '-o, --output <form>', what: 'json or yaml; else a file for the report, in JSON' },
    ],
    examples: ['tortiectl ipam check --show-problem-ips', 'tortiectl ipam check -o report.json'],
    exits: [
      [0, 'nothing found'],
      [1, 'something found'],
      [2, 'no answer, not allowed, or asked for wrongly'],
    ],
    run: async (_, options) => (await import('./ipam/check.ts')).check(options),
  }),
  command<ReleaseOptions>({
    name: 'ipam release',
    what: 'takes addresses back that nobody uses',
    options: [
      { flags: '--ip <address>', what: 'this address', many: true },
      { flags: '--from-report <file>', what: 'the leaks of a report of ipam check -o', many: true },
      { flags: '--force', what: 'also what looks as if it were in use' },
    ],
    examples: ['tortiectl ipam release --ip 10.244.0.5', 'tortiectl ipam release --from-report report.json'],
    exits: [
      [0, 'all of it is released'],
      [1, 'some of it is in use, or changed since'],
      [2, 'no answer, not allowed, or asked for wrongly'],
    ],
    run: async (_, options) => (await import('./ipam/release.ts')).release(options),
  }),
  command<ConfigureOptions>({
    name: 'ipam configure',
    what: 'changes the IPAMConfiguration called default',
    options: [
      {
        flags: '--strictaffinity <flag>',
        what: 'true: no node borrows from another',
        choices: ['true', 'false'],
      },
      { flags: '--auto-allocate-blocks <flag>', what: 'false: no new blocks', choices: ['true', 'false'] },
      { flags: '--max-blocks-per-host <number>', what: 'of each family; 0: twenty' },
      { flags: '--ip-cooldown-seconds <number>', what: 'how long a released address is not given again' },
    ],
    examples: [
      'tortiectl ipam configure --strictaffinity true',
      'tortiectl ipam configure --ip-cooldown-seconds 60',
    ],
    exits: usual,
    run: async (_, options) => (await import('./ipam/configure.ts')).configure(options),
  }),
];
