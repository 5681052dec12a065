/** The BGP cases of other projects: where they are, their shape, and which of them differ from us on purpose. */
import { existsSync, readFileSync } from 'node:fs';
import type { CodecContext, Family } from '../../bgp/wire/message.ts';
import { context } from '../support/wire.ts';

const root = new URL('../../', import.meta.url);
export const directory = new URL('../shared/conformance/bgp/', root);

export interface Vector {
  readonly id: string;
  readonly type: string;
  readonly hexMessage: string;
  readonly attrType?: number;
  readonly prefix?: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly expected: {
    readonly outcome: string;
    readonly notification?: { readonly code: string; readonly subcode: string };
    readonly json?: ExaUpdate;
    readonly exabgp?: ExaUpdate;
  };
}

/** ExaBGP's JSON, numbers kept as text: some do not fit a double. */
interface ExaUpdate {
  readonly update?: ExaBody;
  readonly neighbor?: { readonly message: { readonly update?: ExaBody } };
}
export interface ExaBody {
  readonly attribute?: Readonly<Record<string, unknown>>;
  readonly announce?: Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>>;
  readonly withdraw?: Readonly<Record<string, readonly unknown[]>>;
}

export const casesArePresent = existsSync(directory);

/** Numbers come as their source text, so that none is rounded. */
export function vectorsOf(file: string): readonly Vector[] {
  if (!casesArePresent) return [];
  const text = readFileSync(new URL(file, directory), 'utf8');
  const keepText = (_key: string, value: unknown, at: { source?: string }): unknown =>
    typeof value === 'number' ? at.source : value;
  return (JSON.parse(text, keepText as (key: string, value: unknown) => unknown) as { vectors: Vector[] })
    .vectors;
}

const firstOf = (value: unknown): string => String(Array.isArray(value) ? value[0] : value);

/** eBGP between members of one organisation (a draft) is eBGP to us. What a case leaves open, it has not agreed on. */
export function contextOf({ options }: Vector): CodecContext {
  const sameAs =
    firstOf(options['local-as'] ?? options['localAs']) === firstOf(options['peer-as'] ?? options['peerAs']);
  const ibgp = options['peerType'] === undefined ? sameAs : options['peerType'] === 'ibgp';
  const { families } = context();
  const addPath = options['addPath'] === true ? families : new Set<Family>();
  return context({
    fourOctetAs: options['asn4'] === true,
    peerType: ibgp ? 'ibgp' : 'ebgp',
    addPathReceive: addPath,
    addPathSend: addPath,
    extendedNextHop: options['extendedNextHop'] === true ? families : new Set(),
  });
}

/** The patterns of docs/RFC-DIFFERENCES.md, `*` standing for any text. */
export function documentedDifferences(): readonly string[] {
  const text = readFileSync(new URL('docs/RFC-DIFFERENCES.md', root), 'utf8');
  return [...text.matchAll(/^\| `([^`]+)` \|/gm)].map((row) => row[1] ?? '');
}

export const matchesPattern = (pattern: string, id: string): boolean => {
  const [head = '', ...rest] = pattern.split('*');
  return rest.length === 0 ? id === head : id.startsWith(head) && id.endsWith(rest.at(-1) ?? '');
};
