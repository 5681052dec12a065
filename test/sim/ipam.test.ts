/**
 * Many ledgers on one unruly datastore, on a virtual clock: whatever is delayed, lost or done late, no address has two holders and
 * every handle that is released leaves nothing. Repeatable: each run is its seed.
 */
import { expect, test } from 'vitest';
import { findLeaks, nothingSeen } from '../../src/ipam/leaks.ts';
import { openCollector } from '../../src/ledger/collector.ts';
import { readAll } from '../../src/ledger/facts.ts';
import type { Ledger, LedgerRefusal, Settings } from '../../src/ledger/ledger.ts';
import { type Address, formatAddress, type IpVersion, millis } from '../../src/lib/net.ts';
import { type Random, seededRandom } from '../../src/lib/random.ts';
import type { Result } from '../../src/lib/result.ts';
import type { IpPool, Pod } from '../../src/model/resource.ts';
import { type VirtualClock, virtualClock } from '../support/clock.ts';
import { type CountedObjects, countedObjects } from '../support/counted-objects.ts';
import {
  allBlocks,
  factsOf,
  flawsOf,
  holders,
  ip,
  ipamObjects,
  ipPool,
  ledgerOf,
  podRequest,
} from '../support/ipam.ts';
import { type Unruliness, unrulyObjects } from '../support/unruly-objects.ts';

const calm: Unruliness = { delayMs: 5, lostBefore: 0, lostAfter: 0, doneLate: 0, away: 0 };
const rough: Unruliness = { delayMs: 20, lostBefore: 0.04, lostAfter: 0.06, doneLate: 0.03, away: 0.03 };

/** Lets the virtual world run until the promise is settled. */
async function run<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let isDone = false;
  const done = promise.finally(() => {
    isDone = true;
  });
  for (let steps = 0; !isDone; steps += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    if (!isDone && !clock.next() && steps > 1000) throw new Error('nothing is due, and it is not done');
  }
  return await done;
}

/** Until nothing is due any more: also writes whose answer nobody waits for. */
async function drain(clock: VirtualClock): Promise<void> {
  do await new Promise((resolve) => setImmediate(resolve));
  while (clock.next());
}

interface Sim {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly objects: CountedObjects;
  readonly manners: { now: Unruliness };
  readonly facts: ReturnType<typeof factsOf>;
  ledger(node: string): Ledger;
}

const epoch = Date.UTC(2026, 0, 1);

function sim(seed: number, pools: readonly IpPool[], settings: Partial<Settings> = {}): Sim {
  const clock = virtualClock();
  const random = seededRandom(seed);
  const objects = countedObjects();
  const manners = { now: rough };
  const facts = factsOf(pools, settings, { nodes: new Set(['n0', 'n1', 'n2', 'n3']) });
  const unruly = unrulyObjects(objects, clock, random, () => manners.now);
  const world = { objects: unruly, clock, random, facts: () => facts, wallClock: () => epoch + clock.now() };
  return {
    clock,
    random,
    objects,
    manners,
    facts,
    ledger: (node) => ledgerOf(node, { ...world, patienceMs: 30_000 }),
  };
}

/** Takes all addresses handed out so far, and complains at once of one that two handles have. */
class Witness {
  readonly #holder = new Map<Address, string>();

  given(handle: string, addresses: readonly Address[]): void {
    for (const address of addresses) {
      const other = this.#holder.get(address);
      if (other !== undefined && other !== handle)
        throw new Error(`${formatAddress(address)} is given to ${handle}, but ${other} has it.`);
      this.#holder.set(address, handle);
    }
  }

