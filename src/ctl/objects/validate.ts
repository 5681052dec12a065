/** `tortiectl validate -f …`: the daemons' own schemas over manifests that are not in a cluster yet. No cluster is asked. */
import type { Problem } from '../../model/problem.ts';
import { keyOf } from '../../model/resource.ts';
import type { FileContent, ManifestDocument } from '../../store/dir/documents.ts';
import { apiKinds } from '../../store/kinds.ts';
import { nearest } from '../../store/schema/flaw.ts';
import { readManifest } from '../../store/schema/manifest.ts';
import { textAt } from '../cluster/json.ts';
import type { FileOptions } from '../options.ts';
import { complain } from '../output.ts';
import { type Paint, paintFor, plain } from '../style.ts';
import { readFiles } from './files.ts';

export interface Flawed {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** The rest of where: "(document 2) BGPPeer/rack1 spec.asNumber". */
  readonly place: string;
  readonly what: string;
  readonly fix: string;
}

export interface Verdict {
  readonly flaws: readonly Flawed[];
  /** How many objects were looked at. */
  readonly objects: number;
  /** "apps/v1 Deployment": kinds that are not ours to judge, each once. */
  readonly skipped: readonly string[];
}

/** A mixed file, such as a rendered chart, has objects of others; a slip of the pen in ours is a flaw all the same. */
function isOthers(json: unknown): boolean {
  const kind = textAt(json, 'kind');
  const apiVersion = textAt(json, 'apiVersion');
  if (kind === '' || apiVersion === '' || /(^|\.)projectcalico\.org\//.test(apiVersion)) return false;
  return nearest(kind, apiKinds) === undefined;
}

export function validateContents(contents: readonly FileContent[]): Verdict {
  const flaws: Flawed[] = [];
  const skipped = new Set<string>();
  const firstAt = new Map<string, string>();
  let objects = 0;
  const judge = (document: ManifestDocument): void => {
    const { json, ref, at } = document;
    if (isOthers(json)) {
      skipped.add(`${textAt(json, 'apiVersion')} ${textAt(json, 'kind')}`);
      return;
    }
    objects += 1;
    const read = readManifest(json);
    if (!read.ok) flaws.push(...read.error.map((flaw) => flawed(document.problemOf(flaw))));
    if (ref === undefined) return;
    const earlier = firstAt.get(keyOf(ref));
    firstAt.set(keyOf(ref), earlier ?? at);
    if (earlier !== undefined)
      flaws.push(
        flawed({
          where: `${at} ${keyOf(ref)}`,
          what: `is also in ${earlier}.`,
          fix: 'Remove one of the two.',
        }),
      );
  };
  for (const { documents, broken } of contents) {
    documents.forEach(judge);
    // What a running daemon would do meanwhile is of no interest here.
    flaws.push(
      ...broken.map(({ what, ...rest }) =>
        flawed({ ...rest, what: what.replace(/ What this file held.*$/, '') }),
      ),
    );
  }
  return { flaws, objects, skipped: [...skipped].sort() };
}

function flawed({ where, what, fix }: Problem): Flawed {
  const [, file = where, line = '1', place = ''] = /^(.*?):(\d+) ?(.*)$/.exec(where) ?? [];
  return { file, line: Number(line), place, what, fix };
}

export async function validate({ filename = [], recursive, output }: Partial<FileOptions>): Promise<number> {
  const contents = await readFiles(filename, recursive === true);
  if (!contents.ok) return complain({ code: 2, sentence: contents.error });
  const verdict = validateContents(contents.value);
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  process.stdout.write(
    `${output === 'json' ? JSON.stringify(verdict, undefined, 2) : verdictText(verdict, paint)}\n`,
  );
  return verdict.flaws.length > 0 ? 1 : 0;
}

export function verdictText({ flaws, objects, skipped }: Verdict, paint: Paint = plain): string {
  const lines = flaws.map(
    ({ file, line, place, what, fix }) =>
      `${paint(`${file}:${line}`, 'strong')}${place === '' ? '' : ` ${place}`}: ${what} ${paint(fix, 'quiet')}`,
  );
  const judged = `${objects} ${objects === 1 ? 'object' : 'objects'} looked at`;
  const result =
    flaws.length === 0 ? 'nothing is wrong' : `${flaws.length} ${flaws.length === 1 ? 'flaw' : 'flaws'}`;
  const others = skipped.length === 0 ? '' : ` Not ours to judge: ${skipped.join(', ')}.`;
  return [...lines, `${judged}: ${result}.${others}`].join('\n');
}
