import { expect, test } from 'vitest';
import { type Clock, realClock } from '../../../src/host/clock.ts';
import { newAffinity } from '../../../src/ipam/block.ts';
import { checkIpam } from '../../../src/ipam/check.ts';
import { openLedger } from '../../../src/ledger/open.ts';
import { formatAddress, millis } from '../../../src/lib/net.ts';
import { seededRandom } from '../../../src/lib/random.ts';
import { err } from '../../../src/lib/result.ts';
import type { Objects } from '../../../src/store/objects.ts';
import { toManifest } from '../../../src/store/schema/write.ts';
import { virtualClock } from '../../support/clock.ts';
import { countedObjects } from '../../support/counted-objects.ts';
import {
  allBlocks,
  cidr,
  factsOf,
  flawsOf,
  holders,
  ip,
  ipamObjects,
  ipPool,
  ledgerOf,
  podRequest,
} from '../../support/ipam.ts';

const v4 = ipPool('v4', '10.65.0.0/16');
const v6 = ipPool('v6', 'fd00:65::/48');

function world(facts = factsOf([v4, v6])) {
  const objects = countedObjects();
  const options = { objects, clock: realClock, random: seededRandom(1), facts: () => facts };
  return { objects, open: (node: string) => ledgerOf(node, options) };
}

const nobody = { affinities: [], nodes: new Set<string>(), pods: [], services: [] };

const texts = (given: Awaited<ReturnType<ReturnType<typeof ledgerOf>['assign']>>) => {
  if (!given.ok) throw new Error(given.error.what);
  return given.value.map(({ address }) => formatAddress(address));
};

test('a hundred pods that start at once cost one write of each block once there are blocks', async () => {
  const { objects, open } = world();
  const ledger = open('node1');
  texts(await ledger.assign(podRequest('first', { families: [4, 6] })));
  const before = objects.requests.count;
  const given = await Promise.all(
    Array.from({ length: 60 }, (_, n) => ledger.assign(podRequest(`pod${n}`, { families: [4, 6] }))),
  );
  expect(objects.requests.count - before).toBe(2);
  expect(new Set(given.flatMap(texts)).size).toBe(120);
  const blocks = await allBlocks(objects);
  expect(blocks.flatMap(flawsOf)).toEqual([]);
  expect(holders(blocks).size).toBe(61);
});

test('a thousand allocations at once over ten nodes: no duplicate, no leak, and released they leave nothing', async () => {
  const { objects, open } = world();
  const ledgers = Array.from({ length: 10 }, (_, n) => open(`node${n}`));
  const started = await Promise.all(
    Array.from({ length: 1000 }, async (_, n) => {
      const ledger = ledgers[n % 10];
      if (ledger === undefined) throw new Error('no ledger');
      return texts(await ledger.assign(podRequest(`pod${n}`, { families: [4, 6] })));
    }),
  );
  expect(new Set(started.flat()).size).toBe(2000);
  const blocks = await allBlocks(objects);
  expect(blocks.flatMap(flawsOf)).toEqual([]);
  const want = started.map((addresses, n) => [`pod${n}`, addresses.toSorted()]);
  expect(Object.fromEntries(holders(blocks))).toEqual(Object.fromEntries(want));
  expect(objects.requests.count).toBeLessThan(500);
  await Promise.all(Array.from({ length: 1000 }, (_, n) => ledgers[n % 10]?.releaseByHandle(`pod${n}`)));
  expect(holders(await allBlocks(objects)).size).toBe(0);
});

test('who asks again for the same handle gets the same addresses, from a successor too', async () => {
  const { open } = world();
  const first = open('node1');
  const given = texts(await first.assign(podRequest('pod', { families: [6, 4] })));
  expect(texts(await first.assign(podRequest('pod', { families: [4, 6] })))).toEqual(given);
  first.close();
  const second = open('node1');
  expect(texts(await second.assign(podRequest('pod', { families: [4, 6] })))).toEqual(given);
  expect((await second.releaseByHandle('pod')).ok).toBe(true);
  expect(await second.releaseByHandle('pod')).toEqual({ ok: true, value: [] });
});

test('all or nothing: without a second address there is no first', async () => {
  const facts = factsOf([v4, ipPool('tiny', 'fd00::/128', { blockSize: 128 })]);
  const { objects, open } = world(facts);
  const ledger = open('node1');
  texts(await ledger.assign(podRequest('one', { families: [4, 6] })));
  const refused = await ledger.assign(podRequest('two', { families: [4, 6] }));
  expect(refused).toMatchObject({ ok: false, error: { kind: 'exhausted', transient: true } });
  expect([...holders(await allBlocks(objects)).keys()]).toEqual(['one']);
});

