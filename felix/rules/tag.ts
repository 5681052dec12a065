/**
 * The short text by which a packet that a rule reports, by NFLOG, tells which rule that was.
 *
 * "tortie-ID-0123456789abcdef": I or E for the direction, A, D, P or L for the action, and 64 bits of a hash of what makes the
 * rule itself. Rules of the model that come of one rule of a policy share one. 26 characters: iptables takes 29 for a log,
 * 64 for NFLOG.
 */
import { sha256Hex } from '../../src/lib/hash.ts';
import type { DropReason } from '../../src/model/flow.ts';
import type { Action, Direction } from '../../src/model/policy.ts';
import type { Rule } from './model.ts';

/** What a tag stands for. */
export interface TagMeaning {
  readonly tag: string;
  readonly direction: Direction;
  readonly action: Action;
  /** Absent: of no tier (profiles of a host endpoint). */
  readonly tier?: string;
  /** `Policy.id`; absent: the end of the tier. */
  readonly policy?: string;
  /** As `Rule.number`. */
  readonly rule?: number;
  /** Of the end of a tier: the policies that were asked before. */
  readonly asked?: readonly string[];
  /** Of no policy and no tier: why it is dropped whatever they say. */
  readonly dropped?: DropReason;
}

/** By the rule of the model itself. */
export type Origins = ReadonlyMap<Rule, TagMeaning>;

type Identity = Omit<TagMeaning, 'tag'>;

/** @param more  what else tells it from others: at the end of a tier the policies that were asked */
export function tagOf(identity: Identity, more: readonly string[] = []): TagMeaning {
  const { direction, action, tier = '', policy = '', rule = 0 } = identity;
  const hash = sha256Hex(JSON.stringify([direction, action, tier, policy, rule, ...more])).slice(0, 16);
  return { tag: `tortie-${direction.charAt(0)}${action.charAt(0)}-${hash}`, ...identity };
}
