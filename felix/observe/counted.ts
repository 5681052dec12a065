/**
 * Packets and octets by rule of a policy, for as long as this process lives. Owns the sums.
 *
 * The kernel counts by rule of a chain, and a chain that is rewritten counts from 0 again: so what it counted is read before, and
 * kept. What is read is the difference to the reading before; less than before means that somebody else wrote the chain anew.
 * A rule of a policy may stand in many chains: it is one sum.
 */
import type { Clock } from '../../src/host/clock.ts';
import type { IpVersion } from '../../src/lib/net.ts';
import type { Action, Direction } from '../../src/model/policy.ts';
import type { RuleCounter } from '../dataplane/counters.ts';
import type { Chain, Rule, Ruleset, RulesetChange } from '../rules/model.ts';
import type { TagMeaning } from '../rules/tag.ts';
import { xtChainName } from '../rules/xtables/name.ts';

/** By chain, in the order of their rules; of these chains, or of all. */
export type ReadCounters = (chain?: string) => Promise<ReadonlyMap<string, readonly RuleCounter[]>>;

export interface CountedOptions {
  /** Undefined: not by chains of the model, so nothing can be read before a chain is rewritten. */
  readonly read: () => ReadCounters | undefined;
  /** Of iptables: by whatever chain, told apart by comments. */
  readonly readByComment: () => Promise<ReadonlyMap<string, readonly RuleCounter[]>>;
  readonly ruleset: () => Ruleset;
  readonly originOf: (rule: Rule) => TagMeaning | undefined;
  readonly clock: Pick<Clock, 'now'>;
}

/** Of a rule of a policy, of the end of a tier (`policy` is absent), or of the frame (`tier` is absent too: see `what`). */
export interface RuleSum {
  readonly direction?: Direction;
  readonly action: Action;
  readonly tier?: string;
  readonly policy?: string;
  readonly rule?: number;
  /** Of what is no policy's: the comment. */
  readonly what?: string;
  packets: number;
  bytes: number;
}

interface Kept extends RuleSum {
  seenAt: number;
}

/** More than so many chains are read all at once. */
const oneByOne = 32;
/** A scrape gets no newer numbers than this, nor than so many times as long as it takes to read them: 25,000 rules take a second. */
const freshMs = 2_000;
const freshFactor = 10;
/** Of a rule that is gone, so that the last of it is scraped. */
const keptMs = 600_000;
const none: readonly number[] = [];