const small = ipPool('small', '10.9.0.0/29', { blockSize: 30 });

test('a node that can get no block borrows, finds what it borrowed after a restart, and gives it back', async () => {
  const { objects, open } = world(factsOf([small]));
  const rich = open('rich');
  texts(await rich.assign(podRequest('r1')));
  for (const n of [2, 3, 4, 5]) texts(await rich.assign(podRequest(`r${n}`)));
  const poor = open('poor');
  const given = await poor.assign(podRequest('p1'));
  expect(given).toMatchObject({ ok: true, value: [{ borrowed: true }] });
  poor.close();
  const next = open('poor');
  const held = await next.holdings();
  expect(held).toMatchObject({
    ok: true,
    value: [{ handle: 'p1', borrowed: true, attributes: { node: 'poor' } }],
  });
  expect(texts(await next.assign(podRequest('p1')))).toEqual(texts(given));
  texts(given);
  expect(await next.releaseByHandle('p1')).toMatchObject({ ok: true, value: [expect.anything()] });
  const blocks = await allBlocks(objects);
  expect(holders(blocks).size).toBe(5);
  // Nobody is named as a borrower any more.
  expect(blocks.map(({ meta }) => meta.labels)).toEqual([{}, {}]);
});

const refusal = async (given: ReturnType<ReturnType<typeof ledgerOf>['assign']>): Promise<string> => {
  const result = await given;
  if (result.ok) throw new Error('it was given');
  return result.error.what;
};

test('with strict affinity it is refused instead, with the reason and a remedy', async () => {
  const { open } = world(factsOf([small], { strictAffinity: true, maxBlocksPerHost: 1 }));
  const [one, other, third] = [open('one'), open('other'), open('third')];
  for (const n of [1, 2, 3, 4]) texts(await one.assign(podRequest(`p${n}`)));
  expect(await refusal(one.assign(podRequest('p5')))).toBe(
    'No IPv4 address is free for one: it has 1 blocks, the most a node may have (IPAMConfiguration maxBlocksPerHost); borrowing from other nodes is off (IPAMConfiguration strictAffinity). Add an IPPool, or see "tortiectl ipam show --show-blocks" and "tortiectl ipam check".',
  );
  texts(await other.assign(podRequest('o1')));
  expect(await refusal(third.assign(podRequest('t1')))).toContain(
    'every block of small (10.9.0.0/29, 2 blocks) is taken; borrowing',
  );
});

test('an address that is asked for is given if it is free, wherever it is, and else it is said who has it', async () => {
  const { open } = world();
  const [one, other] = [open('one'), open('other')];
  const address = ip('10.65.7.7');
  const ask = { addresses: [address] };
  expect(await one.assign(podRequest('a', ask))).toMatchObject({
    ok: true,
    value: [{ address, borrowed: false }],
  });
  expect(texts(await one.assign(podRequest('a', ask)))).toEqual(['10.65.7.7']);
  expect(await refusal(other.assign(podRequest('b', ask)))).toContain(
    '10.65.7.7 cannot be given on other: it is held by the pod shop/a.',
  );
  expect(await other.assign(podRequest('b', { addresses: [ip('10.65.7.8')] }))).toMatchObject({
    ok: true,
    value: [{ borrowed: true }],
  });
  await one.releaseByHandle('a');
  expect(texts(await other.assign(podRequest('b2', ask)))).toEqual(['10.65.7.7']);
  expect(await refusal(one.assign(podRequest('c', { addresses: [ip('192.0.2.1')] })))).toContain(
    'No IPPool contains 192.0.2.1.',
  );
});

test('an address cools down before anybody gets it again, and says so if asked for', async () => {
  let wall = Date.UTC(2026, 0, 1);
  const objects = countedObjects();
  const facts = factsOf([ipPool('one', '10.9.0.0/32', { blockSize: 32 })], { ipCooldownSeconds: 60 });
  const ledger = ledgerOf('node1', {
    objects,
    clock: virtualClock(),
    random: seededRandom(1),
    facts: () => facts,
    wallClock: () => wall,
  });
  expect(texts(await ledger.assign(podRequest('a')))).toEqual(['10.9.0.0']);
  await ledger.releaseByHandle('a');
  expect(await refusal(ledger.assign(podRequest('b', { addresses: [ip('10.9.0.0')] })))).toContain(
    'it was released at 2026-01-01T00:00:00Z and still cools down',
  );
  wall += 60_000;
  expect(texts(await ledger.assign(podRequest('b', { addresses: [ip('10.9.0.0')] })))).toEqual(['10.9.0.0']);
});

