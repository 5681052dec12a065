/** Commands that find out what is wrong, or would be. */

import { type Command, command, output } from '../command.ts';
import type { DiagsOptions, DoctorOptions, MigrateOptions } from '../options.ts';

export const checkCommands: readonly Command[] = [
  command<DoctorOptions>({
    name: 'doctor',
    what: 'looks for what is known to go wrong: evidence, why it matters, and what to do',
    options: [
      {
        flags: '--scope <scope>',
        what: 'the cluster, this node, or both; auto: this node too if Tortie runs on it',
        choices: ['auto', 'cluster', 'node', 'all'],
        fallback: 'auto',
      },
      { flags: '--only <check>', what: 'only this check', many: true },
      {
        flags: '--host-root <path>',
        what: "where the node's files are, e.g. /host under kubectl debug",
        fallback: '/',
      },
      output('json'),
    ],
    examples: [
      'tortiectl doctor',
      'tortiectl doctor --scope node --only rp-filter',
      'kubectl debug node/node1 -it --image=tortie -- tortiectl doctor --scope node --host-root /host',
    ],
    exits: [
      [0, 'nothing found'],
      [1, 'something found, or the cluster does not answer'],
      [2, 'nothing could be looked at'],
    ],
    run: async (_, options) => (await import('../doctor/command.ts')).doctor(options),
  }),
  command<DiagsOptions>({
    name: 'diags',
    what: 'one archive of all that helps to find a fault, without secrets',
    options: [
      { flags: '--file <path>', what: 'the archive to write; otherwise tortie-diags-TIME.tar.gz here' },
      { flags: '--log <path>', what: 'a log file to take along: the last 5 MB, scrubbed', many: true },
      { flags: '--bgp-socket <path>', what: 'Unix socket of "tortie bgp"', fallback: '/run/tortie/bgp.sock' },
      {
        flags: '--felix-socket <path>',
        what: 'Unix socket of "tortie felix"',
        fallback: '/run/tortie/felix.sock',
      },
    ],
    examples: ['tortiectl diags', 'tortiectl diags --file /tmp/for-support.tar.gz --log /var/log/tortie.log'],
    exits: [
      [0, 'written; what could not be read is listed in it'],
      [2, 'it could not be written'],
    ],
    run: async (_, options) => (await import('../diags/command.ts')).diags(options),
  }),
  command<MigrateOptions>({
    name: 'migrate check',
    what: 'what would be different for a cluster that runs Calico or Flannel now; nothing is changed',
    options: [output('json', 'yaml')],
    examples: ['tortiectl migrate check', 'tortiectl migrate check -o json'],
    exits: [
      [0, 'all of it works here too, if differently'],
      [1, 'something is not supported'],
      [2, 'the cluster does not answer or does not let you look'],
    ],
    run: async (_, options) => (await import('../migrate/command.ts')).migrateCheck(options),
  }),
];
