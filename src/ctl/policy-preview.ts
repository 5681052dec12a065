/** `tortiectl policy preview -f FILE`: whose verdicts would change, before anything does. */

import { ok, type Result } from '../lib/result.ts';
import type { Connections } from '../model/flow.ts';
import type { Resource } from '../model/resource.ts';
import { snapshotOf } from '../policy/cluster.ts';
import { applied } from '../policy/preview/apply.ts';
import { forbiddenBy, forbiddenLines } from '../policy/preview/seen.ts';
import { preview, previewLines } from '../policy/preview.ts';
import { enacted } from '../policy/staged.ts';
import type { Global } from './command.ts';
import type { PolicyPreviewOptions } from './options.ts';
import { ask, complain, print } from './output.ts';
import { type FileObject, readObjects, readWorld, tell } from './policy-world.ts';
import { paintFor } from './style.ts';

export async function policyPreview(options: PolicyPreviewOptions & Global): Promise<number> {
  const isEnacted = options.staged === true;
  const files = await filesOf(options);
  if (!files.ok) {
    tell(files.error);
    return 2;
  }
  const world = await readWorld(options);
  if (!world.ok) return complain({ code: 2, sentence: world.error });
  tell(world.value.notes);
  const before = world.value.resources;
  const changes = files.value.map(({ resource }) => resource);
  const after = applied(before, changes, options.delete === true);
  if (!isEnacted) tell(stagedNotes(changes));
  const result = preview(before, after, isEnacted);
  if (!result.ok) return complain({ code: 2, sentence: result.error });
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  const seen =
    options.connections === true
      ? await ask<Connections>(options.socket, '/connections', 'felix')
      : undefined;
  if (seen?.ok === false) return complain({ code: 2, sentence: seen.error.sentence });
  const connections = seen === undefined ? undefined : seenUnder(before, after, isEnacted, seen.value);
  const value =
    connections === undefined ? result.value : { ...result.value, connections: connections.forbidden };
  await print(value, options.output, () =>
    [...previewLines(result.value, options.output === 'wide'), ...(connections?.lines ?? [])]
      .map((line) => paint(line, line.startsWith('+') ? 'good' : line.startsWith('-') ? 'bad' : undefined))
      .join('\n'),
  );
  return result.value.changes.length === 0 ? 0 : 1;
}

/** With --staged there is something to preview without a file. */
const filesOf = async ({
  filename = [],
  staged,
  recursive,
}: PolicyPreviewOptions): Promise<Result<readonly FileObject[], readonly string[]>> =>
  staged === true && filename.length === 0 ? ok([]) : readObjects(filename, recursive === true);

const stagedNotes = (changes: readonly Resource[]): readonly string[] => {
  const staged = changes.filter(({ kind }) => kind.startsWith('Staged')).length;
  return staged === 0
    ? []
    : [
        `of what is in the files, ${staged} staged change no verdict: --staged previews as if they were done.`,
      ];
};

function seenUnder(
  before: readonly Resource[],
  after: readonly Resource[],
  isEnacted: boolean,
  { node, connections, more }: Connections,
) {
  const { cluster: then } = snapshotOf(after);
  const next = isEnacted ? enacted(then) : then;
  const forbidden = forbiddenBy(snapshotOf(before).cluster, next, connections);
  const rest = more === 0 ? [] : [`${more} more kinds of connections were not looked at.`];
  return { forbidden, lines: ['', ...forbiddenLines(node, connections, forbidden), ...rest] };
}