test('reserved addresses are skipped, and given to who asks for one', async () => {
  const facts = factsOf([small], {}, { reserved: [cidr('10.9.0.0/30'), cidr('10.9.0.4/31')] });
  const { open } = world(facts);
  const ledger = open('node1');
  const given = [texts(await ledger.assign(podRequest('a'))), texts(await ledger.assign(podRequest('b')))];
  expect(given.flat().sort()).toEqual(['10.9.0.6', '10.9.0.7']);
  expect(await ledger.assign(podRequest('c'))).toMatchObject({ ok: false });
  expect(texts(await ledger.assign(podRequest('d', { addresses: [ip('10.9.0.1')] })))).toEqual(['10.9.0.1']);
});

test('an empty block of a node that is gone is taken over at once, one in use is not', async () => {
  const facts = factsOf([small], { strictAffinity: true }, { nodes: new Set(['new']) });
  const { objects, open } = world(facts);
  const [gone, used] = [open('gone'), open('used')];
  texts(await gone.assign(podRequest('a')));
  texts(await used.assign(podRequest('b')));
  await gone.releaseByHandle('a');
  const next = open('new');
  texts(await next.assign(podRequest('c')));
  const blocks = await allBlocks(objects);
  expect(
    blocks.map(({ affinity }) => affinity).sort((x, y) => JSON.stringify(x).localeCompare(JSON.stringify(y))),
  ).toEqual([
    { type: 'host', node: 'new' },
    { type: 'host', node: 'used' },
  ]);
  expect((await ipamObjects(objects)).filter((key) => key.startsWith('BlockAffinity'))).toEqual(
    blocks
      .map(
        ({ affinity, meta }) =>
          `BlockAffinity/${affinity?.type === 'host' ? affinity.node : ''}-${meta.name}`,
      )
      .sort(),
  );
});

test('while the API server is away it is tried for a while and then said so; nothing is held', async () => {
  const objects = countedObjects();
  const clock = virtualClock();
  const what = 'The API server at 10.0.0.1:6443 does not answer.';
  const dead: Objects = { ...objects, list: async () => err({ kind: 'away', what }) };
  const ledger = ledgerOf('node1', {
    objects: dead,
    clock,
    random: seededRandom(1),
    facts: () => factsOf([v4]),
  });
  const asked = ledger.assign(podRequest('a'));
  for (let n = 0; n < 30; n += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(100);
  }
  expect(await refusal(asked)).toBe(`IPAM gave up after 3 s: ${what} It is tried again.`);
  expect(await ipamObjects(objects)).toEqual([]);
});

test('what the API server forbids is not tried again', async () => {
  const objects = countedObjects();
  const strict: Objects = {
    ...objects,
    create: async () => err({ kind: 'forbidden', what: 'tortie may not create blockaffinities.' }),
  };
  const ledger = ledgerOf('node1', {
    objects: strict,
    clock: virtualClock(),
    random: seededRandom(1),
    facts: () => factsOf([v4]),
  });
  expect(await ledger.assign(podRequest('a'))).toEqual({
    ok: false,
    error: {
      kind: 'denied',
      what: 'IPAM cannot write its blocks: tortie may not create blockaffinities.',
      transient: false,
    },
  });
});

test('pools that are not known yet, and a ledger that was closed, are said plainly', async () => {
  const options = {
    objects: countedObjects(),
    clock: realClock,
    random: seededRandom(1),
    facts: () => undefined,
  };
  const ledger = ledgerOf('node1', options);
  expect(await refusal(ledger.assign(podRequest('a')))).toBe(
    'The IPPools have not been read from the datastore yet. It is tried again.',
  );
  ledger.close();
  expect(await ledger.releaseByHandle('a')).toMatchObject({ ok: false, error: { kind: 'away' } });
});

test('a second agent of the node releases all that the first one gave, however old its own copy is', async () => {
  const { objects, open } = world();
  const [first, second] = [open('node1'), open('node1')];
  texts(await first.assign(podRequest('a', { families: [4, 6] })));
  // Now it has both blocks; of the next pod it will know one address, and not the other.
  texts(await second.assign(podRequest('b', { families: [4, 6] })));
  texts(await first.assign(podRequest('c', { families: [4, 6] })));
  texts(await second.assign(podRequest('d', { families: [6] })));
  expect((await second.releaseByHandle('c')).ok).toBe(true);
  expect([...holders(await allBlocks(objects)).keys()].sort()).toEqual(['a', 'b', 'd']);
});

