/** `tortiectl get KIND [NAME…]`: objects as they are, in columns, YAML, JSON or by name. */
import { err, ok, type Result } from '../../lib/result.ts';
import type { Kind } from '../../model/resource.ts';
import { kinds } from '../../store/kinds.ts';
import type { Manifest } from '../../store/objects.ts';
import { nameOf, namespaceOf, textAt } from '../cluster/json.ts';
import { openSource } from '../cluster/open.ts';
import type { Scope, Source, Trouble } from '../cluster/source.ts';
import { untilInterrupted } from '../cluster/until.ts';
import type { Global } from '../command.ts';
import type { GetOptions } from '../options.ts';
import { complain, type Failure } from '../output.ts';
import { type Cell, columns } from '../table.ts';
import { customColumn, customColumnNames, shown } from './columns.ts';
import { kindNamed, placeOf, titleOf, wordOf } from './names.ts';

/** The words of `get` and `describe`, as calicoctl takes them: "bgppeer a b", "bgppeer/a", "bgppeer,ippool" is not. */
export interface Wanted {
  readonly kind: Kind;
  readonly names: readonly string[];
}

export function wantedBy(words: readonly string[]): Result<Wanted, Failure> {
  const [first = '', ...rest] = words;
  const [word = '', ...named] = first.split('/');
  const kind = kindNamed(word);
  return kind.ok
    ? ok({ kind: kind.value, names: [...named, ...rest] })
    : err({ code: 2, sentence: kind.error });
}

/** 1 for what is not there to read, 2 for what may not be read or does not answer. */
export const failureOf = ({ kind, sentence }: Trouble): Failure => ({
  code: kind === 'absent' ? 1 : 2,
  sentence,
});

const byName = (a: Manifest, b: Manifest): number =>
  namespaceOf(a).localeCompare(namespaceOf(b)) || nameOf(a).localeCompare(nameOf(b));

export interface Found {
  readonly objects: readonly Manifest[];
  /** Sentences about names that are not there. */
  readonly missing: readonly string[];
}

/** All of them, or those named, in the order they were named. */
export async function find(
  source: Source,
  { kind, names }: Wanted,
  scope: Scope,
): Promise<Result<Found, Failure>> {
  if (names.length === 0) {
    const listed = await source.list(placeOf(kind), scope);
    return listed.ok
      ? ok({ objects: [...listed.value].sort(byName), missing: [] })
      : err(failureOf(listed.error));
  }
  const objects: Manifest[] = [];
  const missing: string[] = [];
  for (const name of names) {
    const one = await source.get(placeOf(kind), name, kinds[kind].namespaced ? scope.namespace : undefined);
    if (!one.ok) return err(failureOf(one.error));
    if (one.value === undefined)
      missing.push(`There is no ${titleOf(kind)} "${name}"${spaceText(kind, scope)}.`);
    else objects.push(one.value);
  }
  return ok({ objects, missing });
}

const spaceText = (kind: Kind, { namespace }: Scope): string =>
  kinds[kind].namespaced && namespace !== undefined ? ` in namespace ${namespace}` : '';

export function scopeOf(options: {
  readonly namespace: string;
  readonly allNamespaces?: boolean;
  readonly selector?: string;
}): Scope {
  return {
    ...(options.allNamespaces === true ? {} : { namespace: options.namespace }),
    ...(options.selector === undefined ? {} : { labels: options.selector }),
  };
}

type Printer = (objects: readonly Manifest[], withHeader: boolean) => Promise<string> | string;

/** @param single  one object was asked for by name, so YAML and JSON are of it and not of a list */
export function printerFor(
  form: string,
  kind: Kind,
  withNamespace: boolean,
  single: boolean,
): Result<Printer, Failure> {
  const whole = (objects: readonly Manifest[]): unknown =>
    single && objects.length === 1 ? objects[0] : { apiVersion: 'v1', kind: 'List', items: objects };
  if (form === 'json') return ok((objects) => JSON.stringify(whole(objects), undefined, 2));
  if (form === 'yaml')
    return ok(async (objects) => (await import('yaml')).stringify(whole(objects)).trimEnd());
  if (form === 'name')
    return ok((objects) => objects.map((object) => `${wordOf(kind)}/${nameOf(object)}`).join('\n'));
  const custom = /^custom-columns=(.+)$/.exec(form)?.[1]?.split(',');
  if (custom !== undefined) return customPrinter(kind, custom);
  if (form !== 'ps' && form !== 'wide')
    return err({
      code: 2,
      sentence: `-o must be ps, wide, yaml, json, name or custom-columns=NAME,…, but is ${JSON.stringify(form)}.`,
    });
  const { headers, row } = shown(kind, form === 'wide', withNamespace);
  return ok((objects, withHeader) => table(headers, objects.map(row), withHeader));
}

