/**
 * What the speaker holds for one neighbour: its session machine and, while Established, its two RIBs and policies.
 *
 * Records are replaced, never changed; the RIBs inside are changed in place. Owner: the speaker's table of neighbours.
 */
import type { Millis, Prefix } from '../../src/lib/net.ts';
import type { PeerConfig } from '../config.ts';
import type { ExportRule } from '../policy/export.ts';
import type { ImportRule } from '../policy/import.ts';
import type { AdjRibIn } from '../rib/adj-rib-in.ts';
import type { AdjRibOut } from '../rib/adj-rib-out.ts';
import type { Path, Source } from '../rib/path.ts';
import type { DownReason, Negotiated, Side } from '../session/event.ts';
import type { PeerState } from '../session/transition.ts';

export interface Neighbour {
  readonly config: PeerConfig;
  readonly peer: PeerState;
  /** When the session's state last changed. */
  readonly since: Millis;
  /** Why the session went down or did not come up, last time, in one sentence. */
  readonly lastError: string | undefined;
  /** The same as data; undefined: it never was, or is only `lastError` (PeerConfig.blocked). */
  readonly lastDown: DownReason | undefined;
  /** Defined exactly while Established. */
  readonly session: Session | undefined;
  /** Routes of its last session, kept while it restarts; what it tells again leaves here (RFC 4724 §4.2). */
  readonly stale: Stale | undefined;
}

export interface Stale {
  readonly source: Source;
  readonly routes: Map<Prefix, Path>;
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
  /** `wantWrite` was asked and not yet answered. */
  readonly isWriteWanted: boolean;
  /** UPDATEs of this session that RFC 7606 had us repair. */
  readonly flawed: number;
}
