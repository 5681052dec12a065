/**
 * zod as this house uses it: unknown JSON in, a typed value or flaws with paths out, each flaw in words of ours.
 *
 * Every leaf is a `field`, whose own function says what is wrong; zod walks objects and lists and finds unknown names.
 */
import { z } from 'zod';
import type { Json } from '../../lib/json.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { describe, type Flaw, nearest, type Wrong } from './flaw.ts';

/** What a leaf takes, in the words of a CustomResourceDefinition's schema (OpenAPI v3): no more than the API server can check. */
export type Form = Readonly<Record<string, unknown>>;

/**
 * A leaf: `parse` gets undefined if the field is missing.
 * @param form  needed only where a CustomResourceDefinition is made of the kind (`crd.ts`)
 */
export function field<T>(parse: (json: unknown) => Result<T, Wrong>, form: Form = {}): z.ZodType<T> {
  return z
    .unknown()
    .transform((json, context) => {
      const parsed = parse(json);
      if (parsed.ok) return parsed.value;
      const { what, fix } = parsed.error;
      context.addIssue({ code: 'custom', message: what, params: { fix } });
      return z.NEVER;
    })
    .meta(form);
}

/** A check across the fields of one object; it runs once each of them is right. `at` is where the flaw shows. */
export const check =
  <T>(find: (value: T) => { readonly at: readonly (string | number)[]; readonly wrong: Wrong } | undefined) =>
  (value: T, context: z.RefinementCtx<T>): void => {
    const found = find(value);
    if (found !== undefined)
      context.addIssue({
        code: 'custom',
        path: [...found.at],
        message: found.wrong.what,
        params: { fix: found.wrong.fix },
      });
  };

/** An object whose every field we know; the names travel in the issue so that a typing error can be explained. */
export const strict = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? Object.keys(shape).join(' ') : undefined),
  });

/** Whatever another program wrote. */
export const foreign = field((json): Result<Json, Wrong> => ok(json as Json), {
  'x-kubernetes-preserve-unknown-fields': true,
});

/** An object that other programs write fields into as well: those are kept, as they are, beside the ones we know. */
export const shared = <Shape extends z.ZodRawShape>(shape: Shape) => z.object(shape).catchall(foreign);

/** What is there but not read here. */
export const anything = z.unknown().meta({ 'x-kubernetes-preserve-unknown-fields': true });
const aside = z.exactOptional(anything);

/** A whole object of a strict kind around its `spec`; apiVersion, kind and metadata are read elsewhere. @param status  absent: read by nobody */
export const manifest = <Spec extends z.ZodType, Status extends z.ZodType = typeof anything>(
  spec: Spec,
  status?: Status,
) =>
  strict({
    apiVersion: aside,
    kind: aside,
    metadata: aside,
    status: z.exactOptional((status ?? anything) as Status),
    spec,
  });

/** A field of Calico's (or the API's) that this version refuses, but for values that ask for nothing. */
export const unsupported = (why: string, ...harmless: readonly unknown[]): z.ZodType<undefined> =>
  z.exactOptional(
    field(
      (json) =>
        harmless.some((value) => JSON.stringify(value) === JSON.stringify(json))
          ? ok(undefined)
          : err({ what: `is not supported in this version: ${why}.`, fix: 'Remove the field.' }),
      // Not left out: the API server drops in silence what a schema lacks, and a password would be gone unnoticed.
      {
        description: `Not supported in this version: ${why}.${harmless.length === 0 ? '' : ` Taken are only ${harmless.map((value) => JSON.stringify(value)).join(' and ')}.`}`,
        'x-kubernetes-preserve-unknown-fields': true,
      },
    ),
  ) as z.ZodType<undefined>;

export function read<T>(schema: z.ZodType<T>, json: unknown): Result<T, readonly Flaw[]> {
  const result = schema.safeParse(json);
  return result.success
    ? ok(result.data)
    : err(result.error.issues.flatMap((issue) => flawsOf(issue, valueAt(json, issue.path))));
}

type Issue = z.core.$ZodIssue;

function flawsOf(issue: Issue, json: unknown): readonly Flaw[] {
  const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => unknownField(path, key, issue.message));
  if (issue.code === 'custom') return [{ path, what: issue.message, fix: String(issue.params?.['fix']) }];
  const expected = issue.code === 'invalid_type' ? nouns[issue.expected] : undefined;
  if (expected === undefined) return [{ path, what: `is wrong: ${issue.message}.`, fix: 'Correct it.' }];
  const fix = `Give ${expected}.`;
  return json === undefined
    ? [{ path, what: 'is missing.', fix }]
    : [{ path, what: `must be ${expected}, but is ${describe(json)}.`, fix }];
}

const nouns: Readonly<Record<string, string>> = {
  array: 'a list',
  object: 'an object with named fields',
  record: 'an object with named fields',
};

function unknownField(path: readonly (string | number)[], key: string, knownNames: string): Flaw {
  const known = knownNames.split(' ');
  const meant = nearest(key, known);
  return {
    path: [...path, key],
    what: 'is not a field of this object.',
    fix: meant === undefined ? `Remove it; the fields are ${known.join(', ')}.` : `Did you mean ${meant}?`,
  };
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  let value = json;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Object.entries(value).find(([key]) => key === String(step))?.[1];
  }
  return value;
}
