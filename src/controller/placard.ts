/**
 * Writes conditions into the status of objects: only what differs from what stands there, not twice within five seconds
 * for one object, and no more than ten writes a second in all.
 */
import type { Clock } from '../host/clock.ts';
import type { Logger } from '../host/log.ts';
import type { Random } from '../lib/random.ts';
import { ok, type Result } from '../lib/result.ts';
import { same } from '../lib/same.ts';
import { type Kind, keyOf, type ResourceRef } from '../model/resource.ts';
import type { Manifest, Objects, Refusal } from '../store/objects.ts';
import { amend } from './amend.ts';
import { settle, type Verdict } from './decide/condition.ts';
import { type Duty, openDuty } from './duty.ts';
import { fieldOf, manifestFrom, metadataOf, seconds } from './json.ts';
import { forEach, must } from './refused.ts';

export interface PlacardOptions {
  readonly objects: Objects;
  readonly clock: Clock;
  readonly random: Random;
  readonly today: () => Date;
  readonly log: Logger;
  /** A status was written. @param before  status.conditions as it was */
  readonly onWritten: (ref: ResourceRef, verdicts: readonly Verdict[], before: unknown, uid?: string) => void;
}

export interface Placard {
  /** What each object's conditions should say; an object that is no longer named is left as it is. */
  show(wanted: ReadonlyMap<string, Shown>): void;
  /** These, or all, are looked at again: their generation grew, or somebody else wrote into their status. */
  recheck(keys?: Iterable<string>): void;
  stop(): void;
}

export interface Shown {
  readonly ref: ResourceRef;
  readonly verdicts: readonly Verdict[];
}

const gapMs = 5000;
const perSecond = 10;

export function openPlacard(options: PlacardOptions): Placard {
  const { clock, random, log } = options;
  let wanted: ReadonlyMap<string, Shown> = new Map();
  /** What each says, as far as we know, and when it was written or refused last. */
  const shown = new Map<string, readonly Verdict[]>();
  const writtenAt = new Map<string, number>();
  const unsure = new Set<string>();
  let isSurveyed = false;

  const isDone = (key: string, { verdicts }: Shown): boolean =>
    !unsure.has(key) && same(shown.get(key), verdicts);

  /** Until it may be written again, in ms. */
  const waitOf = (key: string): number =>
    Math.max(0, (writtenAt.get(key) ?? Number.NEGATIVE_INFINITY) + gapMs - clock.now());

  /** One list for each kind, instead of a look at each object: nearly all say what they should. */
  async function survey(): Promise<void> {
    const kinds = new Set([...wanted.values()].map(({ ref }) => ref.kind));
    await forEach(kinds, async (kind) => {
      for (const { manifest } of must(await options.objects.list(kind))) compare(kind, manifest);
    });
    isSurveyed = true;
  }

  function compare(kind: Kind, manifest: Manifest): void {
    const { name = '', namespace } = metadataOf(manifest);
    const key = keyOf({ kind, name, ...(namespace === undefined ? {} : { namespace }) });
    const one = wanted.get(key);
    if (one === undefined) return;
    if (conditionsFor(manifest, one.verdicts, options.today()) !== undefined) return void unsure.add(key);
    shown.set(key, one.verdicts);
    unsure.delete(key);
  }

  /** Writes one of those that are due. */
  async function run(): Promise<number | undefined> {
    if (!isSurveyed) await survey();
    const open = [...wanted].filter(([key, one]) => !isDone(key, one));
    const due = open.find(([key]) => waitOf(key) === 0);
    if (due === undefined)
      return open.length === 0 ? undefined : Math.min(...open.map(([key]) => waitOf(key)));
    const [key, one] = due;
    const written = await write(options, one);
    if (!written.ok) {
      const { kind, what } = written.error;
      if (kind !== 'invalid' && kind !== 'forbidden') throw new Error(`${key}: ${what}`);
      // What is refused as it is would be refused again: it waits for other words, or for the next recheck.
      log.warn(`the conditions of ${key} are refused: ${what}`);
    }
    unsure.delete(key);
    shown.set(key, one.verdicts);
    writtenAt.set(key, clock.now());
    return 1000 / perSecond;
  }

  const duty: Duty = openDuty({
    ...{ clock, random, run, gapMs: 1000 / perSecond, everyMs: 3_600_000 },
    onFailure: (why, inARow) => {
      if (inARow === 1) log.warn(`conditions were not written, and are tried again: ${why}`);
    },
  });

  return {
    show: (next) => {
      wanted = next;
      for (const known of [shown, writtenAt])
        for (const key of known.keys()) if (!wanted.has(key)) known.delete(key);
      duty.wake();
    },
    recheck: (keys) => {
      const before = unsure.size;
      for (const key of keys ?? []) if (wanted.has(key)) unsure.add(key);
      if (keys === undefined) isSurveyed = false;
      if (unsure.size > before || !isSurveyed) duty.wake();
    },
    stop: duty.stop,
  };
}

/** The conditions it should have, if they are not those it has. */
function conditionsFor(
  manifest: Manifest,
  verdicts: readonly Verdict[],
  now: Date,
): readonly object[] | undefined {
  const { generation } = metadataOf(manifest);
  const conditions = fieldOf(manifest['status'], 'conditions');
  return settle({ conditions, ...(generation === undefined ? {} : { generation }) }, verdicts, seconds(now));
}

/** Makes the object say what it should; one that is gone says nothing. Fails if it is there and cannot be written. */
async function write(
  { objects, today, onWritten }: PlacardOptions,
  { ref, verdicts }: Shown,
): Promise<Result<undefined, Refusal>> {
  const done = await amend(objects, ref, 'updateStatus', (manifest) => {
    const conditions = conditionsFor(manifest, verdicts, today());
    if (conditions === undefined) return undefined;
    return manifestFrom({
      ...manifest,
      status: { ...(manifest['status'] as object | undefined), conditions },
    });
  });
  if (!done.ok) return done;
  const was = done.value;
  if (was !== undefined) onWritten(ref, verdicts, fieldOf(was['status'], 'conditions'), metadataOf(was).uid);
  return ok(undefined);
}
