/** What block IPAM costs: a burst of pods that shares its writes against the same pods one by one, and the bare decision. */
import { realClock } from '../../src/host/clock.ts';
import { giveNext, releaseHandle } from '../../src/ipam/allocation.ts';
import { emptyBlock } from '../../src/ipam/block.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { cidr, factsOf, ipPool, ledgerOf, podRequest } from '../support/ipam.ts';
import { memoryStore } from '../support/memory-store.ts';
import { unrulyObjects } from '../support/unruly-objects.ts';
import type { Row } from './table.ts';

const rounds = 5;
const pods = 100;
const answerMs = 2;

/** One node's ledger over a datastore in memory, each of whose answers takes some 2 ms; it has its first block. */
async function openOne(): Promise<Ledger> {
  const facts = factsOf([ipPool('v4', '10.65.0.0/16'), ipPool('v6', 'fd00:65::/64')]);
  const calm = { delayMs: answerMs, lostBefore: 0, lostAfter: 0, doneLate: 0, away: 0 };
  const random = seededRandom(1);
  const objects = unrulyObjects(memoryStore().objects, realClock, random, () => calm);
  const ledger = ledgerOf('node1', { objects, clock: realClock, random, facts: () => facts });
  await give(ledger, 'first');
  return ledger;
}

async function give(ledger: Ledger, handle: string): Promise<void> {
  const given = await ledger.assign(podRequest(handle, { families: [4, 6] }));
  if (!given.ok) throw new Error(given.error.what);
}

async function timed(once: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await once();
  return performance.now() - began;
}

async function burst(): Promise<Row> {
  const ours: number[] = [];
  const peer: number[] = [];
  const names = Array.from({ length: pods }, (_, n) => `pod${n}`);
  for (let round = 0; round < rounds; round += 1) {
    const [together, alone] = [await openOne(), await openOne()];
    ours.push(
      await timed(async () => {
        await Promise.all(names.map((name) => give(together, name)));
      }),
    );
    peer.push(
      await timed(async () => {
        for (const name of names) await give(alone, name);
      }),
    );
    together.close();
    alone.close();
  }
  return {
    name: `ipam: ${pods} dual-stack pods on a node, ${answerMs} ms/answer`,
    ...{ unit: 'ms', ours, peer, peerName: 'a write of its own for each pod' },
  };
}

/** All 64 addresses given and taken back, per address. */
function decision(): Row {
  const ours: number[] = [];
  const at = '2026-01-01T00:00:00Z';
  for (let round = 0; round < rounds; round += 1) {
    const began = performance.now();
    for (let n = 0; n < 50; n += 1) {
      let block = emptyBlock(cidr('10.65.0.0/26'), { type: 'host', node: 'node1' }, at);
      for (let pod = 0; pod < 64; pod += 1)
        block =
          giveNext(block, { handle: `pod${pod}`, secondary: {} }, { reserved: [], cooledBy: at })?.block ??
          block;
      for (let pod = 0; pod < 64; pod += 1)
        block = releaseHandle(block, `pod${pod}`, { now: at, cooldownSeconds: 0 }).block;
    }
    ours.push(((performance.now() - began) * 1000) / (50 * 64));
  }
  return { name: 'ipam: one address given and taken back, deciding', unit: 'µs', ours };
}

export const run = async (): Promise<readonly Row[]> => [await burst(), decision()];
