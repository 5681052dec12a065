/** A table of the size of a full node: policy chains, endpoints that jump to some of them, many sets and one large one. */
import {
  type Chain,
  type Element,
  elementKey,
  type NamedSet,
  type Rule,
  type Ruleset,
  type SetDecl,
} from '../../felix/rules/model.ts';
import { ipv4 } from '../../src/lib/net.ts';

export interface Counts {
  readonly policies: number;
  /** Of each policy. */
  readonly rules: number;
  readonly endpoints: number;
  /** Of each endpoint. */
  readonly jumps: number;
  readonly sets: number;
  /** Of each set. */
  readonly members: number;
  /** Of the large one. */
  readonly large: number;
}

const times = <T>(count: number, make: (index: number) => T): readonly T[] =>
  Array.from({ length: count }, (_, index) => make(index));

export const addressAt = (index: number): Element => ({
  kind: 'address',
  address: ipv4(0x0a00_0000 + index),
});

const setOf = (decl: SetDecl, elements: readonly Element[]): NamedSet => ({
  decl,
  elements: new Map(elements.map((one) => [elementKey(one), one])),
});

/** @param protocol  of all its rules: another one makes another ruleset of the same names */
export const policyChain = ({ rules, sets }: Counts, policy: number, protocol = 6): Chain => ({
  name: `policy-${policy}`,
  rules: times(rules, (index): Rule => {
    const port = 80 + index;
    return {
      matches: [
        { kind: 'addressSet', side: 'source', version: 4, set: `s${(policy * rules + index) % sets}` },
        { kind: 'ports', side: 'destination', protocol, ranges: [{ first: port, last: port }] },
      ],
      counted: true,
      verdict: { kind: 'accept' },
      comment: `NetworkPolicy ns${policy}/allow ingress rule ${index}`,
    };
  }),
});

const endpointChain = ({ jumps, policies }: Counts, index: number): Chain => ({
  name: `endpoint-${index}`,
  rules: [
    ...times(jumps, (jump): Rule => {
      const chain = `policy-${(index * jumps + jump) % policies}`;
      return { matches: [], verdict: { kind: 'jump', chain } };
    }),
    { matches: [], counted: true, verdict: { kind: 'drop' }, comment: 'no policy allows it' },
  ],
});

const forward: Chain = {
  name: 'to-pods',
  base: { hook: 'forward', priority: 1 },
  rules: [
    {
      matches: [{ kind: 'addressSet', side: 'source', version: 4, set: 'large', not: true }],
      verdict: { kind: 'accept' },
    },
    { matches: [], verdict: { kind: 'dispatch', way: 'out', map: 'dispatch' } },
  ],
};

export function largeRuleset(counts: Counts, protocol = 6): Ruleset {
  const chains = [
    ...times(counts.policies, (index) => policyChain(counts, index, protocol)),
    ...times(counts.endpoints, (index) => endpointChain(counts, index)),
    forward,
  ];
  const first = protocol * 1_000_000;
  const sets = [
    ...times(counts.sets, (index) =>
      setOf(
        { name: `s${index}`, kind: 'address', version: 4 },
        times(counts.members, (member) => addressAt(first + index * counts.members + member)),
      ),
    ),
    setOf({ name: 'large', kind: 'address', version: 4 }, times(counts.large, addressAt)),
    setOf(
      { name: 'dispatch', kind: 'dispatch' },
      times(counts.endpoints, (index) => {
        return { kind: 'dispatch', interface: `cali${index}`, chain: `endpoint-${index}` };
      }),
    ),
  ];
  return {
    chains: new Map(chains.map((chain) => [chain.name, chain])),
    sets: new Map(sets.map((set) => [set.decl.name, set])),
  };
}
