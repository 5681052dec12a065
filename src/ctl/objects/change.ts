/** Changing objects as calicoctl does: create, apply, replace, delete, patch, label. Each change is a compare-and-swap, tried anew when another came first. */
import { err, ok, type Result } from '../../lib/result.ts';
import { formatProblem } from '../../model/problem.ts';
import type { Kind } from '../../model/resource.ts';
import { isKind, kinds } from '../../store/kinds.ts';
import { mergePatch } from '../../store/merge-patch.ts';
import type { Manifest, ObjectRef, Objects, Refusal, Stored } from '../../store/objects.ts';
import { readManifest } from '../../store/schema/manifest.ts';
import type { Json } from '../../store/store.ts';
import { mapAt, nameOf, namespaceOf } from '../cluster/json.ts';
import { openWriter } from '../cluster/writer.ts';
import type { Global } from '../command.ts';
import type { FileOptions, LabelOptions, PatchOptions } from '../options.ts';
import { complain } from '../output.ts';
import { readFiles } from './files.ts';
import { wantedBy } from './get.ts';
import { jsonPatch } from './json-patch.ts';
import { titleOf } from './names.ts';

type Verb = 'create' | 'apply' | 'replace';

/** What became of one object: what to print, or why not. */
type Outcome = Result<string, Refusal>;

/** So often is a change tried again that another writer was faster with. */
const attempts = 5;

const refOf = (kind: Kind, name: string, namespace: string): ObjectRef => ({
  kind,
  name,
  ...(kinds[kind].namespaced ? { namespace } : {}),
});

