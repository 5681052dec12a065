/**
 * Policies and profiles in use, compiled: each once in each direction, for as long as an endpoint asks it.
 */
import type { Direction } from '../../src/model/policy.ts';
import { formatSelector, type Selector } from '../../src/model/selector.ts';
import { sameDoors } from '../rules/doors.ts';
import { type CompiledPolicy, compilePolicy, type RuleSource } from '../rules/policy.ts';
import type { RulesSettings } from '../rules/settings.ts';
import { KeyedSets } from './keyed-sets.ts';
import type { Wish } from './matching.ts';
import type { Members } from './members.ts';
import type { Output } from './output.ts';
import type { Register } from './register.ts';

/** Who asks for a policy that is to be in the kernel even where it selects nobody. */
const everyNode = '*';

export interface Use {
  readonly key: string;
  readonly direction: Direction;
  source: RuleSource;
  compiled: CompiledPolicy;
  /** Selectors of which it matters whether there are networks, and what the answer was. */
  answers: ReadonlyMap<Wish, boolean>;
}

interface UsesOptions {
  readonly members: Members;
  readonly output: Output;
  readonly register: Register;
}

export class Uses {
  readonly #options: UsesOptions;
  readonly #uses = new Map<string, Use>();
  /** Use → chains of the endpoints that ask it. */
  readonly #users = new KeyedSets<Use, string>();
  readonly #readers = new KeyedSets<Wish, Use>();
  /** May have lost their last user. */
  readonly #loose = new Set<Use>();
  settings: RulesSettings;

  constructor(options: UsesOptions, settings: RulesSettings) {
    this.#options = options;
    this.settings = settings;
  }

  get size(): number {
    return this.#uses.size + this.#users.size + this.#readers.size;
  }

  all(): Iterable<Use> {
    return this.#uses.values();
  }

  find(id: string, direction: Direction): Use | undefined {
    return this.#uses.get(`${direction} ${id}`);
  }

  /** Compiled now if nobody asked for it before. It is gone at the end of the tick unless `hold` says who uses it. */
  use(source: RuleSource, direction: Direction): Use {
    const key = `${direction} ${source.id}`;
    const known = this.#uses.get(key);
    if (known !== undefined) return known;
    const { compiled, answers } = this.#compile(source, direction, new Map());
    const use: Use = { key, direction, source, compiled, answers };
    this.#uses.set(key, use);
    this.#loose.add(use);
    this.#publish(use, undefined, source);
    return use;
  }

  hold(use: Use, user: string): void {
    this.#users.add(use, user);
  }

  release(use: Use, user: string): void {
    if (this.#users.delete(use, user) && !this.#users.has(use)) this.#loose.add(use);
  }

  holdEverywhere(source: RuleSource, direction: Direction): void {
    this.hold(this.use(source, direction), everyNode);
  }

  releaseEverywhere(id: string, direction: Direction): void {
    const use = this.find(id, direction);
    if (use !== undefined) this.release(use, everyNode);
  }

  /** Compiles anew. @returns  the chains of endpoints that this changes */
  renew(use: Use, source: RuleSource = use.source): readonly string[] {
    const before = use.compiled;
    const { compiled, answers } = this.#compile(source, use.direction, use.answers);
    const sourceBefore = use.source;
    use.source = source;
    use.compiled = compiled;
    use.answers = answers;
    this.#publish(use, before, sourceBefore);
    const isCopied = before.passes || compiled.passes || this.settings.deny === 'Reject';
    if (!isCopied && before.chain.name === compiled.chain.name && sameDoors(before, compiled)) return [];
    return [...this.#users.get(use)].filter((user) => user !== everyNode);
  }

  /** Those for which the answer to "are there networks of it" changed. */
  answeredAnew(wishes: Iterable<Wish>): ReadonlySet<Use> {
    const uses = new Set<Use>();
    for (const wish of wishes) {
      const is = this.#options.members.networks.isMet(wish);
      for (const use of this.#readers.get(wish)) if (use.answers.get(wish) !== is) uses.add(use);
    }
    return uses;
  }

  /** Forgets those that nobody asks any more. */
  sweep(): void {
    const { members, output, register } = this.#options;
    for (const use of this.#loose) {
      if (this.#users.has(use)) continue;
      const { key, compiled, answers } = use;
      members.askFor(key, compiled.sets, []);
      register.replace(key, compiled.tags, []);
      if (standsAlone(use.source, compiled)) output.removeChain(compiled.chain.name);
      for (const wish of answers.keys()) this.#unread(wish, use);
      this.#uses.delete(key);
    }
    this.#loose.clear();
  }

  #unread(wish: Wish, use: Use): void {
    this.#readers.delete(wish, use);
    this.#options.members.networks.drop(wish);
  }

  #compile(
    source: RuleSource,
    direction: Direction,
    before: ReadonlyMap<Wish, boolean>,
  ): Pick<Use, 'compiled' | 'answers'> {
    const { networks } = this.#options.members;
    const asked = new Map<string, Wish>();
    const hasNetworks = (selector: Selector): boolean => {
      const text = formatSelector(selector);
      const wish = asked.get(text) ?? networks.want(selector);
      asked.set(text, wish);
      return networks.isMet(wish);
    };
    const compiled = compilePolicy(source, direction, hasNetworks, this.settings);
    const answers = new Map([...asked.values()].map((wish) => [wish, networks.isMet(wish)]));
    const use = this.#uses.get(`${direction} ${source.id}`);
    for (const wish of before.keys()) {
      if (use !== undefined && !answers.has(wish)) this.#readers.delete(wish, use);
      networks.drop(wish);
    }
    return { compiled, answers };
  }

  #publish(use: Use, before: CompiledPolicy | undefined, sourceBefore: RuleSource): void {
    const { members, output, register } = this.#options;
    const { key, compiled } = use;
    members.askFor(key, before?.sets ?? [], compiled.sets);
    register.replace(key, before?.tags ?? [], compiled.tags);
    register.noteOrigins(compiled.origins);
    for (const wish of use.answers.keys()) this.#readers.add(wish, use);
    const had = before !== undefined && standsAlone(sourceBefore, before) ? before.chain.name : undefined;
    const has = standsAlone(use.source, compiled) ? compiled.chain.name : undefined;
    if (has !== undefined) output.putChain(compiled.chain);
    if (had !== undefined && had !== has) output.removeChain(had);
  }
}

/** It has a chain that others jump to, and is not only copied into theirs. */
const standsAlone = ({ kind }: RuleSource, { passes }: CompiledPolicy): boolean =>
  !passes || kind === 'Profile';
