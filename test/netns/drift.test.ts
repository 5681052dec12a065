/** The table in a real kernel under other people's hands: it is put back, others' tables are left, and what is refused is closed. */
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { type Graph, putEndpoint, rulesetOf, tick } from '../../felix/calc/graph.ts';
import { PolicySync } from '../../felix/dataplane/apply.ts';
import { readCounters } from '../../felix/dataplane/counters.ts';
import { difference } from '../../felix/dataplane/difference.ts';
import { realClock } from '../../src/host/clock.ts';
import { openKernel } from '../../src/kernel/linux.ts';
import { eventually } from '../support/eventually.ts';
import { createPlayground } from '../support/namespaces.ts';
import { shopEndpoint, shopGraph } from '../support/shop.ts';

const ground = createPlayground('drift');
const kernel = openKernel(`/run/netns/${ground.netns('node')}`);
const soon = { within: 30_000, every: 50 };
const told: string[] = [];
const ended: string[] = [];
let graph: Graph;
let sync: PolicySync;

const nft = (command: string): Promise<string> => ground.exec('node', `nft ${command}`);
const differs = async () => {
  const options = { chainsFreedLate: false, isKept: () => false, isTrusted: () => false };
  const { now } = await difference(kernel, {
    ...{ ...options, ruleset: rulesetOf(graph) },
    turn: async () => undefined,
  });
  return now.objects;
};
const isWhole = (): Promise<void> => eventually(async () => expect(await differs()).toEqual([]), soon);

beforeEach(async () => {
  graph = shopGraph();
  told.length = 0;
  sync = new PolicySync({
    ...{ graph, kernel, clock: realClock, random: Math.random, chainsFreedLate: false },
    observe: {
      written: ({ transactions }) => void told.push(`written ${transactions}`),
      refused: (why) => void told.push(why),
      foreign: () => void told.push('foreign'),
    },
    onFatal: ({ message }) => void ended.push(message),
  });
  sync.start();
  await eventually(() => expect(told[0]).toMatch(/^written/), soon);
  await isWhole();
});
afterEach(() => sync.stop());
afterAll(async () => {
  kernel.close();
  await ground.close();
});

test.each([
  ['is flushed', 'flush table inet tortie'],
  ['is deleted', 'delete table inet tortie'],
  ['is deleted with everybody else’s', 'flush ruleset'],
  ['has a rule more', 'insert rule inet tortie to-pods accept'],
  ['has a chain more', 'add chain inet tortie mine'],
  ['has a named counter', 'add counter inet tortie mine'],
  ['has a set more', "add set inet tortie mine '{ type ipv4_addr; }'"],
  [
    'has an element less',
    'delete element inet tortie from-endpoint { "$(nft list map inet tortie from-endpoint | grep -o \'cali[0-9a-f]*\' | head -1)" }',
  ],
  ['has been put to sleep', "add table inet tortie '{ flags dormant; }'"],
  [
    'is made anew with other kinds of things in it',
    "-f - <<'E'\ndelete table inet tortie\ntable inet tortie { set from-endpoint { type mark; }; chain to-pods { type filter hook output priority 5; }; }\nE",
  ],
])('a table that %s is put back', async (_, command) => {
  await nft(command);
  await eventually(() => expect(told).toContain('foreign'), soon);
  await isWhole();
  expect((await kernel.nftTable('tortie'))?.flags).toBe(0);
  expect(told.at(-1)).toBe('written 1');
});

test('a chain nobody touched keeps its counts while another is put back', async () => {
  await nft('\'insert rule inet tortie pods-to-host counter drop comment "theirs"\'');
  await isWhole();
  const handles = (listing: string): readonly string[] =>
    listing.split('\n').filter((line) => / to-pods | accept.*handle|drop.*handle/.test(line));
  const before = handles(await nft('-a list chain inet tortie to-pods'));
  await nft('flush chain inet tortie from-pods');
  await isWhole();
  expect(handles(await nft('-a list chain inet tortie to-pods'))).toEqual(before);
  expect([...(await readCounters(kernel)).keys()]).toContain('pods-to-host');
});

test('somebody else’s table is left as it is; one that drops what ours let through is told of', async () => {
  await nft("'table inet theirs { chain FWD { type filter hook forward priority 10; policy drop; }; }'");
  await eventually(
    () =>
      expect(sync.problems().map(({ where }) => where)).toEqual(['nftables chain FWD of table inet theirs']),
    soon,
  );
  expect(told).not.toContain('foreign');
  expect(await nft('list table inet theirs')).toContain('policy drop');
  await nft('delete table inet theirs');
});

test('what the kernel refuses is found, closed and told, and the rest is written', async () => {
  const toPods = rulesetOf(graph).chains.get('to-pods');
  if (toPods === undefined) throw new Error('no such chain');
  // Only nat chains translate: the kernel finds out by following the jumps.
  const bad = {
    name: 'bad',
    rules: [{ matches: [], verdict: { kind: 'masquerade' } as const, comment: 'NetworkPolicy shop/bad' }],
  };
  const link = { name: 'link', rules: [{ matches: [], verdict: { kind: 'jump', chain: 'bad' } as const }] };
  const jump = { matches: [], verdict: { kind: 'jump', chain: 'link' } as const };
  for (const chain of [bad, link, { ...toPods, rules: [jump, ...toPods.rules] }])
    graph.output.putChain(chain);
  putEndpoint(graph, { ...shopEndpoint('front-1', ['10.244.2.9']), id: 'late', interface: 'veth0a1b' });
  sync.wake();
  await eventually(() => expect(sync.problems()).toHaveLength(1), soon);
  expect(sync.problems()[0]?.where).toBe('nftables chain bad (NetworkPolicy shop/bad)');
  await eventually(() => expect(sync.status()).toMatchObject({ state: 'in-sync', pending: false }), soon);
  expect(await nft('list chain inet tortie bad')).toContain('drop comment "the kernel refused this chain');
  expect(await nft('list table inet tortie')).toContain('veth0a1b');
  graph.output.putChain({ ...bad, rules: [] });
  sync.wake();
  await isWhole();
  expect(sync.problems()).toEqual([]);
  expect(tick(graph).chains).toEqual([]);
});

test('it never came to the last word', () => expect(ended).toEqual([]));
