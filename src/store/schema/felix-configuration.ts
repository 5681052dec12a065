/** projectcalico.org/v3 FelixConfiguration, made of the table in `src/model/felix-fields.ts`. Strict: what has no meaning is refused by name. */
import { z } from 'zod';
import { type Address, type Prefix, parsePrefix, versionOf } from '../../lib/net.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { type FelixConfiguration, type FelixSettings, scopeOf } from '../../model/felix-configuration.ts';
import { felixFields, type ProtoPort, type Rate, type Row, type Shape } from '../../model/felix-fields.ts';
import { refusedFelixFields } from '../../model/felix-refused.ts';
import { formatDuration } from '../../model/felix-shown.ts';
import type { PortRange } from '../../model/policy.ts';
import type { Meta } from '../../model/resource.ts';
import { parseAddressField } from './addresses.ts';
import { type Rule, withRules } from './cel.ts';
import { flag, maybe, parseText, selectorOrAbsent, wholeNumber } from './fields.ts';
import { describe, type Flaw, mustBe, type Wrong, wrong } from './flaw.ts';
import { field, manifest, read, strict, unsupported } from './read.ts';

type Of<Kind extends Shape['kind']> = Extract<Shape, { readonly kind: Kind }>;

const word = ({ words }: Of<'word'>): z.ZodType<string> =>
  field(
    (json) => {
      const found = words.find((one) => typeof json === 'string' && one.toLowerCase() === json.toLowerCase());
      return found === undefined
        ? mustBe(`one of ${words.join(', ')}`, json, `Write ${words.join(' or ')}.`)
        : ok(found);
    },
    { type: 'string', pattern: `^(?i:${words.join('|')})$` },
  );

const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** Go's text with hours and fractions: "1h30m", "1.5s", "0s". @returns ms */
export function parseDuration(text: string): number | undefined {
  if (!/^([0-9]+(\.[0-9]+)?(h|ms|m|s))+$/.test(text)) return undefined;
  const parts = [...text.matchAll(/([0-9.]+)(h|ms|m|s)/g)];
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ''] ?? 0), 0);
}

const duration = ({ leastMs, mostMs }: Of<'duration'>): z.ZodType<number> =>
  field(
    (json) => {
      const fix = `Write a duration from ${formatDuration(leastMs)} to ${formatDuration(mostMs)}, for example 90s.`;
      const ms = typeof json === 'string' ? parseDuration(json) : undefined;
      if (ms === undefined) return mustBe('a duration like "90s"', json, fix);
      return ms >= leastMs && ms <= mostMs ? ok(ms) : wrong(`is out of range: ${describe(json)}.`, fix);
    },
    { type: 'string', pattern: '^([0-9]+(\\.[0-9]+)?(h|ms|m|s))+$' },
  );

const matched = ({ pattern, most, example }: Of<'text'>): z.ZodType<string> =>
  field(
    (json) => {
      const text = parseText(json);
      if (!text.ok) return text;
      return text.value.length <= most && new RegExp(`^(?:${pattern})$`).test(text.value)
        ? text
        : wrong(
            `cannot be ${describe(json)}: at most ${most} characters that match ${pattern}.`,
            `Write for example ${example}.`,
          );
    },
    { type: 'string', maxLength: most, pattern: `^(${pattern})$` },
  );

const patternFix = 'Write a regular expression, for example ^(eth|en).*.';

function isPattern(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}

const pattern = field(
  (json): Result<string, Wrong> => {
    const text = parseText(json);
    return !text.ok || (text.value !== '' && isPattern(text.value))
      ? text
      : wrong(`is not a regular expression: ${describe(json)}.`, patternFix);
  },
  { type: 'string', maxLength: 256 },
);

const interfaces = field(
  (json): Result<readonly string[], Wrong> => {
    const text = parseText(json);
    if (!text.ok) return text;
    const names = text.value.split(',').map((one) => one.trim());
    const bad = names.find((name) =>
      /^\/.*\/$/.test(name) ? !isPattern(name.slice(1, -1)) : !/^[a-zA-Z0-9_.:-]{0,15}$/.test(name),
    );
    return bad === undefined
      ? ok(names.filter((name) => name !== ''))
      : wrong(
          `has ${describe(bad)}, which is neither the name of an interface nor a /pattern/.`,
          'Write for example kube-ipvs0,/^veth-/.',
        );
  },
  { type: 'string', maxLength: 1024 },
);

const address = ({ version }: Of<'address'>): z.ZodType<Address> =>
  field(
    (json) => {
      const parsed = parseAddressField(json);
      return !parsed.ok || version === undefined || versionOf(parsed.value) === version
        ? parsed
        : wrong(`must be an IPv${version} address, but is ${describe(json)}.`, 'Write one of that family.');
    },
    { type: 'string', maxLength: 45 },
  );

const protocols: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

const protocol = field(
  (json): Result<number, Wrong> => {
    const number = typeof json === 'string' ? protocols[json.toUpperCase()] : undefined;
    return number === undefined ? mustBe('TCP, UDP or SCTP', json, 'Write TCP, UDP or SCTP.') : ok(number);
  },
  { type: 'string', pattern: '^(?i:TCP|UDP|SCTP)$' },
);

const network = field(
  (json): Result<Prefix | undefined, Wrong> => {
    if (json === '') return ok(undefined);
    const prefix = typeof json === 'string' ? parsePrefix(json) : undefined;
    return prefix === undefined
      ? mustBe('a prefix like 10.0.0.0/8', json, 'Write a prefix, or leave it out for any address.')
      : ok(prefix);
  },
  { type: 'string', maxLength: 48 },
);

