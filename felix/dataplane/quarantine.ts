/**
 * What the kernel refused, and what stands in its place: the rest goes on without it, closed rather than open.
 *
 * A chain that is refused becomes one that drops everything, so whoever jumps to it may stay as he is; in a chain of translations
 * a drop would take the host's own connections, and there it is empty. A host endpoint's drops all but failsafe ports, for whoever is
 * to mend it comes in by one of those. A set that is refused is left out, and every chain that looks into it is closed, for a look
 * into a set that lacks members may be a hole (`not`). So is a chain refused even then; but in the place of a host endpoint's stands
 * one of another name, that of its failsafe ports: an interface without a chain would be open.
 * What base chains say has no such place: if one of them, or what it looks into, is refused, everything is.
 *
 * Owns nothing of the kernel: a decider.
 */
import type { NftObject } from '../../src/kernel/netlink/nft/batch.ts';
import type { Refused } from '../../src/kernel/nft-batch.ts';
import type { Problem } from '../../src/model/problem.ts';
import { isFailsafe } from '../rules/failsafe.ts';
import type { Chain, Element, NamedSet, Rule, Ruleset } from '../rules/model.ts';
import { refusedEnd } from '../rules/refused.ts';
import type { RulesSettings } from '../rules/settings.ts';
import { isHostChain } from '../rules/stage.ts';

interface Case {
  readonly object: NftObject;
  readonly why: string;
}

const keyOf = ({ kind, name }: NftObject): string => `${kind} ${name}`;

export class Quarantine {
  readonly #cases = new Map<string, Case>();
  readonly #closed = new Set<string>();
  readonly #absent = new Set<string>();
  /** What was to go. Should the ruleset want it again, it is as welcome as any. */
  readonly #kept = new Set<string>();

  get isEmpty(): boolean {
    return this.#cases.size === 0;
  }

  clear(): void {
    this.#cases.clear();
    this.#closed.clear();
    this.#absent.clear();
    this.#kept.clear();
  }

