/** `tortiectl describe KIND NAME`: an object in words. */
import type { Manifest } from '../../store/objects.ts';
import { eventsOf, timeOf } from '../cluster/events.ts';
import { at, listAt, mapAt, nameOf, namespaceOf, textAt } from '../cluster/json.ts';
import { openSource } from '../cluster/open.ts';
import type { Global } from '../command.ts';
import type { DescribeOptions } from '../options.ts';
import { complain } from '../output.ts';
import { type Paint, paintFor, plain } from '../style.ts';
import { columns } from '../table.ts';
import { ageText } from './age.ts';
import { find, scopeOf, wantedBy } from './get.ts';
import { titleOf } from './names.ts';

export async function describe(words: readonly string[], options: DescribeOptions & Global): Promise<number> {
  const wanted = wantedBy(words);
  if (!wanted.ok) return complain(wanted.error);
  const source = await openSource(options);
  if (!source.ok) return complain({ code: 2, sentence: source.error });
  const found = await find(source.value, wanted.value, scopeOf(options));
  if (!found.ok) return complain(found.error);
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  const texts: string[] = [];
  for (const object of found.value.objects) {
    const events = await eventsOf(source.value, object);
    texts.push(
      describeText(
        object,
        events.ok ? { events: events.value } : { unread: events.error.sentence },
        new Date(),
        paint,
      ),
    );
  }
  if (texts.length > 0) process.stdout.write(`${texts.join('\n\n')}\n`);
  else if (wanted.value.names.length === 0)
    process.stderr.write(`There is no ${titleOf(wanted.value.kind)}.\n`);
  for (const sentence of found.value.missing) complain({ code: 1, sentence });
  return found.value.missing.length > 0 ? 1 : 0;
}

export interface Happened {
  readonly events?: readonly Manifest[];
  /** Why there are none to show. */
  readonly unread?: string;
}

/** Bookkeeping of the API server, which says nothing of the object. */
const unshown = new Set([
  'managedFields',
  'resourceVersion',
  'generation',
  'uid',
  'selfLink',
  'name',
  'namespace',
  'labels',
  'annotations',
  'creationTimestamp',
]);
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

export function describeText(object: Manifest, happened: Happened, now: Date, paint: Paint = plain): string {
  const created = textAt(object, 'metadata', 'creationTimestamp');
  const annotations = Object.entries(mapAt(object, 'metadata', 'annotations')).filter(
    ([key]) => key !== lastApplied,
  );
  const { conditions: _, ...status } = mapAt(object, 'status');
  const more = Object.fromEntries(
    Object.entries(mapAt(object, 'metadata')).filter(([key]) => !unshown.has(key)),
  );
  const head = [
    ['Name:', nameOf(object)],
    ...(namespaceOf(object) === '' ? [] : [['Namespace:', namespaceOf(object)]]),
    ['Kind:', `${textAt(object, 'kind')} (${textAt(object, 'apiVersion')})`],
    ...pairs('Labels:', Object.entries(mapAt(object, 'metadata', 'labels')), '='),
    ...pairs('Annotations:', annotations, ': '),
    ...(created === '' ? [] : [['Created:', `${created} (${ageText(created, now)} ago)`]]),
  ];
  return [
    head.map(([key = '', value = '']) => `${key.padEnd(14)}${value}`).join('\n'),
    ...section('Metadata', more, paint),
    ...section('Spec', at(object, 'spec'), paint),
    ...section('Status', status, paint),
    conditionsText(object, now, paint),
    eventsText(happened, now, paint),
  ].join('\n');
}

function pairs(name: string, all: readonly (readonly [string, unknown])[], between: string): string[][] {
  if (all.length === 0) return [[name, '<none>']];
  return all.map(([key, value], index) => [index === 0 ? name : '', `${key}${between}${String(value)}`]);
}

function section(name: string, value: unknown, paint: Paint): readonly string[] {
  if (value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0))
    return [];
  return [`${paint(`${name}:`, 'strong')}\n${fields(value, 2)}`];
}

/** Nested fields, one a line; what is short stays on its line. */
function fields(value: unknown, indent: number): string {
  const space = ' '.repeat(indent);
  if (Array.isArray(value))
    return value
      .map((item: unknown) =>
        isNested(item)
          ? `${space}-${fields(item, indent + 2).slice(indent + 1)}`
          : `${space}- ${String(item)}`,
      )
      .join('\n');
  return Object.entries(value as object)
    .map(([key, inner]: [string, unknown]) => {
      if (!isNested(inner)) return `${space}${key}: ${String(inner)}`;
      if (Object.keys(inner as object).length === 0)
        return `${space}${key}: ${Array.isArray(inner) ? '[]' : '{}'}`;
      if (Array.isArray(inner) && !inner.some(isNested)) return `${space}${key}: ${inner.join(', ')}`;
      return `${space}${key}:\n${fields(inner, indent + 2)}`;
    })
    .join('\n');
}

const isNested = (value: unknown): boolean => typeof value === 'object' && value !== null;

function conditionsText(object: Manifest, now: Date, paint: Paint): string {
  const conditions = listAt(object, 'status', 'conditions');
  const head = paint('Conditions:', 'strong');
  if (conditions.length === 0) return `${head}\n  <none>`;
  return [
    head,
    ...conditions.map((one) => {
      const status = textAt(one, 'status');
      const since = textAt(one, 'lastTransitionTime');
      const word = paint(
        `${textAt(one, 'type')} is ${status}`,
        status === 'True' ? 'good' : status === 'False' ? 'bad' : 'warn',
      );
      const why = textAt(one, 'message');
      const observed = Number(at(one, 'observedGeneration') ?? Number.NaN);
      const generation = Number(at(object, 'metadata', 'generation') ?? Number.NaN);
      const old = observed < generation ? ' It was not yet looked at again after the last change.' : '';
      return `  ${word} (${textAt(one, 'reason')}${since === '' ? '' : `, for ${ageText(since, now)}`})${why === '' ? '' : `: ${why}`}${old}`;
    }),
  ].join('\n');
}

function eventsText({ events = [], unread }: Happened, now: Date, paint: Paint): string {
  const head = paint('Events:', 'strong');
  if (unread !== undefined) return `${head}\n  not shown: ${unread}`;
  if (events.length === 0) return `${head}\n  <none>`;
  const rows = events.map((event) => [
    {
      text: textAt(event, 'type'),
      ...(textAt(event, 'type') === 'Warning' ? { tone: 'warn' as const } : {}),
    },
    textAt(event, 'reason'),
    ageText(timeOf(event), now) + timesText(event),
    textAt(event, 'source', 'component') || textAt(event, 'reportingComponent'),
    textAt(event, 'message') || textAt(event, 'note'),
  ]);
  return `${head}\n${columns(['TYPE', 'REASON', 'AGE', 'FROM', 'MESSAGE'], rows, { paint, indent: 2 })}`;
}

function timesText(event: Manifest): string {
  const count = Number(at(event, 'count') ?? at(event, 'series', 'count') ?? 1);
  return count > 1 ? ` (${count} times)` : '';
}
