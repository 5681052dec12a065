/** A resolved FelixConfiguration as people read it: values as manifests have them, each with where it came from. */
import { type Address, formatAddress, formatPrefix } from '../lib/net.ts';
import {
  type FelixFieldName,
  type FelixSettings,
  fieldNames,
  type ResolvedFelix,
} from './felix-configuration.ts';
import { felixFields, type ProtoPort, type Rate, type Shape } from './felix-fields.ts';
import type { PortRange } from './policy.ts';

export type ShownValue = string | number | boolean | readonly ShownPort[] | null;

export interface ShownPort {
  readonly protocol: string;
  readonly port: number;
  readonly net?: string;
}

export interface ShownField {
  readonly field: FelixFieldName;
  /** null: none. */
  readonly value: ShownValue;
  /** "built in", "FelixConfiguration/NAME", "environment" or "command line". */
  readonly from: string;
}

export interface ShownFelix {
  readonly node: string;
  readonly fields: readonly ShownField[];
}

export const shownFelix = (node: string, { settings, origin }: ResolvedFelix): ShownFelix => ({
  node,
  fields: fieldNames.map((field) => ({ field, value: shownValue(field, settings), from: origin[field] })),
});

const unitMs = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;

/** As Go prints it, but for parts that are 0: 90000 is "1m30s". */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  const parts: string[] = [];
  let rest = ms;
  for (const [unit, size] of Object.entries(unitMs)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count}${unit}`);
  }
  return parts.join('');
}

const protocolNames: Readonly<Record<number, string>> = { 6: 'TCP', 17: 'UDP', 132: 'SCTP' };

interface Forms {
  readonly flag: boolean;
  readonly number: number;
  readonly word: string;
  readonly duration: number;
  readonly text: string;
  readonly pattern: string;
  readonly interfaces: readonly string[];
  readonly address: Address;
  readonly ports: readonly ProtoPort[];
  readonly portRange: PortRange;
  readonly rate: Rate;
}

const forms: { readonly [Kind in Shape['kind']]: (value: Forms[Kind]) => ShownValue } = {
  flag: (value) => value,
  number: (value) => value,
  word: (value) => value,
  text: (value) => value,
  pattern: (value) => value,
  duration: formatDuration,
  interfaces: (value) => value.join(','),
  address: formatAddress,
  portRange: ({ first, last }) => `${first}:${last}`,
  rate: ({ count, unit }) => `${count}/${unit}`,
  ports: (value) =>
    value.map(({ protocol, port, net }) => ({
      ...{ protocol: protocolNames[protocol] ?? String(protocol), port },
      ...(net === undefined ? {} : { net: formatPrefix(net) }),
    })),
};

/** The schema of the field made its value what its shape says. */
export function shownValue(field: FelixFieldName, settings: Partial<FelixSettings>): ShownValue {
  const value = settings[field];
  if (value === undefined) return null;
  const form = forms[felixFields[field].shape.kind] as (value: unknown) => ShownValue;
  return form(value);
}

/** One line for a table. */
export const shownText = (value: ShownValue): string => {
  if (value === null) return '-';
  if (typeof value !== 'object') return value === '' ? '""' : String(value);
  if (value.length === 0) return 'none';
  return value
    .map(({ protocol, port, net }) =>
      [protocol.toLowerCase(), net, port].filter((one) => one !== undefined).join(':'),
    )
    .join(', ');
};
