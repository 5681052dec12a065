/** The values of the chart as a table for people: names and words from values.schema.json, defaults from values.yaml. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

export interface Described {
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Described>>;
  readonly additionalProperties?: unknown;
}

const read = (name: string): string => readFileSync(new URL(`chart/${name}`, import.meta.url), 'utf8');

export const valuesSchema = (): Described => JSON.parse(read('values.schema.json')) as Described;
export const valuesDefaults = (): unknown => parse(read('values.yaml'));

/** What is not an object of named values is one row. */
const isLeaf = (one: Described): boolean =>
  one.properties === undefined || one.properties['requests'] !== undefined;

function rows(path: readonly string[], one: Described, value: unknown): readonly string[] {
  if (!isLeaf(one)) {
    const given = (value ?? {}) as Readonly<Record<string, unknown>>;
    return Object.entries(one.properties ?? {}).flatMap(([name, inner]) =>
      rows([...path, name], inner, given[name]),
    );
  }
  if (value === undefined) return []; // helm's own
  const choices =
    one.enum === undefined ? '' : ` One of ${one.enum.map((word) => `\`${word}\``).join(', ')}.`;
  return [`| \`${path.join('.')}\` | \`${JSON.stringify(value)}\` | ${one.description}${choices} |`];
}

export const valuesTable = (): string =>
  ['| value | default | |', '|---|---|---|', ...rows([], valuesSchema(), valuesDefaults())].join('\n');