test('the load balancer has blocks of its own that no node borrows from, and borrows from no node', async () => {
  const objects = countedObjects();
  const both = ipPool('both', '10.9.0.0/30', { blockSize: 31, allowedUses: ['Workload', 'LoadBalancer'] });
  const facts = factsOf([both]);
  const options = { objects, clock: realClock, random: seededRandom(1), facts: () => facts };
  const balancer = openLedger({ ...options, owner: { type: 'virtual', name: 'load-balancer' } });
  const node = ledgerOf('node1', options);
  const service = (name: string) =>
    balancer.assign({ handle: name, attributes: {}, families: [4], use: 'LoadBalancer' });
  texts(await service('a'));
  for (const name of ['p1', 'p2']) texts(await node.assign(podRequest(name)));
  expect(await refusal(node.assign(podRequest('p3')))).toContain('no other node has a free address');
  texts(await service('b'));
  expect(await refusal(service('c'))).toBe(
    'No IPv4 address is free for virtual:load-balancer: every block of both (10.9.0.0/30, 2 blocks) is taken; it never borrows from nodes. Add an IPPool, or see "tortiectl ipam show --show-blocks" and "tortiectl ipam check".',
  );
  expect((await allBlocks(objects)).map(({ affinity }) => affinity?.type).sort()).toEqual([
    'host',
    'virtual',
  ]);
  expect(await balancer.holdings()).toMatchObject({ ok: true, value: [{ handle: 'a' }, { handle: 'b' }] });
});

test('an affinity of another owner under the same name is said to be in the way, not overwritten', async () => {
  const objects = countedObjects();
  const facts = factsOf([ipPool('one', '10.9.0.0/31', { blockSize: 31 })]);
  const options = { objects, clock: realClock, random: seededRandom(1), facts: () => facts };
  await objects.create(toManifest(newAffinity(cidr('10.9.0.0/31'), { type: 'virtual', name: 'twin' })));
  expect(await refusal(ledgerOf('twin', options).assign(podRequest('p')))).toContain(
    'BlockAffinity/twin-10-9-0-0-31 is of virtual:twin.',
  );
});

test('a refusal takes back what had been written for it already', async () => {
  const objects = countedObjects();
  const clock = virtualClock();
  let isStubborn = false;
  const stubborn: Objects = {
    ...objects,
    update: async (manifest, version) =>
      isStubborn && JSON.stringify(manifest).includes('fd00:')
        ? err({ kind: 'conflict', what: 'The IPv6 block changed.' })
        : objects.update(manifest, version),
  };
  const facts = factsOf([v4, v6]);
  const options = { objects: stubborn, clock, random: seededRandom(1), facts: () => facts };
  const ledger = ledgerOf('node1', { ...options, patienceMs: 5000 });
  const settle = async (): Promise<void> => {
    for (let n = 0; n < 60; n += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(200);
    }
  };
  texts(await ledger.assign(podRequest('first', { families: [4, 6] })));
  isStubborn = true;
  const asked = ledger.assign(podRequest('second', { families: [4, 6] }));
  for (let n = 0; n < 5; n += 1) await new Promise((resolve) => setImmediate(resolve));
  expect([...holders(await allBlocks(objects)).keys()].sort()).toEqual(['first', 'second']);
  await settle();
  expect(await refusal(asked)).toBe('IPAM gave up after 5 s: The IPv6 block changed. It is tried again.');
  await settle();
  expect([...holders(await allBlocks(objects)).keys()]).toEqual(['first']);
});

test.each([
  ['larger', 24, 26],
  ['smaller', 29, 26],
])(
  'a pool made anew while blocks of it are there that are %s: nobody gets an address twice',
  async (_, old, anew) => {
    const made = (blockSize: number) => factsOf([ipPool('p', '10.9.0.0/22', { blockSize })]);
    const objects = countedObjects();
    const options = { objects, clock: realClock, random: seededRandom(1) };
    const before = made(old);
    const [a, b] = ['a', 'b'].map((node) => ledgerOf(node, { ...options, facts: () => before }));
    const first = [await a?.assign(podRequest('a1')), await b?.assign(podRequest('b1'))];
    const after = made(anew);
    const nodes = ['a', 'b', 'c', 'd', 'e'].map((node) => ledgerOf(node, { ...options, facts: () => after }));
    const more = await Promise.all(
      nodes.flatMap((ledger, at) =>
        Array.from({ length: 100 }, (_none, n) => ledger.assign(podRequest(`n${at}-${n}`))),
      ),
    );
    const addresses = [...first, ...more].flatMap((one) => (one === undefined ? [] : texts(one)));
    expect(new Set(addresses).size).toBe(502);
    const blocks = await allBlocks(objects);
    expect(
      checkIpam({ ...nobody, blocks, pools: after.pools }).broken.filter((what) => what.includes('overlaps')),
    ).toEqual([]);
  },
);

