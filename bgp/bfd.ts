/**
 * BFD beside the speaker: which sessions there should be, what becomes of them, and who is told.
 *
 *   SpeakerConfig ─► wanted sessions ─► worker thread ─► state changes ─► speaker (RFC 9384: Cease, BFD Down)
 *
 * The thread is started with the first session. If it dies that is our own fault and says nothing of any path: neighbours
 * are as with AdminDown, and it is started again.
 */
import type { Clock } from '../src/host/clock.ts';
import type { Logger } from '../src/host/log.ts';
import { type Backoff, backoffDelay } from '../src/lib/backoff.ts';
import { type Millis, millis } from '../src/lib/net.ts';
import type { Random } from '../src/lib/random.ts';
import type { Problem } from '../src/model/problem.ts';
import { type BfdView, problemsOf, type ThreadView } from './bfd/problems.ts';
import type { FromWorker, Health, SessionReport } from './bfd/says.ts';
import { type BfdThread, type StartThread, startBfdThread } from './bfd/thread.ts';
import { type WantedSession, wantedSessions } from './bfd/wanted.ts';
import type { PeerConfig } from './config.ts';
import { sameData } from './speaker/same.ts';

/** down: the path has failed, or was never seen whole. adminDown: somebody wanted it so (RFC 5882 §3.2). */
type Verdict = 'up' | 'down' | 'adminDown';

/** What the speaker hears of the path to a neighbour, by its key. */
export interface BfdSays {
  readonly kind: 'bfd';
  readonly peer: string;
  readonly state: Verdict;
  readonly why: string;
}

export interface BfdOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  readonly onEvent: (event: BfdSays) => void;
  /** Absent: a real one. */
  readonly startThread?: StartThread;
}

export interface Bfd {
  configure(peers: readonly PeerConfig[]): void;
  /** How many peers it was configured with, BFD or not. */
  readonly followed: number;
  /** Of a neighbour, by its key; undefined: it has no BFD. */
  view(peer: string): BfdView | undefined;
  /** Of all sessions. */
  views(): readonly BfdView[];
  readonly thread: ThreadView;
  problems(): readonly Problem[];
  /** Tells the neighbours AdminDown, and resolves when they know or cannot be told. */
  stop(): Promise<void>;
}

/** What is known of a session. */
interface Known {
  wanted: WantedSession;
  report: SessionReport | undefined;
  verdict: Verdict;
  why: string;
  since: Millis;
  downs: number;
  lastDown: { readonly at: Millis; readonly why: string } | undefined;
}

const restart: Backoff = { firstMs: 1000, lastMs: 30_000 };
/** Longer than the thread waits for neighbours itself. */
const patienceMs = 4000;

export const createBfd = (options: BfdOptions): Bfd => new BfdMaster(options);

class BfdMaster implements Bfd {
  readonly #options: BfdOptions;
  readonly #sessions = new Map<string, Known>();
  /** What each peer was told last. */
  readonly #told = new Map<string, Verdict>();
  #asked: readonly WantedSession[] = [];
  #worker: BfdThread | undefined;
  #scheduling: Extract<FromWorker, { readonly kind: 'started' }> | undefined;
  #health: Health | undefined;
  #deaths = 0;
  #lastDeath: string | undefined;
  #cancelRestart: (() => void) | undefined;
  #onStopped: (() => void) | undefined;
  #isStopped = false;
  #followed = 0;

  constructor(options: BfdOptions) {
    this.#options = options;
  }

