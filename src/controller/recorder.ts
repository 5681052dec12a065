/**
 * Writes Events: what waits is bounded, the same said again while it waits is one with a higher count, and an Event that is
 * there already is counted up. An Event that cannot be written is not worth more than a few tries.
 */
import type { Clock } from '../host/clock.ts';
import type { Logger } from '../host/log.ts';
import type { Random } from '../lib/random.ts';
import { apiKindOf, kinds } from '../store/kinds.ts';
import type { ObjectRef, Objects, Refusal } from '../store/objects.ts';
import { amend } from './amend.ts';
import {
  allow,
  type Bucket,
  countedUp,
  firstEvent,
  type Notice,
  noticeName,
  noticeNamespace,
} from './decide/notice.ts';
import { type Duty, openDuty } from './duty.ts';
import { manifestFrom, seconds } from './json.ts';

export interface RecorderOptions {
  readonly objects: Objects;
  readonly identity: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly today: () => Date;
  readonly log: Logger;
  /** A metric. */
  readonly onCount: (what: 'written' | 'dropped') => void;
}

export interface Recorder {
  say(notice: Notice): void;
  stop(): void;
}

const longestQueue = 1000;
/** Of one that the API server refused by a conflict or not at all answered. */
const mostTries = 5;

interface Waiting {
  readonly notice: Notice;
  times: number;
  tries: number;
}

export function openRecorder(options: RecorderOptions): Recorder {
  const { clock, random, log, onCount } = options;
  const buckets = new Map<string, Bucket>();
  const waiting = new Map<string, Waiting>();

  async function run(): Promise<undefined> {
    for (const [name, one] of waiting) {
      const refusal = await write(options, one);
      if (refusal === undefined) {
        waiting.delete(name);
        onCount('written');
        continue;
      }
      one.tries += 1;
      const isHopeless = refusal.kind === 'forbidden' || refusal.kind === 'invalid' || one.tries >= mostTries;
      if (isHopeless) {
        waiting.delete(name);
        onCount('dropped');
      }
      throw new Error(refusal.what);
    }
    return undefined;
  }

  const duty: Duty = openDuty({
    ...{ clock, random, run, gapMs: 200, everyMs: 3_600_000 },
    onFailure: (why, inARow) => {
      if (inARow === 1) log.warn(`an Event was not written: ${why}`);
    },
  });

  return {
    say: (notice) => {
      const name = noticeName(notice);
      const known = waiting.get(name);
      if (known !== undefined) known.times += 1;
      else if (waiting.size >= longestQueue || !allow(buckets, notice.about, clock.now())) onCount('dropped');
      else waiting.set(name, { notice, times: 1, tries: 0 });
      duty.wake();
    },
    stop: duty.stop,
  };
}

/** What hinders it, or undefined if it is written. */
async function write(
  { objects, identity, today }: RecorderOptions,
  { notice, times }: Waiting,
): Promise<Refusal | undefined> {
  const ref: ObjectRef = { kind: 'Event', namespace: noticeNamespace(notice), name: noticeName(notice) };
  const now = seconds(today());
  const { kind } = notice.about;
  const subject = { apiVersion: kinds[kind].apiVersion, kind: apiKindOf(kind) };
  const first = manifestFrom(firstEvent(notice, subject, identity, now));
  const made = await objects.create(times === 1 ? first : { ...first, count: times });
  if (made.ok || made.error.kind !== 'exists') return made.ok ? undefined : made.error;
  const counted = await amend(objects, ref, 'update', (manifest) => countedUp(manifest, times, now));
  return counted.ok ? undefined : counted.error;
}