const labelOf = ({ kind, name, namespace }: ObjectRef): string =>
  `${isKind(kind) ? titleOf(kind) : kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;

interface Asked {
  readonly ref: ObjectRef;
  readonly manifest: Manifest;
}

/** The objects of the files, all of them right by our schemas: nothing is sent if one is wrong. Fails: sentences. */
async function objectsOf({
  filename = [],
  recursive,
  namespace,
}: Partial<FileOptions>): Promise<Result<readonly Asked[], readonly string[]>> {
  const contents = await readFiles(filename, recursive === true);
  if (!contents.ok) return err([contents.error]);
  const asked: Asked[] = [];
  const wrong: string[] = [];
  for (const { documents, broken } of contents.value) {
    wrong.push(...broken.map(formatProblem));
    for (const document of documents) {
      const read = readManifest(document.json);
      if (!read.ok) wrong.push(...read.error.map((flaw) => formatProblem(document.problemOf(flaw))));
      else asked.push(askedOf(document.json as Manifest, read.value.kind, namespace));
    }
  }
  return wrong.length > 0 ? err(wrong) : ok(asked);
}

function askedOf(manifest: Manifest, kind: Kind, namespace = 'default'): Asked {
  const ref = refOf(kind, nameOf(manifest), namespaceOf(manifest) || namespace);
  const metadata = {
    ...mapAt(manifest, 'metadata'),
    ...(ref.namespace === undefined ? {} : { namespace: ref.namespace }),
  };
  return { ref, manifest: { ...manifest, metadata } };
}

/** Reads, changes and writes, until no other writer came between. */
async function swap(
  objects: Objects,
  ref: ObjectRef,
  next: (stored: Stored | undefined) => Result<Manifest, Refusal>,
): Promise<Result<'made' | 'changed', Refusal>> {
  let last: Refusal = { kind: 'conflict', what: 'Others change it all the time.' };
  for (let attempt = 0; attempt < attempts && isPassing(last); attempt++) {
    const found = await objects.get(ref);
    if (!found.ok) return found;
    const wanted = next(found.value);
    if (!wanted.ok) return wanted;
    const { value: before } = found;
    const written =
      before === undefined
        ? await objects.create(wanted.value)
        : await objects.update(wanted.value, before.version);
    if (written.ok) return ok(before === undefined ? 'made' : 'changed');
    last = written.error;
  }
  return err(last);
}

/** Another writer came first. */
const isPassing = ({ kind }: Refusal): boolean => ['conflict', 'exists', 'gone'].includes(kind);

const refuse = (kind: Refusal['kind'], what: string): Result<never, Refusal> => err({ kind, what });

/** Spec as given; of metadata what others put there stays: labels and annotations are added, owners and finalizers kept. */
function replaced(before: Manifest, manifest: Manifest): Manifest {
  const was = mapAt(before, 'metadata');
  const is = mapAt(manifest, 'metadata');
  const metadata = {
    ...was,
    ...is,
    labels: { ...mapAt(was, 'labels'), ...mapAt(is, 'labels') },
    annotations: { ...mapAt(was, 'annotations'), ...mapAt(is, 'annotations') },
  };
  const { status: _, ...rest } = manifest;
  return { ...rest, metadata, ...(before['status'] === undefined ? {} : { status: before['status'] }) };
}

async function write(
  objects: Objects,
  verb: Verb,
  { ref, manifest }: Asked,
  skipExists: boolean,
): Promise<Outcome> {
  const label = labelOf(ref);
  if (verb === 'create') {
    const made = await objects.create(manifest);
    if (made.ok) return ok(`${label} created`);
    return made.error.kind === 'exists' && skipExists ? ok(`${label} is there already, left as it is`) : made;
  }
  const done = await swap(objects, ref, (stored) => {
    if (stored === undefined)
      return verb === 'replace' ? refuse('gone', `There is no ${label} to replace.`) : ok(manifest);
    return ok(replaced(stored.manifest, manifest));
  });
  return done.ok
    ? ok(`${label} ${done.value === 'made' ? 'created' : verb === 'apply' ? 'applied' : 'replaced'}`)
    : done;
}

/** One after the other, so that what is first in a file is there first; one that fails does not stop the others. */
async function tell<T>(
  all: readonly T[],
  labelOfOne: (one: T) => string,
  change: (one: T) => Promise<Outcome>,
): Promise<number> {
  let code = 0;
  for (const one of all) {
    const outcome = await change(one);
    if (outcome.ok) process.stdout.write(`${outcome.value}\n`);
    else
      code = Math.max(
        code,
        complain({ code: codeOf(outcome.error), sentence: `${labelOfOne(one)}: ${outcome.error.what}` }),
      );
  }
  return code;
}

const codeOf = ({ kind }: Refusal): 1 | 2 => (['forbidden', 'away', 'unknown'].includes(kind) ? 2 : 1);

export async function change(verb: Verb, options: Partial<FileOptions> & Global): Promise<number> {
  const asked = await objectsOf(options);
  if (!asked.ok) return refused(asked.error);
  const writer = await openWriter(options);
  if (!writer.ok) return complain({ code: 2, sentence: writer.error });
  return tell(
    asked.value,
    ({ ref }) => labelOf(ref),
    (one) => write(writer.value, verb, one, options.skipExists === true),
  );
}

function refused(sentences: readonly string[]): number {
  for (const sentence of sentences) complain({ code: 2, sentence });
  return 2;
}

export async function remove(
  words: readonly string[],
  options: Partial<FileOptions> & Global,
): Promise<number> {
  const refs = await refsOf(words, options);
  if (!refs.ok) return refused(refs.error);
  const writer = await openWriter(options);
  if (!writer.ok) return complain({ code: 2, sentence: writer.error });
  return tell(refs.value, labelOf, async (ref) => {
    const gone = await writer.value.delete(ref);
    if (gone.ok) return ok(`${labelOf(ref)} deleted`);
    return gone.error.kind === 'gone' && options.skipNotExists === true
      ? ok(`${labelOf(ref)} is not there`)
      : gone;
  });
}

/** Fails: sentences. */
async function refsOf(
  words: readonly string[],
  options: Partial<FileOptions>,
): Promise<Result<readonly ObjectRef[], readonly string[]>> {
  if (words.length === 0) {
    const asked = await objectsOf(options);
    return asked.ok ? ok(asked.value.map(({ ref }) => ref)) : asked;
  }
  const wanted = wantedBy(words);
  if (!wanted.ok) return err([wanted.error.sentence]);
  const { kind, names } = wanted.value;
  if (names.length === 0) return err([`Name the ${titleOf(kind)} to delete, or a file with -f.`]);
  return ok(names.map((name) => refOf(kind, name, options.namespace ?? 'default')));
}

/** `next` makes the object of what is there. */
async function amend(
  words: readonly string[],
  options: { readonly namespace: string } & Global,
  done: string,
  next: (before: Manifest) => Result<Manifest, string>,
): Promise<number> {
  const wanted = wantedBy(words.slice(0, 2));
  if (!wanted.ok) return complain(wanted.error);
  const { kind, names } = wanted.value;
  const ref = refOf(kind, names[0] ?? '', options.namespace);
  const writer = await openWriter(options);
  if (!writer.ok) return complain({ code: 2, sentence: writer.error });
  return tell([ref], labelOf, async () => {
    const swapped = await swap(writer.value, ref, (stored) => {
      if (stored === undefined) return refuse('gone', 'It is not there.');
      const changed = next(stored.manifest);
      if (!changed.ok) return refuse('invalid', changed.error);
      const read = isKind(kind) ? readManifest(changed.value) : undefined;
      if (read?.ok === false)
        return refuse(
          'invalid',
          read.error.map(({ path, what, fix }) => `${path.join('.')} ${what} ${fix}`).join(' '),
        );
      return ok(changed.value);
    });
    return swapped.ok ? ok(`${labelOf(ref)} ${done}`) : swapped;
  });
}

export async function patch(words: readonly string[], options: PatchOptions & Global): Promise<number> {
  if (options.patch === undefined) return complain({ code: 2, sentence: 'Give the change with -p.' });
  const change = await parsePatch(options.patch);
  if (!change.ok) return complain({ code: 2, sentence: change.error });
  return amend(words, options, 'patched', (before) => {
    if (options.type === 'json') {
      const patched = jsonPatch(before, change.value);
      return patched.ok ? ok(patched.value as Manifest) : patched;
    }
    return ok(mergePatch(before, change.value) as Manifest);
  });
}

/** JSON is YAML. */
async function parsePatch(text: string): Promise<Result<Json>> {
  try {
    return ok((await import('yaml')).parse(text) as Json);
  } catch (error) {
    return err(
      `The patch is neither JSON nor YAML: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}.`,
    );
  }
}

export async function label(words: readonly string[], options: LabelOptions & Global): Promise<number> {
  const pairs = words.slice(2).map((word) => word.split('='));
  const odd = pairs.find((pair) => pair.length !== (options.remove === true ? 1 : 2));
  if (odd !== undefined)
    return complain({
      code: 2,
      sentence: `"${odd.join('=')}" is not what --remove takes or a label is. Write rack=1 to give it, or rack with --remove to take it away.`,
    });
  return amend(words, options, options.remove === true ? 'no longer has the label' : 'labeled', (before) => {
    const labels = { ...mapAt(before, 'metadata', 'labels') };
    for (const [key = '', value = ''] of pairs) {
      const has = labels[key];
      if (options.remove === true) delete labels[key];
      else if (has !== undefined && has !== value && options.overwrite !== true)
        return err(`It has the label ${key}=${String(has)}. Add --overwrite to change it.`);
      else labels[key] = value;
    }
    return ok({ ...before, metadata: { ...mapAt(before, 'metadata'), labels } });
  });
}