  /** All or none of them. True if that changes what `substitute` gives: it is worth another try. */
  add(refused: readonly Refused[], ruleset: Ruleset): boolean {
    const objects = refused.flatMap(({ object }) => object ?? []);
    if (objects.length < refused.length || !objects.every((one) => this.#hasPlace(one, ruleset)))
      return false;
    const seen = new Set<string>();
    for (const { object, errno, words } of refused) {
      if (object === undefined || seen.has(keyOf(object))) continue;
      seen.add(keyOf(object)); // one chain may have many bad rules
      this.#put(object, words === '' ? errno : `${errno} (${words})`);
    }
    return objects.length > 0;
  }

  #hasPlace({ kind, name, removed }: NftObject, ruleset: Ruleset): boolean {
    if (removed === true) return kind !== 'table' && !this.#kept.has(name);
    const isStandIn = kind === 'chain' && !ruleset.chains.has(name);
    return kind !== 'table' && !isStandIn && !this.#absent.has(name) && !isOfBase(ruleset, name);
  }

  /** A chain is closed first, and left out if it is refused even so. */
  #put(object: NftObject, why: string): void {
    const { kind, name, removed } = object;
    this.#cases.set(keyOf(object), { object, why });
    if (removed === true) this.#kept.add(name);
    else if (kind === 'chain' && !this.#closed.has(name)) this.#closed.add(name);
    else this.#absent.add(name);
  }

  /** Of what is not there by the ruleset and was refused to go. */
  readonly isKept = (name: string): boolean => this.#kept.has(name) || this.#absent.has(name);

  /**
   * The ruleset with what stands in the place of what was refused, and of `more` chains.
   * @param denied  where what is dropped there is reported
   */
  substitute(ruleset: Ruleset, more: readonly string[] = [], denied?: RulesSettings['denied']): Ruleset {
    if (this.isEmpty && more.length === 0) return ruleset;
    const closed = new Set([...this.#closed, ...more]);
    const translating = chainsUnder(ruleset, 'nat');
    const instead = this.#instead(ruleset);
    const chains = new Map([...instead.values()].map((chain) => [chain.name, chain]));
    for (const original of ruleset.chains.values()) {
      if (this.#absent.has(original.name)) continue;
      const chain = redirected(original, instead);
      const isHit = chain.base === undefined && (closed.has(chain.name) || this.#lacks(chain));
      chains.set(chain.name, isHit ? this.#closedOf(chain, translating, denied) : chain);
    }
    const sets = new Map<string, NamedSet>();
    for (const [name, set] of ruleset.sets)
      if (!this.#absent.has(name)) sets.set(name, this.#known(set, instead));
    return { chains, sets };
  }

  #closedOf(chain: Chain, translating: ReadonlySet<string>, denied: RulesSettings['denied']): Chain {
    const { name } = chain;
    const goesOn = translating.has(name) || isFailsafe(name);
    return { name, rules: goesOn ? [] : [...this.#failsafeOf(chain), ...refusedEnd(name, denied)] };
  }

  /** What stands in the place of host endpoints' chains that cannot be there at all, by their names. */
  #instead({ chains }: Ruleset): ReadonlyMap<string, Chain> {
    const gone = [...this.#absent].filter(isHostChain).flatMap((name) => chains.get(name) ?? []);
    return new Map(
      gone.map((chain) => {
        const kept = this.#failsafeOf(chain);
        const name = ['closed', ...kept.map(({ verdict }) => chainOf(verdict))].join('-');
        return [chain.name, { name, rules: [...kept, ...refusedEnd(name, undefined)] }];
      }),
    );
  }

  /** Of a host endpoint's chain: what lets failsafe ports through. */
  #failsafeOf({ name, rules }: Chain): readonly Rule[] {
    if (!isHostChain(name)) return [];
    return rules.filter(({ verdict }) => {
      const to = chainOf(verdict);
      return to !== undefined && isFailsafe(to) && !this.#absent.has(to);
    });
  }

  #lacks(chain: Chain): boolean {
    return chain.rules.some((rule) => referencesOf(rule).some((name) => this.#absent.has(name)));
  }

  /** A pod's interface whose chain is not there is unknown: what comes from it is dropped. A host's leads to what stands instead. */
  #known(set: NamedSet, instead: ReadonlyMap<string, Chain>): NamedSet {
    if (set.decl.kind !== 'dispatch') return set;
    const elements = [...set.elements].flatMap(([key, element]): readonly (readonly [string, Element])[] => {
      if (element.kind !== 'dispatch' || !this.#absent.has(element.chain)) return [[key, element]];
      const chain = instead.get(element.chain)?.name;
      return chain === undefined ? [] : [[key, { ...element, chain }]];
    });
    return { ...set, elements: new Map(elements) };
  }

  problems(ruleset: Ruleset): readonly Problem[] {
    return [...this.#cases.values()].map(({ object, why }) => {
      const whose = ownerOf(ruleset, object);
      return {
        where: `nftables ${object.kind} ${object.name}${whose === undefined ? '' : ` (${whose})`}`,
        what: `The kernel refuses to ${object.removed === true ? 'remove' : 'take'} it: ${why}.`,
        fix:
          object.removed === true
            ? 'It stays, and is tried again; look who refers to it with "nft list table inet tortie".'
            : 'What refers to it is closed meanwhile and it is tried again; check that the kernel has the nf_tables modules, or change the policy.',
      };
    });
  }
}

/** A base chain, or a set that one looks into. */
function isOfBase({ chains }: Ruleset, name: string): boolean {
  const bases = [...chains.values()].filter(({ base }) => base !== undefined);
  return bases.some((chain) => chain.name === name || chain.rules.some((rule) => looksInto(rule, name)));
}

const looksInto = (rule: Rule, name: string): boolean => setsOf(rule).includes(name);

const chainOf = (verdict: Rule['verdict']): string | undefined =>
  verdict?.kind === 'jump' ? verdict.chain : undefined;

/** Jumps to another chain where that is to stand for theirs. */
function redirected(chain: Chain, instead: ReadonlyMap<string, Chain>): Chain {
  if (instead.size === 0) return chain;
  const rules = chain.rules.map((rule): Rule => {
    const other = instead.get(chainOf(rule.verdict) ?? '')?.name;
    return other === undefined ? rule : { ...rule, verdict: { kind: 'jump', chain: other } };
  });
  return { ...chain, rules };
}

/** Names of chains and sets a rule refers to. */
const referencesOf = (rule: Rule): readonly string[] => [...setsOf(rule), ...chainsOf(rule)];

const setsOf = ({ matches, verdict }: Rule): readonly string[] => [
  ...matches.flatMap((match) => ('set' in match ? [match.set] : [])),
  ...(verdict !== undefined && 'map' in verdict ? [verdict.map] : []),
];

function chainsOf({ verdict }: Rule): readonly string[] {
  if (verdict?.kind === 'portJump') return verdict.ports.map(({ chain }) => chain);
  return verdict?.kind === 'jump' ? [verdict.chain] : [];
}

/** Chains that packets reach from base chains of this type. */
function chainsUnder({ chains, sets }: Ruleset, type: 'nat'): ReadonlySet<string> {
  const reached = new Set<string>();
  const visit = (chain: Chain | undefined): void => {
    if (chain === undefined || reached.has(chain.name)) return;
    reached.add(chain.name);
    for (const name of chain.rules.flatMap(referencesOf)) {
      visit(chains.get(name));
      for (const element of sets.get(name)?.elements.values() ?? [])
        if (element.kind === 'dispatch') visit(chains.get(element.chain));
    }
  };
  for (const chain of chains.values()) if (chain.base?.type === type) visit(chain);
  return reached;
}

/** "NetworkPolicy shop/web", of the comments of a chain's rules, or the comment of a set. */
function ownerOf({ chains, sets }: Ruleset, { kind, name }: NftObject): string | undefined {
  if (kind === 'set') return sets.get(name)?.decl.comment;
  return chains.get(name)?.rules.find(({ comment }) => comment !== undefined)?.comment;
}
