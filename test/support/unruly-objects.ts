/**
 * `Objects` over a network that delays, loses and repeats itself: any answer may be late, any request or its answer may get lost
 * (`unknown`), and a write whose answer was given up may still happen later. Repeatable by its seed.
 */
import type { Clock } from '../../src/host/clock.ts';
import { millis } from '../../src/lib/net.ts';
import type { Random } from '../../src/lib/random.ts';
import { err, type Result } from '../../src/lib/result.ts';
import type { Objects, Refusal } from '../../src/store/objects.ts';

export interface Unruliness {
  /** Each request takes up to twice that, half before it happens and half after. */
  readonly delayMs: number;
  /** Shares of requests, 0 to 1. */
  readonly lostBefore: number;
  readonly lostAfter: number;
  /** Answered `unknown`, and done up to ten delays later. */
  readonly doneLate: number;
  readonly away: number;
}

export function unrulyObjects(
  objects: Objects,
  clock: Clock,
  random: Random,
  unruliness: () => Unruliness,
): Objects {
  const sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => clock.after(millis(ms), () => resolve()));
  const lost = (what: string) => err<Refusal>({ kind: 'unknown', what: `${what}: no answer came.` });

  async function pass<T>(
    what: string,
    request: () => Promise<Result<T, Refusal>>,
  ): Promise<Result<T, Refusal>> {
    const { delayMs, lostBefore, lostAfter, doneLate, away } = unruliness();
    await sleep(random() * delayMs);
    const fate = random();
    if (fate < away) return err({ kind: 'away', what: `${what}: the API server does not answer.` });
    if (fate < away + lostBefore) return lost(what);
    if (fate < away + lostBefore + doneLate) {
      void sleep(random() * delayMs * 10).then(request);
      return lost(what);
    }
    const answer = await request();
    await sleep(random() * delayMs);
    return fate < away + lostBefore + doneLate + lostAfter ? lost(what) : answer;
  }

  return {
    get: (ref) => pass('get', () => objects.get(ref)),
    list: (kind, scope) => pass('list', () => objects.list(kind, scope)),
    create: (manifest) => pass('create', () => objects.create(manifest)),
    update: (manifest, version) => pass('update', () => objects.update(manifest, version)),
    updateStatus: (manifest, version) => pass('status', () => objects.updateStatus(manifest, version)),
    delete: (ref, version) => pass('delete', () => objects.delete(ref, version)),
  };
}
