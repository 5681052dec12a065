/**
 * projectcalico.org/v3 FelixConfiguration: what each field is, and what holds at a node.
 *
 * One table (`felix-fields.ts`) says name, form, default and meaning of each field; the schema, the definition for the API
 * server, the page of the docs, the environment and `tortiectl config show` are all made of it. Here is what the values are
 * and how several objects come to one answer for a node.
 */
import { ok, type Result } from '../lib/result.ts';
import { type FelixFieldName, type FelixSettings, felixDefaults, felixFields } from './felix-fields.ts';
import type { Labels, Meta } from './meta.ts';
import { matchesSelector, type Selector } from './selector.ts';

export type { FelixFieldName, FelixSettings } from './felix-fields.ts';

export interface FelixConfiguration {
  readonly kind: 'FelixConfiguration';
  readonly meta: Meta;
  /** Present: for the nodes it takes; of objects that are neither `default` nor `node.NAME`. */
  readonly nodeSelector?: Selector;
  /** What it says, and nothing else. */
  readonly given: Partial<FelixSettings>;
}

/** Whom an object of this name is for. Fails with a name that has no meaning. */
export type FelixScope =
  | { readonly kind: 'all' }
  | { readonly kind: 'selected'; readonly nodes: Selector }
  | { readonly kind: 'node'; readonly node: string };

/** @returns the scope, or whether the selector is one too many or missing */
export function scopeOf(
  name: string,
  nodeSelector: Selector | undefined,
): Result<FelixScope, 'superfluous' | 'missing'> {
  const node = name.startsWith('node.') && name.length > 'node.'.length ? name.slice(5) : undefined;
  if (name === 'default' || node !== undefined) {
    if (nodeSelector !== undefined) return { ok: false, error: 'superfluous' };
    return ok(node === undefined ? { kind: 'all' } : { kind: 'node', node });
  }
  return nodeSelector === undefined
    ? { ok: false, error: 'missing' }
    : ok({ kind: 'selected', nodes: nodeSelector });
}

/** What stands above every object: the environment, then the command line. */
export interface FelixOverride {
  /** Where a person finds it: "environment", "command line". */
  readonly from: string;
  readonly given: Partial<FelixSettings>;
}

/** Two objects of one rank say different things of one field: the first by name has its way. */
export interface FelixConflict {
  readonly field: FelixFieldName;
  readonly winner: string;
  readonly loser: string;
}

export interface ResolvedFelix {
  readonly settings: FelixSettings;
  /** "default" (nobody says anything), "FelixConfiguration/NAME", "environment", "command line". */
  readonly origin: Readonly<Record<FelixFieldName, string>>;
  readonly conflicts: readonly FelixConflict[];
}

interface Layer {
  readonly from: string;
  readonly given: Partial<FelixSettings>;
}

/** Where a value that nobody gave comes from. */
export const builtIn = 'built in';

const ranks = ['all', 'selected', 'node'] as const;

/**
 * Built-in values < `default` < those whose nodeSelector takes the node < `node.NAME` < environment < command line. Among
 * several with a nodeSelector the first by name has its way.
 */
export function resolveFelix(
  configurations: Iterable<FelixConfiguration>,
  node: { readonly name: string; readonly labels: Labels },
  overrides: readonly FelixOverride[] = [],
): ResolvedFelix {
  const all = [...configurations];
  const byRank = ranks.map((rank) =>
    all
      .filter((one) => rankAt(one, node) === rank)
      .sort((a, b) => (a.meta.name < b.meta.name ? -1 : 1))
      .map(({ meta, given }): Layer => ({ from: `FelixConfiguration/${meta.name}`, given })),
  );
  const conflicts = byRank.flatMap(conflictsAmong);
  // The strongest last; of one rank the first by name is the strongest.
  const layers: readonly Layer[] = [...byRank.flatMap((rank) => [...rank].reverse()), ...overrides];
  const settings: FelixSettings = Object.assign({}, felixDefaults, ...layers.map(({ given }) => given));
  return { settings, origin: originOf(layers), conflicts };
}

function rankAt(
  { meta, nodeSelector }: FelixConfiguration,
  node: { readonly name: string; readonly labels: Labels },
): (typeof ranks)[number] | undefined {
  const scope = scopeOf(meta.name, nodeSelector);
  if (!scope.ok) return undefined;
  if (scope.value.kind === 'node') return scope.value.node === node.name ? 'node' : undefined;
  if (scope.value.kind === 'all') return 'all';
  return matchesSelector(scope.value.nodes, node.labels) ? 'selected' : undefined;
}

function conflictsAmong(layers: readonly Layer[]): readonly FelixConflict[] {
  const first = new Map<FelixFieldName, Layer>();
  const conflicts: FelixConflict[] = [];
  for (const layer of layers) {
    for (const field of fieldNames) {
      if (!Object.hasOwn(layer.given, field)) continue;
      const before = first.get(field);
      if (before === undefined) first.set(field, layer);
      else if (textOf(before.given[field]) !== textOf(layer.given[field]))
        conflicts.push({ field, winner: before.from, loser: layer.from });
    }
  }
  return conflicts;
}

const isFieldName = (name: string): name is FelixFieldName => Object.hasOwn(felixFields, name);
export const fieldNames: readonly FelixFieldName[] = Object.keys(felixFields).filter(isFieldName);

function originOf(layers: readonly Layer[]): Readonly<Record<FelixFieldName, string>> {
  const from = (field: FelixFieldName): string =>
    layers.findLast(({ given }) => Object.hasOwn(given, field))?.from ?? builtIn;
  return Object.fromEntries(fieldNames.map((field) => [field, from(field)])) as Record<
    FelixFieldName,
    string
  >;
}

/** Values are told apart by this; bigint addresses have no JSON. */
const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? `${one}n` : one)) ?? '';

/** The fields whose values differ. */
export const differences = (a: FelixSettings, b: FelixSettings): readonly FelixFieldName[] =>
  fieldNames.filter((field) => textOf(a[field]) !== textOf(b[field]));
