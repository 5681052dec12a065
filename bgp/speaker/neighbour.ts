/**
 * What the speaker holds for one neighbour: its session machine and, while Established, its two RIBs and policies.
 *
 * Records are replaced, never changed; the RIBs inside are changed in place. Owner: the speaker's table of neighbours.
 */
import type { Millis } from '../../src/lib/net.ts';
import type { PeerConfig } from '../config.ts';
import type { ExportRule } from '../policy/export.ts';
import type { ImportRule } from '../policy/import.ts';
import type { AdjRibIn } from '../rib/adj-rib-in.ts';
import type { AdjRibOut } from '../rib/adj-rib-out.ts';
import type { Source } from '../rib/path.ts';
import type { DownReason, Negotiated, Side } from '../session/event.ts';
import type { PeerState } from '../session/transition.ts';
import type { Family } from '../wire/message.ts';

export interface Neighbour {
  readonly config: PeerConfig;
  readonly peer: PeerState;
  /** When the session's state last changed. */
  readonly since: Millis;
  /** Why the session went down or did not come up, last time, in one sentence. */
  readonly lastError: string | undefined;
  /** The same as data; undefined: it never was, or is only `lastError` (PeerConfig.blocked). */
  readonly lastDown: DownReason | undefined;
  /** What it told us, in this session and, as far as it is kept, in earlier ones. */
  readonly adjRibIn: AdjRibIn;
  /** Defined exactly while Established. */
  readonly session: Session | undefined;
  /** Defined while routes of its last session are kept and not all are told again (RFC 4724 §4.2). */
  readonly stale: Stale | undefined;
}

export interface Stale {
  /** By family: when those that are still stale go, or become long-lived. */
  readonly until: ReadonlyMap<Family, Millis>;
  /** Those that outlive the restart time, each for so long, in ms (RFC 9494). */
  readonly longLived: ReadonlyMap<Family, number>;
  /** Of these, the ones that do so by now: their routes carry LLGR_STALE. */
  readonly marked: ReadonlySet<Family>;
  readonly accept: ImportRule;
}

/** One Established session: born and dead with it, so nothing of an earlier one can leak into the next. */
export interface Session {
  readonly side: Side;
  readonly negotiated: Negotiated;
  readonly source: Source;
  readonly adjRibIn: AdjRibIn;
  readonly adjRibOut: AdjRibOut;
  readonly accept: ImportRule;
  readonly export: ExportRule;
  /** Families the neighbour is telling again, from its BoRR to its EoRR (RFC 7313). */
  readonly refreshing: ReadonlySet<Family>;
  /** Of which limits it was said in this session that the neighbour is near or above them. */
  readonly warned: ReadonlySet<string>;
  /** UPDATEs of this session that RFC 7606 had us repair. */
  readonly flawed: number;
}
