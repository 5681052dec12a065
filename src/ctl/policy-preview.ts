/** `tortiectl policy preview -f FILE`: whose verdicts would change, before anything does. */

import { applied } from '../policy/preview/apply.ts';
import { preview, previewLines } from '../policy/preview.ts';
import type { Global } from './command.ts';
import type { PolicyPreviewOptions } from './options.ts';
import { complain, print } from './output.ts';
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
  const result = preview(before, applied(before, changes, options.delete === true));
  if (!result.ok) return complain({ code: 2, sentence: result.error });
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  await print(result.value, options.output, () =>
    previewLines(result.value, options.output === 'wide')
      .map((line) => paint(line, line.startsWith('+') ? 'good' : line.startsWith('-') ? 'bad' : undefined))
      .join('\n'),
  );
  return result.value.changes.length === 0 ? 0 : 1;
}
