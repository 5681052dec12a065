/** `openCollector`: taking back what others left behind, each change a compare-and-swap against what is there now. */
import { releaseSeen } from '../ipam/allocation.ts';
import { blockName } from '../ipam/block.ts';
import { giveBack, settle } from '../ipam/claim.ts';
import { put, readAffinity, readBlock, type Talk, type Trouble } from '../ipam/talk.ts';
import { type Backoff, backoffDelay } from '../lib/backoff.ts';
import type { Address, Prefix } from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { drive } from './drive.ts';
import { toInstant } from './instants.ts';
import type { Collector, CollectorOptions, LedgerRefusal } from './ledger.ts';
import { away, denied } from './refusals.ts';

const mostTries = 100;
const defaultPatienceMs = 60_000;
const backoff: Backoff = { firstMs: 20, lastMs: 2000 };

export function openCollector(options: CollectorOptions): Collector {
  const { objects, clock, random, cooldownSeconds, patienceMs = defaultPatienceMs } = options;
  const wallNow = options.wallClock ?? Date.now;
  const cooledBy = (): string => toInstant(wallNow() - cooldownSeconds() * 1000);
  const pause = (failures: number): Promise<void> =>
    new Promise((resolve) => clock.after(backoffDelay(backoff, failures, random), () => resolve()));

  /** Conflicts and lost answers are met by beginning again: every talk looks at what is there first. */
  async function persist<T>(begin: () => Talk<Result<T, Trouble>>): Promise<Result<T, LedgerRefusal>> {
    const end = clock.now() + patienceMs;
    for (let failures = 1; ; failures += 1) {
      const result = await drive(begin(), objects, () => undefined);
      if (result.ok) return result;
      const why = denied(result.error);
      if (why !== undefined) return err(why);
      if (failures >= mostTries || clock.now() >= end) return err(away(patienceMs / 1000, result.error));
      await pause(failures);
    }
  }

  return {
    release: async ({ handle, addresses }) => {
      const released: Address[] = [];
      for (const block of new Set(addresses.map((one) => one.block))) {
        const seen = addresses.filter((one) => one.block === block).map((one) => ({ ...one, handle }));
        const rules = { now: toInstant(wallNow()), cooldownSeconds: cooldownSeconds() };
        const taken = new Set<Address>();
        const done = await persist(() => takeBack(block, seen, rules, taken));
        if (!done.ok) return done;
        released.push(...taken);
      }
      return ok(released);
    },
    giveBack: ({ block, owner }) => persist(() => giveBack(block, owner, cooledBy())),
    settle: ({ meta }) => persist(() => settleNamed(meta.name, cooledBy())),
  };
}

type Rules = Parameters<typeof releaseSeen>[2];

/** @param taken  grows by what is written, or may have been */
function* takeBack(
  cidr: Prefix,
  seen: Parameters<typeof releaseSeen>[1],
  rules: Rules,
  taken: Set<Address>,
): Talk<Result<undefined, Trouble>> {
  const block = yield* readBlock(blockName(cidr));
  if (!block.ok) return block;
  if (block.value === undefined) return ok(undefined);
  const released = releaseSeen(block.value.thing, seen, rules);
  if (released.addresses.length === 0) return ok(undefined);
  const written = yield* put(released.block, block.value.version);
  if (!written.ok && written.error.kind !== 'unknown') return written;
  for (const address of released.addresses) taken.add(address);
  return written.ok ? ok(undefined) : written;
}

function* settleNamed(name: string, cooledBy: string): Talk<Result<undefined, Trouble>> {
  const affinity = yield* readAffinity(name);
  if (!affinity.ok || affinity.value === undefined) return affinity.ok ? ok(undefined) : affinity;
  const settled = yield* settle(affinity.value, cooledBy);
  return settled.ok ? ok(undefined) : settled;
}