export class Counted {
  readonly #options: CountedOptions;
  /** The chains as the kernel has them. */
  #chains = new Map<string, Chain>();
  /** Chain → packets and octets of its counted rules, in turn. */
  readonly #last = new Map<string, readonly number[]>();
  /** The same of chains of iptables. */
  #lastCommented = new Map<string, readonly number[]>();
  readonly #sums = new Map<string, Kept>();
  #readAgainAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(options: CountedOptions) {
    this.#options = options;
  }

  /** These chains are about to be rewritten. What cannot be read is lost, and policy does not wait for it. */
  async before({ chains, removedChains }: RulesetChange): Promise<void> {
    const read = this.#options.read();
    const names = [...chains.map(({ name }) => name), ...removedChains].filter((name) => this.#counts(name));
    if (read === undefined || names.length === 0) return;
    try {
      if (names.length > oneByOne) this.#take(await read());
      else for (const name of names) this.#take(await read(name));
    } catch {
      // the sums go on without what these chains counted since the last reading
    }
  }

  /** The kernel has them. @param change  undefined: it was compared as a whole */
  after(change: RulesetChange | undefined): void {
    if (change === undefined) {
      this.#chains = new Map(this.#options.ruleset().chains);
      for (const name of this.#last.keys()) if (!this.#chains.has(name)) this.#last.delete(name);
      return;
    }
    for (const chain of change.chains) {
      this.#chains.set(chain.name, chain);
      this.#last.delete(chain.name);
      for (const isOuter of [true, false])
        for (const version of [4, 6] as const)
          this.#lastCommented.delete(xtKey(xtChainName(chain.name, isOuter), version));
    }
    for (const name of change.removedChains) {
      this.#chains.delete(name);
      this.#last.delete(name);
    }
  }

  /** Those that ever counted anything. Reads the kernel at most every few seconds; what cannot be read stays as it was. */
  async sums(): Promise<readonly RuleSum[]> {
    if (this.#options.clock.now() >= this.#readAgainAt) {
      this.#reading ??= this.#readAll().finally(() => {
        this.#reading = undefined;
      });
      await this.#reading;
    }
    return [...this.#sums.values()];
  }

  async #readAll(): Promise<void> {
    const { clock, read, readByComment } = this.#options;
    const byChain = read();
    const begun = clock.now();
    try {
      if (byChain === undefined) this.#takeCommented(await readByComment());
      else this.#take(await byChain());
    } catch {
      return;
    }
    const now = clock.now();
    this.#readAgainAt = now + Math.max(freshMs, (now - begun) * freshFactor);
    for (const [key, sum] of this.#sums) if (now - sum.seenAt > keptMs) this.#sums.delete(key);
  }

  #counts(name: string): boolean {
    return this.#chains.get(name)?.rules.some(({ counted }) => counted === true) === true;
  }

  #take(read: ReadonlyMap<string, readonly RuleCounter[]>): void {
    for (const [name, counters] of read) {
      const rules = this.#chains.get(name)?.rules.filter(({ counted }) => counted === true) ?? [];
      if (!areOf(counters, rules)) continue; // closed for now, or being written: the next reading tells
      const last = this.#last.get(name) ?? none;
      for (const [index, rule] of rules.entries()) {
        const { packets = 0, bytes = 0 } = counters[index] ?? {};
        this.#add(rule, growth(last[index * 2], packets), growth(last[index * 2 + 1], bytes));
      }
      this.#last.set(name, numbersOf(counters));
    }
  }

  /** In iptables a rule of the model is one or more rules of the same comment, in chains of other names. */
  #takeCommented(read: ReadonlyMap<string, readonly RuleCounter[]>): void {
    const byComment = new Map<string, Rule>();
    for (const { rules } of this.#chains.values())
      for (const rule of rules) if (rule.counted === true) byComment.set(rule.comment ?? '', rule);
    const now = new Map<string, readonly number[]>();
    for (const [name, counters] of read) {
      const last = this.#lastCommented.get(name) ?? none;
      for (const [index, { comment = '', packets, bytes }] of counters.entries()) {
        const rule = byComment.get(comment);
        if (rule !== undefined)
          this.#add(rule, growth(last[index * 2], packets), growth(last[index * 2 + 1], bytes));
      }
      now.set(name, numbersOf(counters));
    }
    this.#lastCommented = now;
  }

  #add(rule: Rule, packets: number, bytes: number): void {
    const what = identityOf(rule, this.#options.originOf(rule));
    const key = JSON.stringify(what);
    const known = this.#sums.get(key);
    const seenAt = this.#options.clock.now();
    if (known !== undefined) {
      known.packets += packets;
      known.bytes += bytes;
      known.seenAt = seenAt;
    } else if (packets > 0) this.#sums.set(key, { ...what, packets, bytes, seenAt });
  }
}

/** A chain of iptables is there once in each family. */
export const xtKey = (chain: string, version: IpVersion): string => `${chain} ${version}`;

const growth = (before: number | undefined, now: number): number =>
  before === undefined || now < before ? now : now - before;

const numbersOf = (counters: readonly RuleCounter[]): readonly number[] =>
  counters.flatMap(({ packets, bytes }) => [packets, bytes]);

const areOf = (counters: readonly RuleCounter[], rules: readonly Rule[]): boolean =>
  counters.length === rules.length &&
  counters.every(({ comment }, index) => comment === rules[index]?.comment);

function identityOf(rule: Rule, origin: TagMeaning | undefined): Omit<RuleSum, 'packets' | 'bytes'> {
  if (origin === undefined)
    return { action: rule.verdict?.kind === 'accept' ? 'Allow' : 'Deny', what: rule.comment ?? '' };
  const { direction, action, tier, policy, rule: number } = origin;
  return {
    ...{ direction, action },
    ...(tier === undefined ? {} : { tier }),
    ...(policy === undefined ? {} : { policy }),
    ...(number === undefined ? {} : { rule: number }),
    ...(tier === undefined && policy === undefined ? { what: 'no profile allows it' } : {}),
  };
}