test('an address that is asked for and lies in a block of another size is given from that block', async () => {
  const made = (blockSize: number) => factsOf([ipPool('p', '10.9.0.0/22', { blockSize })]);
  const objects = countedObjects();
  const options = { objects, clock: realClock, random: seededRandom(1) };
  const old = ledgerOf('old', { ...options, facts: () => made(28) });
  const ask = (address: string) => ({ addresses: [ip(address)] });
  texts(await old.assign(podRequest('a', ask('10.9.1.1'))));
  const next = ledgerOf('next', { ...options, facts: () => made(26) });
  expect(await next.assign(podRequest('b', ask('10.9.1.2')))).toMatchObject({
    ok: true,
    value: [{ block: cidr('10.9.1.0/28'), borrowed: true }],
  });
  expect(await refusal(next.assign(podRequest('c', ask('10.9.1.60'))))).toContain(
    '10.9.1.60 cannot be given on next: block 10.9.1.0/28 of old, of another size than the blockSize of the pool, is in the way.',
  );
});

/** Every request takes so long, on this clock. */
function slowly(objects: Objects, clock: Clock, ms: number): Objects {
  const late = async <T>(request: () => Promise<T>): Promise<T> => {
    await new Promise<void>((resolve) => clock.after(millis(ms), resolve));
    return request();
  };
  return {
    get: (ref) => late(() => objects.get(ref)),
    list: (kind, scope) => late(() => objects.list(kind, scope)),
    create: (manifest) => late(() => objects.create(manifest)),
    update: (manifest, version) => late(() => objects.update(manifest, version)),
    updateStatus: (manifest, version) => late(() => objects.updateStatus(manifest, version)),
    delete: (ref, version) => late(() => objects.delete(ref, version)),
  };
}

const drain = async (): Promise<void> => {
  for (let n = 0; n < 20; n += 1) await new Promise((resolve) => setImmediate(resolve));
};

test('a new node claims its IPv4 and its IPv6 block at once: the first pod waits for one claim, not two', async () => {
  const objects = countedObjects();
  const clock = virtualClock();
  const facts = factsOf([v4, v6]);
  const options = { clock, random: seededRandom(1), facts: () => facts };
  const ledger = ledgerOf('node1', { ...options, objects: slowly(objects, clock, 2) });
  let answers = 0;
  const given = ledger.assign(podRequest('a', { families: [4, 6] })).finally(() => {
    answers += 1;
  });
  for (; answers === 0; clock.advance(1)) await drain();
  texts(await given);
  // The three lists of the start together, five steps of both claims together, both blocks together.
  expect(clock.now()).toBeLessThanOrEqual((1 + 5 + 1) * 2 + 1);
  expect(objects.requests.count).toBe(3 + 2 * 5 + 2);
});

test('an API server that answers nothing, not even a refusal, is said to be away after three seconds', async () => {
  const clock = virtualClock();
  const never = slowly(countedObjects(), clock, 3_600_000);
  const facts = factsOf([v4]);
  const ledger = ledgerOf('node1', { clock, random: seededRandom(1), facts: () => facts, objects: never });
  const asked = ledger.assign(podRequest('a'));
  await drain();
  clock.advance(3000);
  expect(await refusal(asked)).toBe(
    'IPAM gave up after 3 s: the API server does not answer. It is tried again.',
  );
});

test('of a handle nothing is known before the blocks were read, and nothing is held that they do not say', async () => {
  const { open } = world();
  const ledger = open('node1');
  expect(ledger.mayHold('a')).toBe(true);
  await ledger.holdings();
  expect(ledger.mayHold('a')).toBe(false);
  texts(await ledger.assign(podRequest('a')));
  expect(ledger.mayHold('a')).toBe(true);
  await ledger.releaseByHandle('a');
  expect(ledger.mayHold('a')).toBe(false);
});