function customPrinter(kind: Kind, words: readonly string[]): Result<Printer, Failure> {
  const unknown = words.find((word) => customColumn(kind, word) === undefined);
  if (unknown !== undefined)
    return err({
      code: 2,
      sentence: `${titleOf(kind)} has no column "${unknown}". There are ${customColumnNames(kind).join(', ')}, and paths such as .spec.cidr.`,
    });
  const headers = words.map((word) => (word.split(':')[0] ?? word).replace(/^\./, '').toUpperCase());
  const rowOf = (object: Manifest): readonly Cell[] =>
    words.map((word) => customColumn(kind, word)?.(object) ?? '');
  return ok((objects, withHeader) => table(headers, objects.map(rowOf), withHeader));
}

/** calicoctl's tables: three spaces between columns. */
function table(headers: readonly string[], rows: readonly (readonly Cell[])[], withHeader: boolean): string {
  const text = columns(headers, rows, { gap: 3 });
  return withHeader ? text : text.split('\n').slice(1).join('\n');
}

export async function get(words: readonly string[], options: GetOptions & Global): Promise<number> {
  const wanted = wantedBy(words);
  if (!wanted.ok) return complain(wanted.error);
  const { kind, names } = wanted.value;
  const withNamespace = kinds[kind].namespaced && options.allNamespaces === true;
  const printer = printerFor(options.output ?? 'ps', kind, withNamespace, names.length === 1);
  if (!printer.ok) return complain(printer.error);
  const source = await openSource(options);
  if (!source.ok) return complain({ code: 2, sentence: source.error });
  const scope = scopeOf(options);
  if (options.watch === true) return watch(source.value, wanted.value, scope, printer.value);
  const found = await find(source.value, wanted.value, scope);
  if (!found.ok) return complain(found.error);
  const { objects, missing } = found.value;
  if (objects.length > 0 || (names.length === 0 && !isTable(options.output)))
    process.stdout.write(`${await printer.value(objects, true)}\n`);
  else if (names.length === 0)
    process.stderr.write(`There is no ${titleOf(kind)}${spaceText(kind, scope)}.\n`);
  for (const sentence of missing) complain({ code: 1, sentence });
  return missing.length > 0 ? 1 : 0;
}

const isTable = (form = 'ps'): boolean => form !== 'json' && form !== 'yaml';

/** The present objects, then each as it changes; one that is gone is said in words on standard error. */
function watch(source: Source, { kind, names }: Wanted, scope: Scope, printer: Printer): Promise<number> {
  const known = new Map<string, string>();
  let first = true;
  return untilInterrupted((end) =>
    source.follow(
      placeOf(kind),
      scope,
      (items) => void tell(items),
      (trouble) => end(complain(failureOf(trouble))),
    ),
  );

  async function tell(items: readonly Manifest[]): Promise<void> {
    const asked = [...items]
      .filter((item) => names.length === 0 || names.includes(nameOf(item)))
      .sort(byName);
    const changed = asked.filter((item) => known.get(keyOf(item)) !== versionOf(item));
    const present = new Set(asked.map(keyOf));
    for (const key of [...known.keys()].filter((one) => !present.has(one))) {
      known.delete(key);
      process.stderr.write(`${titleOf(kind)} ${key.replace(/^\//, '')} is gone\n`);
    }
    for (const item of asked) known.set(keyOf(item), versionOf(item));
    const withHeader = first;
    first = false;
    if (changed.length > 0) process.stdout.write(`${await printer(changed, withHeader)}\n`);
  }
}

const keyOf = (item: Manifest): string => `${namespaceOf(item)}/${nameOf(item)}`;
const versionOf = (item: Manifest): string =>
  textAt(item, 'metadata', 'resourceVersion') || JSON.stringify(item);
