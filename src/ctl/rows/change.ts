/** Commands that change objects of the cluster. */

import { type Command, command, type OptionRow } from '../command.ts';
import { kindWords } from '../objects/names.ts';
import type { FileOptions, LabelOptions, PatchOptions } from '../options.ts';
import { file, recursive, space } from './objects.ts';

const ownSpace: OptionRow = {
  flags: '-n, --namespace <namespace>',
  what: 'for objects that name none',
};
const changed: Command['exits'] = [
  [0, 'all done'],
  [1, 'some of it was refused; the rest is done'],
  [2, 'no answer, not allowed, or asked for wrongly'],
];

export const changeCommands: readonly Command[] = [
  ...(['create', 'apply', 'replace'] as const).map((verb) =>
    command<FileOptions>({
      name: verb,
      what: {
        create: 'makes the objects of a file; it fails for those that are there',
        apply: 'makes the objects of a file, or changes them to what it says',
        replace: 'changes the objects of a file to what it says; it fails for those that are not there',
      }[verb],
      options: [
        file,
        recursive,
        ownSpace,
        ...(verb === 'create'
          ? [{ flags: '--skip-exists', what: 'what is there already is left as it is' }]
          : []),
      ],
      examples: [`tortiectl ${verb} -f peers.yaml`, `cat peers.yaml | tortiectl ${verb} -f -`],
      exits: changed,
      run: async (_, options) => (await import('../objects/change.ts')).change(verb, options),
    }),
  ),
  command<FileOptions>({
    name: 'delete',
    words: '[kind] [names...]',
    what: 'removes the objects named, or those of a file',
    options: [
      file,
      recursive,
      ownSpace,
      { flags: '-s, --skip-not-exists', what: 'what is not there is no failure' },
    ],
    values: kindWords,
    examples: ['tortiectl delete bgppeer rack1', 'tortiectl delete -f peers.yaml --skip-not-exists'],
    exits: changed,
    run: async (words, options) => (await import('../objects/change.ts')).remove(words, options),
  }),
  command<PatchOptions>({
    name: 'patch',
    words: '<kind> <name>',
    what: 'changes fields of one object',
    options: [
      { flags: '-p, --patch <patch>', what: 'the change, in JSON or YAML' },
      {
        flags: '-t, --type <type>',
        what: 'what the change is: RFC 7386 (merge; strategic is the same for our kinds), RFC 6902 (json)',
        choices: ['strategic', 'merge', 'json'],
        fallback: 'strategic',
      },
      space,
    ],
    values: kindWords,
    examples: [`tortiectl patch bgpconfiguration default -p '{"spec":{"nodeToNodeMeshEnabled":false}}'`],
    exits: changed,
    run: async (words, options) => (await import('../objects/change.ts')).patch(words, options),
  }),
  command<LabelOptions>({
    name: 'label',
    words: '<kind> <name> <labels...>',
    what: 'gives labels to one object, or takes them away',
    options: [
      { flags: '--overwrite', what: 'also those it has with another value' },
      { flags: '--remove', what: 'takes away the labels of these names' },
      space,
    ],
    values: kindWords,
    examples: ['tortiectl label node node1 rack=1', 'tortiectl label node node1 rack --remove'],
    exits: changed,
    run: async (words, options) => (await import('../objects/change.ts')).label(words, options),
  }),
];
