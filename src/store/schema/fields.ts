/** The leaves that several kinds share. Each says what it takes; an empty text counts as absent where Go's API does so. */
import { z } from 'zod';
import { ok, type Result } from '../../lib/result.ts';
import { parseSelector, type Selector } from '../../model/selector.ts';
import { describe, mustBe, type Wrong, wrong } from './flaw.ts';
import { check, field } from './read.ts';

export const parseText = (json: unknown): Result<string, Wrong> =>
  typeof json === 'string'
    ? ok(json)
    : mustBe('a text', json, typeof json === 'object' ? 'Give a text.' : 'Give a text, in quotes.');

export const text = field(parseText, { type: 'string' });

export const flag = field(
  (json) =>
    typeof json === 'boolean'
      ? ok(json)
      : mustBe('true or false', json, 'Write true or false, without quotes.'),
  { type: 'boolean' },
);

/** A whole number within bounds, both included. */
export const wholeNumber = (what: string, least: number, most: number): z.ZodType<number> =>
  field(
    (json) =>
      typeof json === 'number' && Number.isInteger(json) && json >= least && json <= most
        ? ok(json)
        : mustBe(`${what} from ${least} to ${most}`, json, 'Give a whole number in that range.'),
    { type: 'integer', minimum: least, maximum: most },
  );

export const portNumber = wholeNumber('a port number', 1, 65535);

/** One of a few words, spelled exactly so. */
export const oneOf = <Word extends string>(...words: readonly Word[]): z.ZodType<Word> =>
  field(
    (json) => {
      const found = words.find((word) => word === json);
      return found === undefined
        ? mustBe(
            words.length === 1 ? `${words[0]}` : `one of ${words.join(', ')}`,
            json,
            `Write ${words.join(' or ')}.`,
          )
        : ok(found);
    },
    { type: 'string', enum: words },
  );

export const list = <T>(element: z.ZodType<T>): z.ZodType<readonly T[]> => z.array(element);

/** A list of so many elements, as the API server holds it too. */
export const upTo = <T>(
  most: number,
  element: z.ZodType<T>,
  more: { readonly least?: number; readonly isSet?: boolean } = {},
): z.ZodType<readonly T[]> => {
  const { least = 0, isSet = false } = more;
  return list(element)
    .superRefine(
      check((given) =>
        given.length >= least && given.length <= most
          ? undefined
          : {
              at: [],
              wrong: { what: `has ${given.length} elements.`, fix: `Give from ${least} to ${most}.` },
            },
      ),
    )
    .meta({
      maxItems: most,
      ...(least > 0 && { minItems: least }),
      ...(isSet && { 'x-kubernetes-list-type': 'set' }),
    });
};

/** Fields of any name. */
export const record = <T>(value: z.ZodType<T>): z.ZodType<Record<string, T>> => z.record(z.string(), value);

/** A field that may be absent. */
export const maybe = z.exactOptional;

/** Text of a name or selector, where "" means the same as no field at all. */
export const textOrAbsent = field(
  (json) => {
    const parsed = parseText(json);
    return parsed.ok && parsed.value === '' ? ok(undefined) : parsed;
  },
  { type: 'string' },
);

/** Calico's limit for every selector field. */
const maxSelectorLength = 1024;

/** A Calico selector; "" is absent. */
export const selectorOrAbsent = field(parseSelectorField, { type: 'string', maxLength: maxSelectorLength });

function parseSelectorField(json: unknown): Result<Selector | undefined, Wrong> {
  const source = parseText(json);
  if (!source.ok) return source;
  if (source.value === '') return ok(undefined);
  if (source.value.length > maxSelectorLength)
    return wrong(
      `has ${source.value.length} characters, the most is ${maxSelectorLength}.`,
      'Write a shorter one.',
    );
  const selector = parseSelector(source.value);
  return selector.ok
    ? selector
    : wrong(
        `is not a selector: ${selector.error}.`,
        'Write for example has(rack) or zone == "a" && role in {"worker", "edge"}.',
      );
}

/** Any number. */
export const number = field(
  (json): Result<number, Wrong> =>
    typeof json === 'number' && Number.isFinite(json)
      ? ok(json)
      : mustBe('a number', json, 'Give a number, without quotes.'),
  { type: 'number' },
);

/** A moment, as RFC 3339 has it; its text is kept. */
export const time = field(
  (json) => {
    const parsed = parseText(json);
    return !parsed.ok || !Number.isNaN(Date.parse(parsed.value))
      ? parsed
      : mustBe('a time', json, 'Write a time like 2030-01-31T12:00:00Z.');
  },
  { type: 'string', format: 'date-time' },
);

/** Go's duration text, to the millisecond ("300ms", "1s"), as milliseconds. */
export const duration = (least: string, most: string): z.ZodType<number> => {
  const fix = `Write a duration from "${least}" to "${most}", for example "300ms" or "1s".`;
  return field(
    (json): Result<number, Wrong> => {
      const ms = durationOf(json);
      if (ms === undefined) return mustBe('a duration like "300ms"', json, fix);
      return ms >= (durationOf(least) ?? 0) && ms <= (durationOf(most) ?? 0)
        ? ok(ms)
        : wrong(`is out of range: ${describe(json)}.`, fix);
    },
    { type: 'string', pattern: '^([0-9]+m)?([0-9]+s)?([0-9]+ms)?$', minLength: 2 },
  );
};

function durationOf(json: unknown): number | undefined {
  const parts =
    typeof json === 'string' && json !== '' ? /^(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/.exec(json) : null;
  if (parts === null) return undefined;
  const [minutes = 0, whole = 0, ms = 0] = parts.slice(1).map((part) => Number(part ?? 0));
  return minutes * 60_000 + whole * 1000 + ms;
}

/** Go's duration text in whole seconds ("90s", "1m30s"), as milliseconds. */
export const seconds = (least: number, most: number): z.ZodType<number> =>
  field(
    (json): Result<number, Wrong> => {
      const fix = `Write whole seconds from "${least}s" to "${most}s".`;
      const parts = typeof json === 'string' ? /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(json) : null;
      if (parts === null || json === '') return mustBe('a duration like "30s"', json, fix);
      const [hours, minutes, rest] = parts.slice(1).map((part) => Number(part ?? 0));
      const total = (hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (rest ?? 0);
      return total >= least && total <= most
        ? ok(total * 1000)
        : wrong(`is out of range: ${describe(json)}.`, fix);
    },
    { type: 'string', pattern: '^([0-9]+h)?([0-9]+m)?([0-9]+s)?$', minLength: 2 },
  );