  released(handle: string): void {
    for (const [address, holder] of this.#holder) if (holder === handle) this.#holder.delete(address);
  }
}

/** One pod's life on a node: started, perhaps asked for twice, perhaps stopped, until the ledger of the moment says it is. */
async function live(
  sim: Sim,
  ledger: () => Ledger,
  witness: Witness,
  handle: string,
  families: readonly IpVersion[],
) {
  const { random, clock } = sim;
  const sleep = (ms: number) => new Promise<void>((resolve) => clock.after(millis(ms), () => resolve()));
  await sleep(random() * 500);
  const asked = ledger().assign(podRequest(handle, { families }));
  const again = random() < 0.3 ? ledger().assign(podRequest(handle, { families })) : asked;
  const [first, second] = await Promise.all([asked, again]);
  if (first.ok && second.ok) {
    expect(second.value).toEqual(first.value);
    expect(first.value).toHaveLength(families.length);
    witness.given(
      handle,
      first.value.map(({ address }) => address),
    );
  }
  await sleep(random() * 500);
  if (random() < 0.5 && first.ok) return { handle, stays: true, result: first };
  // From here on somebody else may be given them.
  witness.released(handle);
  let released = await ledger().releaseByHandle(handle);
  while (!released.ok) {
    await sleep(10);
    released = await ledger().releaseByHandle(handle);
  }
  return { handle, stays: false, result: first };
}

type Lived = Awaited<ReturnType<typeof live>>;

const whys = (lived: readonly Lived[]): readonly string[] =>
  lived.flatMap(({ result }: { readonly result: Result<unknown, LedgerRefusal> }) =>
    result.ok ? [] : [result.error.kind],
  );

/** The pods that are still there, with their addresses. */
const stayers = (lived: readonly Lived[]): ReadonlyMap<string, readonly string[]> =>
  new Map(
    lived.flatMap(({ handle, stays, result }) =>
      stays && result.ok
        ? [[handle, result.value.map(({ address }) => formatAddress(address)).sort()] as const]
        : [],
    ),
  );

test.each(Array.from({ length: 12 }, (_, seed) => seed))(
  'no duplicate and no leak, whatever the network does to four nodes with forty pods each (seed %i)',
  async (seed) => {
    const world = sim(seed, [
      ipPool('v4', '10.65.0.0/24', { blockSize: 28 }),
      ipPool('v6', 'fd00::/118', { blockSize: 124 }),
    ]);
    const witness = new Witness();
    const ledgers = ['n0', 'n1', 'n2', 'n3'].map((node) => world.ledger(node));
    const lives = ledgers.flatMap((ledger, node) =>
      Array.from({ length: 40 }, (_, pod) =>
        live(
          world,
          () => ledger,
          witness,
          `n${node}.p${pod}`,
          pod % 3 === 0 ? [4, 6] : pod % 3 === 1 ? [6] : [4],
        ),
      ),
    );
    const lived = await run(world.clock, Promise.all(lives));
    // What was given up in the meantime, and writes that are still on their way.
    world.manners.now = calm;
    await drain(world.clock);
    const stay = stayers(lived);
    const blocks = await allBlocks(world.objects);
    expect(blocks.flatMap(flawsOf)).toEqual([]);
    expect(Object.fromEntries(holders(blocks))).toEqual(Object.fromEntries(stay));
    expect(whys(lived).filter((kind) => kind !== 'exhausted' && kind !== 'away')).toEqual([]);
    expect(stay.size).toBeGreaterThan(40);
  },
);

/** What the controller does, in a cluster with just these pods and nodes: two looks a grace period apart, then it takes back. */
async function collect(
  world: Sim,
  stay: ReadonlyMap<string, readonly string[]>,
  nodes: ReadonlySet<string>,
): Promise<void> {
  const { objects, clock, random } = world;
  const collector = openCollector({ objects, clock, random, cooldownSeconds: () => 0 });
  let before = nothingSeen;
  for (const now of [0, 1_000_000]) {
    const affinities = await readAll(objects, 'BlockAffinity');
    if (!affinities.ok) throw new Error(affinities.error.what);
    const verdict = findLeaks({
      ...{ blocks: await allBlocks(objects), affinities: affinities.value, nodes, before },
      pods: [...stay].map(([name, ips]) => podWith(name, ips)),
      ...{ now: millis(now), graceMs: 900_000, cooledBy: new Date(epoch + clock.now()).toISOString() },
    });
    before = verdict.memory;
    for (const leak of verdict.confirmed) expect(await collector.release(leak)).toMatchObject({ ok: true });
    for (const spare of verdict.spare) expect(await collector.giveBack(spare)).toMatchObject({ ok: true });
    for (const one of verdict.unsettled) expect(await collector.settle(one)).toMatchObject({ ok: true });
  }
}

const podWith = (name: string, ips: readonly string[]): Pod => ({
  kind: 'Pod',
  meta: { name, namespace: 'shop', labels: {}, annotations: {} },
  nodeName: name.slice(0, 2),
  ...{ hostNetwork: false, finished: false, deleting: false, ports: [], ips: ips.map(ip) },
});

test.each(Array.from({ length: 12 }, (_, seed) => seed))(
  'agents that crash and start anew, two at a time, leave only what the collection takes back (seed %i)',
  async (seed) => {
    const cooldown = seed % 3 === 0 ? 1 : 0;
    const world = sim(
      seed,
      [ipPool('v4', '10.65.0.0/24', { blockSize: 29 }), ipPool('v6', 'fd00::/118', { blockSize: 125 })],
      {
        maxBlocksPerHost: seed % 2 === 0 ? 3 : 20,
        ipCooldownSeconds: cooldown,
      },
    );
    const witness = new Witness();
    const nodes = ['n0', 'n1', 'n2', 'n3'].map((node) => ({ node, ledger: world.ledger(node) }));
    const crash = (): void => {
      const one = nodes[Math.floor(world.random() * nodes.length)];
      if (one === undefined) return;
      // Every third is still at work when its successor begins.
      if (world.random() < 0.7) one.ledger.close();
      one.ledger = world.ledger(one.node);
    };
    for (let at = 50; at < 1500; at += 100) world.clock.after(millis(at), crash);
    const lives = nodes.flatMap((one) =>
      Array.from({ length: 30 }, (_, pod) =>
        live(world, () => one.ledger, witness, `${one.node}.p${pod}`, pod % 3 === 0 ? [4, 6] : [4]),
      ),
    );
    const lived = await run(world.clock, Promise.all(lives));
    world.manners.now = calm;
    await drain(world.clock);
    const stay = stayers(lived);
    await run(world.clock, collect(world, stay, new Set(['n0', 'n1', 'n2', 'n3'])));
    expect((await allBlocks(world.objects)).flatMap(flawsOf)).toEqual([]);
    expect(Object.fromEntries(holders(await allBlocks(world.objects)))).toEqual(Object.fromEntries(stay));
    expect(stay.size).toBeGreaterThan(10);
    // And when the nodes are gone, nothing at all is left.
    world.clock.advance(2000);
    await run(world.clock, collect(world, new Map(), new Set()));
    expect(await ipamObjects(world.objects)).toEqual([]);
  },
);
