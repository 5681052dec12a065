/**
 * Floating IPs: an address outside that leads to one of our pods, and follows it from node to node.
 *
 *   nat prerouting -100  floating-in      what comes for the floating address goes to the pod
 *   nat output     -100  floating-local   the same for what this node sends
 *   nat postrouting 110  floating-hairpin a pod that calls itself by its floating address has it as source, or it would not
 *                                         take its own answer
 */
import { type Address, hostPrefix, type IpVersion, versionOf } from '../../src/lib/net.ts';
import { type Addition, familyName, versions } from './addition.ts';
import type { Chain, Element, Rule } from './model.ts';

export interface FloatingAddress {
  readonly floating: Address;
  /** The pod's own, of the same family. */
  readonly own: Address;
}

const floatingMap = 'floating';

export function floatingAddresses(all: readonly FloatingAddress[]): Addition {
  if (all.length === 0) return { chains: [], sets: [] };
  const families = versions.filter((version) => all.some(({ own }) => versionOf(own) === version));
  const lookUp = (name: string, hook: 'prerouting' | 'output'): Chain => ({
    name,
    base: { hook, priority: -100, type: 'nat' },
    rules: families.map(
      (version): Rule => ({
        matches: [],
        verdict: { kind: 'dnatMap', version, map: familyName(floatingMap, version) },
      }),
    ),
  });
  return {
    chains: [
      lookUp('floating-in', 'prerouting'),
      lookUp('floating-local', 'output'),
      {
        name: 'floating-hairpin',
        base: { hook: 'postrouting', priority: 110, type: 'nat' },
        rules: all.map(hairpin),
      },
    ],
    sets: families.map((version) => ({
      decl: {
        name: familyName(floatingMap, version),
        kind: 'translation',
        version,
        comment: 'floating addresses and the pods they lead to',
      },
      elements: elementsOf(all, version),
    })),
  };
}

const elementsOf = (all: readonly FloatingAddress[], version: IpVersion): readonly Element[] =>
  all
    .filter(({ own }) => versionOf(own) === version)
    .map(({ floating, own }): Element => ({ kind: 'translation', from: floating, to: own }));

const hairpin = ({ floating, own }: FloatingAddress): Rule => ({
  matches: [
    { kind: 'prefix', side: 'source', prefix: hostPrefix(own) },
    { kind: 'prefix', side: 'destination', prefix: hostPrefix(own) },
  ],
  verdict: { kind: 'snat', to: floating },
  comment: 'a pod that calls itself by its floating address',
});
