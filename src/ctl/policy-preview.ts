/** `tortiectl policy preview -f FILE`: whose verdicts would change, before anything does. */

import type { Connections } from '../model/flow.ts';
import type { Resource } from '../model/resource.ts';
import { snapshotOf } from '../policy/cluster.ts';
import { applied } from '../policy/preview/apply.ts';
import { forbiddenBy, forbiddenLines } from '../policy/preview/seen.ts';
import { preview, previewLines } from '../policy/preview.ts';
import type { Global } from './command.ts';
import type { PolicyPreviewOptions } from './options.ts';
import { ask, complain, print } from './output.ts';
import { readObjects, readWorld, tell } from './policy-world.ts';
import { paintFor } from './style.ts';

export async function policyPreview(options: PolicyPreviewOptions & Global): Promise<number> {
  const files = await readObjects(options.filename ?? [], options.recursive === true);
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
  const result = preview(before, after);
  if (!result.ok) return complain({ code: 2, sentence: result.error });
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  const seen =
    options.connections === true
      ? await ask<Connections>(options.socket, '/connections', 'felix')
      : undefined;
  if (seen?.ok === false) return complain({ code: 2, sentence: seen.error.sentence });
  const connections = seen === undefined ? undefined : seenUnder(before, after, seen.value);
  const value =
    connections === undefined ? result.value : { ...result.value, connections: connections.forbidden };
  await print(value, options.output, () =>
    [...previewLines(result.value, options.output === 'wide'), ...(connections?.lines ?? [])]
      .map((line) => paint(line, line.startsWith('+') ? 'good' : line.startsWith('-') ? 'bad' : undefined))
      .join('\n'),
  );
  return result.value.changes.length === 0 ? 0 : 1;
}

function seenUnder(
  before: readonly Resource[],
  after: readonly Resource[],
  { node, connections, more }: Connections,
) {
  const forbidden = forbiddenBy(snapshotOf(before).cluster, snapshotOf(after).cluster, connections);
  const rest = more === 0 ? [] : [`${more} more kinds of connections were not looked at.`];
  return { forbidden, lines: ['', ...forbiddenLines(node, connections, forbidden), ...rest] };
}
