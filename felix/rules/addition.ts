/**
 * What the table holds beside policy: chains and sets of one matter, whole, made anew whenever what they are made of changes.
 *
 * Each is small, and most nodes have few of them; what changed of it is told by comparing.
 */
import { type Address, type IpVersion, isIpv4, type Prefix, versionOf } from '../../src/lib/net.ts';
import type { Chain, Element, SetDecl } from './model.ts';
import { addressOf, merged, spanOf } from './span.ts';

export interface FilledSet {
  readonly decl: SetDecl;
  readonly elements: readonly Element[];
}

export interface Addition {
  readonly chains: readonly Chain[];
  readonly sets: readonly FilledSet[];
}

export const together = (additions: readonly Addition[]): Addition => ({
  chains: additions.flatMap(({ chains }) => chains),
  sets: additions.flatMap(({ sets }) => sets),
});

export const versions: readonly IpVersion[] = [4, 6];

/** "pools-4": one name for each family. */
export const familyName = (name: string, version: IpVersion): string => `${name}-${version}`;

/** One interval set for each family, which hold the prefixes. */
export const prefixSets = (
  name: string,
  comment: string,
  prefixes: readonly Prefix[],
): readonly FilledSet[] =>
  versions.map((version) => ({
    decl: { name: familyName(name, version), kind: 'range', version, comment },
    elements: merged(prefixes.filter((one) => versionOf(one) === version).map(spanOf)).map(
      ({ first, last }): Element => ({
        kind: 'range',
        first: addressOf(version, first),
        last: addressOf(version, last),
      }),
    ),
  }));

/** One set of single addresses for each family. */
export const addressSets = (
  name: string,
  comment: string,
  addresses: readonly Address[],
): readonly FilledSet[] =>
  versions.map((version) => ({
    decl: { name: familyName(name, version), kind: 'address', version, comment },
    elements: [...new Set(addresses)]
      .filter((one) => isIpv4(one) === (version === 4))
      .map((address): Element => ({ kind: 'address', address })),
  }));