const ports: z.ZodType<readonly ProtoPort[]> = z
  .array(
    strict({
      protocol: maybe(protocol.describe('TCP, UDP or SCTP; TCP if absent.')),
      port: wholeNumber('a port number', 0, 65_535),
      net: maybe(network.describe('Only with a peer in this prefix.')),
    }).transform(({ protocol: number = 6, port, net }) => ({
      ...{ protocol: number, port },
      ...(net === undefined ? {} : { net }),
    })),
  )
  .meta({ maxItems: 256 });

/** 0 or "0:0": none, as Calico reads it. */
const portRange = field(
  (json): Result<PortRange | undefined, Wrong> => {
    const fix = 'Write first:last, for example 32768:60999.';
    const text = typeof json === 'number' ? String(json) : json;
    const parts = typeof text === 'string' ? /^(\d{1,5})(?::(\d{1,5}))?$/.exec(text) : null;
    if (parts === null) return mustBe('a range of ports like 32768:60999', json, fix);
    const [first, last] = [Number(parts[1]), Number(parts[2] ?? parts[1])];
    if (first === 0 && last === 0) return ok(undefined);
    return first >= 1 && first <= last && last <= 65_535
      ? ok({ first, last })
      : wrong(`is no range of ports: ${describe(json)}.`, fix);
  },
  { 'x-kubernetes-int-or-string': true },
);

const rateUnits = ['second', 'minute', 'hour', 'day'] as const;

const rate = field(
  (json): Result<Rate, Wrong> => {
    const parts = typeof json === 'string' ? /^([1-9][0-9]{0,3})\/(\w+)$/.exec(json) : null;
    const unit = rateUnits.find((one) => one === parts?.[2]);
    return parts === null || unit === undefined
      ? mustBe('a rate like 10/second', json, 'Write a number up to 9999, / and second, minute, hour or day.')
      : ok({ count: Number(parts[1]), unit });
  },
  { type: 'string', pattern: '^[1-9][0-9]{0,3}/(second|minute|hour|day)$' },
);

const makers: { readonly [Kind in Shape['kind']]: (shape: Of<Kind>) => z.ZodType } = {
  flag: () => flag,
  number: ({ least, most }) => wholeNumber('a number', least, most),
  word,
  duration,
  text: matched,
  pattern: () => pattern,
  interfaces: () => interfaces,
  address,
  ports: () => ports,
  portRange: () => portRange,
  rate: () => rate,
};

function schemaOf<Kind extends Shape['kind']>(shape: Of<Kind> & { readonly kind: Kind }): z.ZodType {
  const make: (one: Of<Kind>) => z.ZodType = makers[shape.kind];
  return make(shape);
}

const rows: readonly (readonly [string, Row<unknown>])[] = Object.entries(felixFields);

/** Each field alone, for the environment and the command line. */
const fieldSchemas = {
  ...Object.fromEntries(
    rows.map(([name, { shape, what, extension }]) => [
      name,
      maybe(schemaOf(shape).describe(extension === true ? `${what} An extension of Tortie.` : what)),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(refusedFelixFields).map(([name, { why, harmless }]) => [
      name,
      unsupported(why, ...harmless),
    ]),
  ),
};

const spec = strict({
  nodeSelector: maybe(
    selectorOrAbsent.describe(
      'The nodes it is for, by their labels; of objects that are named neither default nor node.NAME.',
    ),
  ),
  ...fieldSchemas,
});

const named: Rule = {
  rule: "self.metadata.name == 'default' || (self.metadata.name.startsWith('node.') && self.metadata.name.size() > 5) || (has(self.spec) && has(self.spec.nodeSelector) && self.spec.nodeSelector != '')",
  message:
    'name it default, for all nodes, or node.NAME, for the node NAME, or say in nodeSelector which nodes it is for',
};
const unselected: Rule = {
  rule: "!(self.metadata.name == 'default' || self.metadata.name.startsWith('node.')) || !has(self.spec) || !has(self.spec.nodeSelector) || self.spec.nodeSelector == ''",
  message: 'default and node.NAME cannot have a nodeSelector: the name says which nodes they are for',
};

export const felixConfigurationSchema = withRules(manifest(maybe(spec)), [named, unselected]);

export function readFelixConfiguration(
  meta: Meta,
  json: unknown,
): Result<FelixConfiguration, readonly Flaw[]> {
  const parsed = read(felixConfigurationSchema, json);
  if (!parsed.ok) return parsed;
  const { nodeSelector, ...fields } = parsed.value.spec ?? {};
  const scope = scopeOf(meta.name, nodeSelector);
  if (!scope.ok) return err([scopeFlaws[scope.error]]);
  return ok({
    kind: 'FelixConfiguration',
    meta,
    ...(nodeSelector === undefined ? {} : { nodeSelector }),
    given: givenOf(fields),
  });
}

const scopeFlaws: Readonly<Record<'superfluous' | 'missing', Flaw>> = {
  superfluous: {
    path: ['spec', 'nodeSelector'],
    what: 'cannot stand in an object whose name says which nodes it is for.',
    fix: 'Remove it, or give the object another name than default and node.NAME.',
  },
  missing: {
    path: ['metadata', 'name'],
    what: 'does not say which nodes the object is for, and there is no spec.nodeSelector.',
    fix: 'Name it default, for every node, or node.NAME, for the node NAME, or add a nodeSelector.',
  },
};

/** The schema of each field made its value what `FelixSettings` says. */
const givenOf = (fields: Readonly<Record<string, unknown>>): Partial<FelixSettings> =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => Object.hasOwn(felixFields, name)));

const loose = strict(fieldSchemas);

/** Fields on their own, from wherever they come. */
export function readFelixFields(json: unknown): Result<Partial<FelixSettings>, readonly Flaw[]> {
  const parsed = read(loose, json);
  return parsed.ok ? ok(givenOf(parsed.value)) : parsed;
}
