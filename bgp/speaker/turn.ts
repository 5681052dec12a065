/** The speaker's state, and one turn of it: what a step works on and what it has asked for so far. */
import { ipv4, type Millis } from '../../src/lib/net.ts';
import type { Random } from '../../src/lib/random.ts';
import type { PeerConfig, SpeakerConfig } from '../config.ts';
import type { PrefixGuard } from '../policy/import.ts';
import type { AdjRibIn } from '../rib/adj-rib-in.ts';
import type { LocRib } from '../rib/loc-rib.ts';
import type { Source } from '../rib/path.ts';
import type { Sets } from '../rib/sets.ts';
import type { UpdateGroups } from '../rib/update-group.ts';
import type { BfdState } from '../session/event.ts';
import type { LogLevel, SpeakerEffect } from './event.ts';
import type { Few } from './few.ts';
import type { Neighbour, Session } from './neighbour.ts';
import type { Outcome } from './outcome.ts';
import type { Reach } from './reach.ts';

/**
 * fresh: never configured; waiting: neighbours have not yet told all; settled: they have, or were waited for long
 * enough; stopped: nothing is heard any more.
 */
type Phase = 'fresh' | 'waiting' | 'settled' | 'stopped';

/** Of the neighbours that have not told all, whether any is waited for. */
export type Silence = 'none' | 'unawaited' | 'awaited';

/** A container owned by whoever called `createSpeaker` and changed only by `step`: tables of a million routes do not copy. */
export interface Speaker {
  readonly random: Random;
  readonly locRib: LocRib;
  /** Routes that we originate ourselves. */
  readonly locals: AdjRibIn;
  /** What neighbours were told, by the numbers their Adj-RIBs-Out hold. */
  readonly told: Sets;
  /** Which of them are told the same. */
  readonly groups: UpdateGroups;
  /** What takes more than one turn, however large the tables are. */
  readonly jobs: Set<Job>;
  /** Of the turn that runs; see Turn. */
  readonly due: Few;
  readonly shown: Few;
  /** Rows of a table that the jobs go through in one turn. */
  readonly rowsPerTurn: number;
  /** Absent: nobody tells of next hops, and all are reachable. */
  readonly reach: Reach | undefined;
  /** By `PeerConfig.key`. */
  readonly neighbours: Map<string, Neighbour>;
  /** What BFD said last, by `PeerConfig.key`; kept for a peer that is made anew. */
  readonly bfd: Map<string, BfdState>;
  readonly life: Life;
  readonly outcome: Outcome;
}

export type { OnBest } from './outcome.ts';

/** Work on tables that is done some rows at a time; its outcome does not depend on what happens in between. */
export interface Job {
  readonly isBusy: boolean;
  /** @returns  how many of the `most` rows are left for others */
  work(most: number): number;
}

interface Life {
  phase: Phase;
  /** The wait for neighbours is over. */
  hasWaited: boolean;
  /** `continue` was asked for and has not come. */
  isContinuing: boolean;
  config: SpeakerConfig | undefined;
  /** We know that not all routes are known yet, and so tell nobody that we have told all (RFC 4724 §4.1). */
  isDeferring: boolean;
  /** Compiled from `config`, one for all neighbours. */
  guard: PrefixGuard;
  /** Undefined: neighbours, sessions or what is told to its end are others than when it was asked last. */
  silence: Silence | undefined;
}

export interface Turn {
  readonly speaker: Speaker;
  /** How many changes of the Loc-RIB there had been when it began. */
  readonly changesAt: number;
  readonly now: Millis;
  readonly effects: SpeakerEffect[];
  /** Neighbours whose Adj-RIB-Out may have become due; all of them, if any choice has changed. */
  readonly due: Few;
  isAllDue: boolean;
  /** Neighbours of which something shown has changed. */
  readonly shown: Few;
}

export const localKey = 'local';

/** There is one local path for a prefix at most, and it wins at the first step: none of these numbers is ever compared. */
export const localSource: Source = {
  key: localKey,
  type: 'local',
  bgpId: ipv4(0),
  address: ipv4(0),
  port: 0,
};

/** Replaces parts of a neighbour's record. */
export function amend(turn: Turn, key: string, part: Partial<Neighbour>): void {
  const known = turn.speaker.neighbours.get(key);
  if (known === undefined) return;
  turn.speaker.neighbours.set(key, { ...known, ...part });
  turn.speaker.life.silence = undefined;
}

export function amendSession(turn: Turn, key: string, part: Partial<Session>): void {
  const session = turn.speaker.neighbours.get(key)?.session;
  if (session !== undefined) amend(turn, key, { session: { ...session, ...part } });
}

export function log(turn: Turn, level: LogLevel, message: string, peer?: PeerConfig): void {
  const as = peer === undefined || peer.peerAsn === 0 ? {} : { as: peer.peerAsn };
  const fields = peer === undefined ? {} : { peer: peer.name, address: peer.key, ...as };
  turn.effects.push({ kind: 'log', level, message, fields });
}
