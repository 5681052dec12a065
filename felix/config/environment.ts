/**
 * Fields of FelixConfiguration from outside the cluster: FELIX_NAME in the environment, as Calico has them, and `--set
 * NAME=VALUE` on the command line. Names in any case; texts as in Calico's own environment (durations there are seconds,
 * lists have commas).
 */

import type { FelixOverride } from '../../src/model/felix-configuration.ts';
import { felixFields, type Shape } from '../../src/model/felix-fields.ts';
import { refusedFelixFields } from '../../src/model/felix-refused.ts';
import type { Problem } from '../../src/model/problem.ts';
import { readFelixFields } from '../../src/store/schema/felix-configuration.ts';
import { formatPath } from '../../src/store/schema/flaw.ts';

export interface Overrides {
  readonly override: FelixOverride;
  readonly problems: readonly Problem[];
}

const prefix = 'FELIX_';

const names: ReadonlyMap<string, string> = new Map(
  [...Object.keys(felixFields), ...Object.keys(refusedFelixFields)].map((name) => [name.toLowerCase(), name]),
);

/** Names with "_" are not Felix's: a Service called felix puts FELIX_SERVICE_HOST into every pod. */
export const fromEnvironment = (environment: Readonly<Record<string, string | undefined>>): Overrides =>
  overridesOf(
    'environment',
    Object.entries(environment).flatMap(([name, value]) =>
      name.startsWith(prefix) &&
      !name.slice(prefix.length).includes('_') &&
      value !== undefined &&
      value !== ''
        ? [{ where: name, name: name.slice(prefix.length), text: value }]
        : [],
    ),
  );

/** @param settings  each "name=value" */
export const fromCommandLine = (settings: readonly string[]): Overrides =>
  overridesOf(
    'command line',
    settings.map((setting) => {
      const at = setting.indexOf('=');
      const name = at < 0 ? setting : setting.slice(0, at);
      return { where: `--set ${name}`, name, text: at < 0 ? '' : setting.slice(at + 1) };
    }),
  );

interface Said {
  readonly where: string;
  readonly name: string;
  readonly text: string;
}

function overridesOf(from: string, said: readonly Said[]): Overrides {
  const problems: Problem[] = [];
  const given: Record<string, unknown> = {};
  for (const { where, name, text } of said) {
    const field = names.get(name.toLowerCase());
    if (field === undefined) {
      const fix = 'Remove it, or look at docs/FELIX-CONFIGURATION.md for what there is.';
      problems.push({ where, what: 'is no field of FelixConfiguration.', fix });
      continue;
    }
    const read = readFelixFields({ [field]: jsonOf(field, text) });
    if (read.ok) Object.assign(given, read.value);
    else
      problems.push(
        ...read.error.map(({ path, what, fix }) => ({ where: `${where} (${formatPath(path)})`, what, fix })),
      );
  }
  return { override: { from, given }, problems };
}

const isRefused = (field: string): boolean => Object.hasOwn(refusedFelixFields, field);
const shapeOf = (field: string): Shape | undefined =>
  Object.entries(felixFields).find(([name]) => name === field)?.[1].shape;

/** What the text would be in a manifest. */
function jsonOf(field: string, text: string): unknown {
  if (isRefused(field)) return plain(text);
  const kind = shapeOf(field)?.kind;
  return kind === undefined ? text : forms[kind](text);
}

/** Of a refused field only harmless values are taken, whatever their form. */
function plain(text: string): unknown {
  const bool = flagOf(text);
  if (typeof bool === 'boolean') return bool;
  return /^-?\d+$/.test(text) ? Number(text) : text;
}

function flagOf(text: string): unknown {
  if (/^(true|yes|y|t|1)$/i.test(text)) return true;
  return /^(false|no|n|f|0)$/i.test(text) ? false : text;
}

const numberOf = (text: string): unknown => (/^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : text);
const asIs = (text: string): unknown => text;

const forms: Readonly<Record<Shape['kind'], (text: string) => unknown>> = {
  flag: flagOf,
  number: numberOf,
  word: asIs,
  duration: (text) => (/^\d+(\.\d+)?$/.test(text) ? `${text}s` : text),
  text: asIs,
  pattern: asIs,
  interfaces: asIs,
  address: asIs,
  portRange: asIs,
  rate: asIs,
  ports: (text) => (text.toLowerCase() === 'none' ? [] : text.split(',').map(portOf)),
};

/** "tcp:22", "udp:10.0.0.0/8:53" and plain "22". */
function portOf(text: string): unknown {
  const parts = /^\s*(?:(tcp|udp|sctp):)?(?:(.+):)?(\d+)\s*$/i.exec(text);
  if (parts === null) return { port: text.trim() };
  const [, protocol = 'tcp', net, port] = parts;
  return { protocol, port: Number(port), ...(net === undefined ? {} : { net: net.replace(/^\[|\]$/g, '') }) };
}
