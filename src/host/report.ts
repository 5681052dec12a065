/**
 * What a daemon says of its node in the API: its own part of the CalicoNodeStatus named as the node.
 *
 * A report is written when it differs from what was written last, `at` and counters of routes aside; never twice within ten seconds; and again
 * after five minutes without news, so that a reader can tell a quiet daemon from a dead one. Nothing waits for a write:
 * while the API is away the newest report is kept and tried again ever more slowly, which is told once.
 */
import { type Backoff, backoffDelay } from '../lib/backoff.ts';
import { millis } from '../lib/net.ts';
import type { Random } from '../lib/random.ts';
import type { BgpReport, FelixReport } from '../model/node-report.ts';
import type { Manifest, Objects } from '../store/objects.ts';
import type { Json, Store } from '../store/store.ts';
import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';
import { calicoStatus } from './report/calico.ts';

interface Reports {
  readonly bgp: BgpReport;
  readonly felix: FelixReport;
}

export interface ReporterOptions<Part extends keyof Reports> {
  readonly store: Pick<Store, 'putStatus'>;
  readonly objects: Pick<Objects, 'get' | 'create'>;
  readonly node: string;
  readonly part: Part;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** The wall clock, for `at`. */
  readonly today?: () => Date;
}

export interface Reporter<Part extends keyof Reports> {
  /** The newest state of things; `at` is filled in when it is written. */
  say(report: Omit<Reports[Part], 'at'>): void;
  /** Nothing is written any more; what was not written stays so. */
  stop(): void;
}

/** The least time between two writes; up to a quarter more, so that nodes that started together part. */
const gapMs = 10_000;
/** The longest time without one; up to a tenth less. */
const refreshMs = 300_000;
/** The first report waits for this at most, so that what comes together at a start is one write. */
const settleMs = 1000;
/** Without an answer for so long a write has failed. */
const patienceMs = 60_000;
const retry: Backoff = { firstMs: 12_000, lastMs: 120_000 };

/**
 * What makes a report news. How many routes a neighbour sent changes with every pod of the cluster, and would have every
 * node write every ten seconds: such numbers come along with whatever else is written.
 */
const gist: { readonly [Part in keyof Reports]: (report: Omit<Reports[Part], 'at'>) => unknown } = {
  bgp: ({ peers, kernel: _, ...rest }) => ({
    ...rest,
    peers: peers.map(({ received: _1, accepted: _2, advertised: _3, ...peer }) => peer),
  }),
  felix: (report) => report,
};

/** A merge patch keeps what it does not name: what a report no longer has must be taken away by name. */
const optional = {
  bgp: ['asn', 'routerId'],
  felix: ['lastError'],
} as const satisfies Record<keyof Reports, readonly string[]>;

export function openReporter<Part extends keyof Reports>(options: ReporterOptions<Part>): Reporter<Part> {
  const { part, clock, random, log, today = () => new Date() } = options;
  let wanted: Omit<Reports[Part], 'at'> | undefined;
  const newsIn = (report: Omit<Reports[Part], 'at'>): string => JSON.stringify(gist[part](report));
  /** The gist of what was written last, and when. */
  let written: string | undefined;
  let writtenAt = Number.NEGATIVE_INFINITY;
  let failures = 0;
  let attempt = 0;
  let isWriting = false;
  let isStopped = false;
  let alarm: { readonly cancel: () => void; readonly isForNews: boolean } | undefined;

  /** Sets the alarm for the next write there is a reason for. */
  function plan(): void {
    alarm?.cancel();
    alarm = undefined;
    if (isStopped || isWriting || wanted === undefined) return;
    const cancel = clock.after(millis(delay(wanted)), () => {
      alarm = undefined;
      void write();
    });
    alarm = { cancel, isForNews: newsIn(wanted) !== written };
  }

  function delay(report: Omit<Reports[Part], 'at'>): number {
    if (failures > 0) return backoffDelay(retry, failures, random);
    if (written === undefined) return random() * settleMs;
    const isNews = newsIn(report) !== written;
    const after = isNews ? gapMs * (1 + random() / 4) : refreshMs * (1 - random() / 10);
    return Math.max(0, writtenAt + after - clock.now());
  }

  async function write(): Promise<void> {
    if (wanted === undefined) return;
    const text = newsIn(wanted);
    const isFresh = failures === 0 && clock.now() < writtenAt + refreshMs / 2;
    if (text === written && isFresh) return plan(); // the news was taken back meanwhile
    attempt += 1;
    const mine = attempt;
    const status = statusOf(part, { ...wanted, at: today().toISOString() } as Reports[Part]);
    isWriting = true;
    const giveUp = clock.after(millis(patienceMs), () => finish(mine, text, 'there was no answer'));
    const failure = await put(options, written !== undefined && failures === 0, status).catch(
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    giveUp();
    finish(mine, text, failure);
  }

  function finish(mine: number, text: string, failure: string | undefined): void {
    if (mine !== attempt || !isWriting) return; // given up meanwhile
    isWriting = false;
    if (failure === undefined) {
      if (failures > 0) log.info('the status of this node is written again');
      failures = 0;
      written = text;
      writtenAt = clock.now();
    } else {
      failures += 1;
      if (failures === 1) log.warn(`the status of this node was not written, and is tried again: ${failure}`);
    }
    plan();
  }

  return {
    say: (report) => {
      wanted = report;
      // An alarm for news or after a failure stands, or every word would put it off.
      if (alarm?.isForNews !== true && failures === 0) plan();
    },
    stop: () => {
      isStopped = true;
      alarm?.cancel();
    },
  };
}

/** Undefined if all went well. @param isThere  the object was there a moment ago, so it is not looked for */
async function put(
  { store, objects, node }: Pick<ReporterOptions<keyof Reports>, 'store' | 'objects' | 'node'>,
  isThere: boolean,
  status: Manifest,
): Promise<string | undefined> {
  const ref = { kind: 'CalicoNodeStatus', name: node } as const;
  if (!isThere) {
    const found = await objects.get(ref);
    if (!found.ok) return found.error.what;
    const made = found.value === undefined ? await objects.create(newStatus(node)) : found;
    if (!made.ok && made.error.kind !== 'exists') return made.error.what;
  }
  await store.putStatus(ref, status);
  return undefined;
}

/** The patch: this daemon's part, and for the speaker what Calico itself has fields for. */
function statusOf<Part extends keyof Reports>(part: Part, report: Reports[Part]): Manifest {
  const absent = Object.fromEntries(optional[part].map((key) => [key, null]));
  // A report is JSON-safe by its own words.
  const own = { ...absent, ...report } as unknown as Json;
  const shared = 'sessions' in report ? calicoStatus(report) : {};
  return { lastUpdated: report.at, ...shared, tortie: { [part]: own } };
}

const newStatus = (node: string): Manifest => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'CalicoNodeStatus',
  metadata: { name: node },
  // What of Calico's classes is filled in; 0: nobody but us is to update it on a schedule.
  spec: { node, classes: ['Agent', 'BGP'], updatePeriodSeconds: 0 },
});