  configure(peers: readonly PeerConfig[]): void {
    this.#followed = peers.length;
    const wanted = wantedSessions(peers);
    if (this.#isStopped || sameData([...wanted.values()], this.#asked)) return;
    this.#asked = [...wanted.values()];
    this.#follow(wanted);
    const isAsked = new Set([...wanted.values()].flatMap((one) => one.peers));
    for (const peer of [...this.#told.keys()].filter((one) => !isAsked.has(one))) {
      this.#tell(peer, 'adminDown', 'it is no longer configured');
      this.#told.delete(peer);
    }
    for (const known of this.#sessions.values()) this.#spread(known);
    if (this.#sessions.size > 0 && this.#cancelRestart === undefined) this.#worker ??= this.#start();
    this.#worker?.post({ kind: 'configure', sessions: this.#asked });
  }

  #follow(wanted: ReadonlyMap<string, WantedSession>): void {
    for (const key of this.#sessions.keys()) if (!wanted.has(key)) this.#sessions.delete(key);
    for (const one of wanted.values()) {
      const known = this.#sessions.get(one.key);
      if (known === undefined) this.#sessions.set(one.key, this.#fresh(one));
      else known.wanted = one;
    }
  }

  get followed(): number {
    return this.#followed;
  }

  view(peer: string): BfdView | undefined {
    return this.views().find(({ wanted }) => wanted.peers.includes(peer));
  }

  views(): readonly BfdView[] {
    return [...this.#sessions.values()];
  }

  get thread(): ThreadView {
    return {
      scheduling: this.#scheduling?.scheduling,
      isRealtime: this.#scheduling?.isRealtime ?? false,
      deaths: this.#deaths,
      lastDeath: this.#lastDeath,
      health: this.#health,
    };
  }

  problems(): readonly Problem[] {
    return problemsOf(this.thread, this.views());
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelRestart?.();
    const worker = this.#worker;
    if (worker === undefined) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(millis(patienceMs), resolve);
      this.#onStopped = () => {
        cancel();
        resolve();
      };
      worker.post({ kind: 'stop' });
    });
    this.#worker = undefined;
    await worker.end();
  }

  #fresh(wanted: WantedSession): Known {
    const since = this.#options.clock.now();
    return {
      wanted,
      report: undefined,
      verdict: 'down',
      why: 'it has not come up yet',
      since,
      downs: 0,
      lastDown: undefined,
    };
  }

  #start(): BfdThread {
    const { startThread = startBfdThread } = this.#options;
    return startThread({ onSaid: (said) => this.#hear(said), onDeath: (why) => this.#died(why) });
  }

  #hear(said: FromWorker): void {
    switch (said.kind) {
      case 'started':
        this.#scheduling = said;
        this.#options.log[said.isRealtime ? 'info' : 'warn'](`BFD thread runs: ${said.scheduling}`);
        break;
      case 'state': {
        const verdict = verdictOf(said.report, said.byAdmin);
        this.#judge(said.report, verdict, said.why);
        break;
      }
      case 'reports':
        this.#health = said.health;
        for (const report of said.reports) {
          const known = this.#sessions.get(report.key);
          if (known === undefined) continue;
          const isSwitchedOff = known.verdict === 'down' && verdictOf(report, false) === 'adminDown';
          if (isSwitchedOff) this.#judge(report, 'adminDown', 'the neighbour has switched BFD off');
          else known.report = report;
        }
        break;
      case 'stopped':
        this.#onStopped?.();
        break;
    }
  }

  #judge(report: SessionReport, verdict: Verdict, why: string): void {
    const known = this.#sessions.get(report.key);
    if (known === undefined) return;
    const at = this.#options.clock.now();
    if (known.report?.state !== report.state) known.since = at;
    if (known.verdict === 'up' && verdict !== 'up') {
      known.downs += 1;
      known.lastDown = { at, why };
    }
    known.report = report;
    known.verdict = verdict;
    known.why = why;
    this.#spread(known);
  }

  #spread({ wanted, verdict, why }: Known): void {
    for (const peer of wanted.peers) {
      // A session that has never been up is nothing new to a neighbour that has heard nothing.
      if ((this.#told.get(peer) ?? 'down') !== verdict) this.#tell(peer, verdict, why);
      else this.#told.set(peer, verdict);
    }
  }

  #tell(peer: string, state: Verdict, why: string): void {
    if (this.#told.get(peer) === state) return;
    this.#told.set(peer, state);
    this.#options.onEvent({ kind: 'bfd', peer, state, why });
  }

  #died(why: string): void {
    this.#worker = undefined;
    this.#scheduling = undefined;
    this.#deaths += 1;
    this.#lastDeath = why;
    this.#onStopped?.();
    if (this.#isStopped) return;
    const { clock, random, log } = this.#options;
    const delay = backoffDelay(restart, this.#deaths, random);
    log.error(`the BFD thread died and is started again in ${Math.round(delay)} ms: ${why}`);
    for (const known of this.#sessions.values()) {
      known.report = undefined;
      known.since = clock.now();
      known.verdict = 'adminDown';
      known.why = `our own BFD thread died: ${why}`;
      this.#spread(known);
    }
    this.#cancelRestart = clock.after(millis(delay), () => {
      this.#cancelRestart = undefined;
      if (this.#sessions.size === 0) return;
      this.#worker = this.#start();
      this.#worker.post({
        kind: 'configure',
        sessions: [...this.#sessions.values()].map(({ wanted }) => wanted),
      });
    });
  }
}

function verdictOf({ state, remote }: SessionReport, byAdmin: boolean): Verdict {
  if (state === 'up') return 'up';
  return byAdmin || state === 'adminDown' || remote.state === 'adminDown' ? 'adminDown' : 'down';
}
