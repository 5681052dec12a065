/** `tortiectl config show`: which FelixConfiguration holds at a node, and where each value comes from. */

import { err, ok, type Result } from '../lib/result.ts';
import { builtIn, type FelixConfiguration, resolveFelix } from '../model/felix-configuration.ts';
import { type ShownFelix, shownFelix, shownText } from '../model/felix-shown.ts';
import type { Labels } from '../model/meta.ts';
import type { Manifest } from '../store/objects.ts';
import { nameOf } from './cluster/json.ts';
import { openSource } from './cluster/open.ts';
import type { Place, Source } from './cluster/source.ts';
import type { Global } from './command.ts';
import type { ConfigShowOptions } from './options.ts';
import { ask, complain, type Failure, print } from './output.ts';
import { paintFor } from './style.ts';
import { columns } from './table.ts';

interface Shown {
  readonly shown: ShownFelix;
  /** What could not be read, and conflicts: sentences. */
  readonly remarks: readonly string[];
}

/** @param field  only this one */
export async function configShow(
  field: string | undefined,
  options: ConfigShowOptions & Global,
): Promise<number> {
  const found = options.node === undefined ? await ofThisNode(options) : await ofNode(options.node, options);
  if (!found.ok) return complain(found.error);
  const { shown, remarks } = found.value;
  const fields = shown.fields.filter(
    (one) => field === undefined || one.field.toLowerCase() === field.toLowerCase(),
  );
  if (fields.length === 0) {
    const sentence = `FelixConfiguration has no field "${field}" that is done here; see docs/FELIX-CONFIGURATION.md for those that are refused.`;
    return complain({ code: 1, sentence });
  }
  for (const remark of remarks) process.stderr.write(`${remark}\n`);
  await print({ ...shown, fields }, options.output, () =>
    textOf({ ...shown, fields }, options.origin === true),
  );
  return 0;
}

/** With --origin where each comes from, else only the fields and values. */
function textOf({ fields }: ShownFelix, hasOrigin: boolean): string {
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  return columns(
    ['FIELD', 'VALUE', ...(hasOrigin ? ['FROM'] : [])],
    fields.map(({ field, value, from }) => [
      field,
      shownText(value),
      ...(hasOrigin ? [from === builtIn ? ({ text: from, tone: 'quiet' } as const) : from] : []),
    ]),
    { paint },
  );
}

/** As the agent of this node has it, its environment and command line included. */
async function ofThisNode({ socket }: ConfigShowOptions): Promise<Result<Shown, Failure>> {
  const asked = await ask<ShownFelix>(socket, '/configuration', 'felix');
  return asked.ok ? ok({ shown: asked.value, remarks: [] }) : asked;
}

const felixPlace: Place = {
  kind: 'FelixConfiguration',
  apiVersion: 'projectcalico.org/v3',
  plural: 'felixconfigurations',
  namespaced: false,
};
const nodePlace: Place = { kind: 'Node', apiVersion: 'v1', plural: 'nodes', namespaced: false };

/** As the objects of the cluster say; what an agent is started with is known to that agent only. */
async function ofNode(name: string, options: Global): Promise<Result<Shown, Failure>> {
  const source = await openSource(options);
  if (!source.ok) return err({ code: 2, sentence: source.error });
  const labels = await labelsOf(source.value, name);
  if (!labels.ok) return labels;
  const objects = await source.value.list(felixPlace);
  if (!objects.ok) return err({ code: 2, sentence: objects.error.sentence });
  const { configurations, remarks } = await readAll(objects.value);
  const resolved = resolveFelix(configurations, { name, labels: labels.value });
  const conflicts = resolved.conflicts.map(
    ({ field, winner, loser }) =>
      `${loser} says otherwise than ${winner} of ${field}; the first by name counts.`,
  );
  return ok({ shown: shownFelix(name, resolved), remarks: [...remarks, ...conflicts] });
}

async function labelsOf(source: Source, name: string): Promise<Result<Labels, Failure>> {
  const node = await source.get(nodePlace, name);
  if (!node.ok) return err({ code: 2, sentence: node.error.sentence });
  if (node.value === undefined)
    return err({ code: 1, sentence: `There is no Node "${name}" in ${source.where}.` });
  const { readManifest } = await import('../store/schema/manifest.ts');
  const read = readManifest(node.value);
  return ok(read.ok ? read.value.meta.labels : {});
}

/** Objects that are wrong count as not there, for the agents as for us. */
async function readAll(
  manifests: readonly Manifest[],
): Promise<{ readonly configurations: readonly FelixConfiguration[]; readonly remarks: readonly string[] }> {
  const { readManifest } = await import('../store/schema/manifest.ts');
  const { formatPath } = await import('../store/schema/flaw.ts');
  const configurations: FelixConfiguration[] = [];
  const remarks: string[] = [];
  for (const manifest of manifests) {
    const read = readManifest({ ...manifest, apiVersion: felixPlace.apiVersion, kind: felixPlace.kind });
    if (read.ok && read.value.kind === 'FelixConfiguration') configurations.push(read.value);
    else if (!read.ok)
      for (const { path, what, fix } of read.error)
        remarks.push(
          `FelixConfiguration/${nameOf(manifest)} ${formatPath(path)}: ${what} ${fix} It counts as not there.`,
        );
  }
  return { configurations, remarks };
}
