/** What a real kernel does when it has no room or gives no right: events and answers lost, a transaction too large, no capability. */
import { execFileSync, spawnSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Graph, rulesetOf } from '../../felix/calc/graph.ts';
import { PolicySync } from '../../felix/dataplane/apply.ts';
import { difference } from '../../felix/dataplane/difference.ts';
import { PodRoutes } from '../../felix/dataplane/routes.ts';
import { realClock } from '../../src/host/clock.ts';
import type { KernelEvent } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/linux.ts';
import { int32, type Native, native } from '../../src/kernel/native.ts';
import { NftBatch } from '../../src/kernel/netlink/nft/batch.ts';
import { addChain, addTable, deleteChain } from '../../src/kernel/netlink/nft/object.ts';
import { isNftRefusal } from '../../src/kernel/nft-batch.ts';
import { address } from '../support/clusters.ts';
import { eventually } from '../support/eventually.ts';
import { createFelixNode, namespaceObject, nodeObject } from '../support/felix.ts';
import { createPlayground } from '../support/namespaces.ts';
import { shopGraph } from '../support/shop.ts';

const soon = { within: 30_000 };
const ground = createPlayground('lim');
const path = `/run/netns/${ground.netns('node')}`;
const inNode = (program: string, args: readonly string[], input: string): void => {
  execFileSync('nsenter', [`--net=${path}`, program, ...args], { input });
};

/** Netlink sockets that were opened since, newest last. */
const opened: number[] = [];
const { socket } = native();
const noted: Pick<Native, 'socket'> = {
  socket: (domain, type, protocol) => {
    const fd = socket(domain, type, protocol);
    opened.push(fd);
    return fd;
  },
};
const [SOL_SOCKET, SO_RCVBUF] = [1, 8];
/** The newest socket holds no more than the kernel's least: some few messages. */
const squeeze = (): void => {
  expect(native().setsockopt(opened.at(-1) ?? -1, SOL_SOCKET, SO_RCVBUF, int32(1))).toBe(0);
};

beforeAll(() => void Object.assign(native(), noted));
afterAll(async () => {
  Object.assign(native(), { socket });
  await ground.close();
});

const differs = async (graph: Graph, kernel: ReturnType<typeof openKernel>) => {
  const options = { chainsFreedLate: false, isKept: () => false, isTrusted: () => false };
  const wanted = { ...options, ruleset: rulesetOf(graph), turn: async () => undefined };
  return (await difference(kernel, wanted)).now.objects;
};

describe('events of more than the socket holds', () => {
  const closes: (() => void)[] = [];
  afterEach(() => {
    for (const close of closes.splice(0)) close();
  });

  test('of nftables: the table is read anew, and what was done to it meanwhile is put back', async () => {
    const kernel = openKernel(path);
    const graph = shopGraph();
    const told: string[] = [];
    const lost: boolean[] = [];
    const sync = new PolicySync({
      ...{ graph, clock: realClock, random: Math.random, chainsFreedLate: false },
      kernel: {
        ...kernel,
        watchNft: (table, onForeign, onOther) =>
          kernel.watchNft(
            table,
            (sets) => {
              lost.push(sets === undefined);
              onForeign(sets);
            },
            onOther,
          ),
      },
      observe: {
        written: ({ full, transactions }) => void told.push(`${full ? 'full' : 'change'} ${transactions}`),
        refused: (why) => void told.push(why),
        foreign: () => void told.push('foreign'),
      },
    });
    closes.push(
      () => sync.stop(),
      () => kernel.close(),
    );
    sync.start();
    await eventually(() => expect(told).toEqual(['full 1', 'full 0']), soon);
    squeeze();
    // Whoever waits for this program hears nothing of what it does until it is done.
    const many = Array.from({ length: 2000 }, (_, index) => `10.${index >> 8}.${index & 255}.1`);
    inNode(
      'nft',
      ['-f', '-'],
      `add table inet theirs\nadd set inet theirs many { type ipv4_addr; }\nadd element inet theirs many { ${many.join()} }
       flush chain inet tortie to-pods\ndelete table inet theirs\n`,
    );
    expect(await differs(graph, kernel)).not.toEqual([]);
    await eventually(async () => expect(await differs(graph, kernel)).toEqual([]), soon);
    expect(lost).toContain(true);
    expect(told.slice(2)).toContain('foreign');
  });

  test('of routes: they are listed anew, and those that somebody deleted meanwhile are put back', async () => {
    const kernel = openKernel(path);
    const seen: KernelEvent['kind'][] = [];
    inNode('ip', ['-batch', '-'], 'link add up0 type veth peer name up1\nlink set up0 up\nlink set up1 up\n');
    closes.push(kernel.watch(({ kind }) => void seen.push(kind)));
    squeeze();
    const routes = new PodRoutes(kernel, realClock, Math.random);
    closes.push(
      () => routes.stop(),
      () => kernel.close(),
    );
    const ifindex = (await kernel.link('up0'))?.ifindex ?? 0;
    routes.put('up0', ifindex, [address('10.1.0.1'), address('fd01::1')]);
    routes.start();
    const there = async (): Promise<number> =>
      (await kernel.routes({ version: 4, protocol: 81 })).length +
      (await kernel.routes({ version: 6, protocol: 81 })).length;
    await eventually(async () => expect(await there()).toBe(2), soon);
    const many = Array.from({ length: 2000 }, (_, index) => `10.2.${index >> 8}.${index & 255}`);
    inNode(
      'ip',
      ['-batch', '-'],
      [
        ...many.map((one) => `route add blackhole ${one}`),
        'route delete 10.1.0.1',
        'route delete fd01::1',
        ...many.map((one) => `route delete blackhole ${one}`),
        '',
      ].join('\n'),
    );
    expect(await there()).toBe(0);
    await eventually(async () => expect(await there()).toBe(2), soon);
    expect(seen).toContain('overrun');
  });
});

describe('a transaction', () => {
  const bad = (count: number): NftBatch => {
    const batch = new NftBatch();
    batch.about({ kind: 'table', name: 'tortie' });
    addTable(batch, 'tortie');
    for (let index = 0; index < count; index++) {
      batch.about({ kind: 'chain', name: `good-${index}` });
      addChain(batch, 'tortie', `good-${index}`);
      batch.about({ kind: 'chain', name: `bad-${index}`, removed: true });
      deleteChain(batch, 'tortie', `bad-${index}`);
    }
    return batch;
  };

  test('that is refused for more reasons than the socket holds is refused whole, and told for those it holds', async () => {
    const kernel = openKernel(path);
    await kernel.nft('add table inet tortie\ndelete table inet tortie\nadd table inet tortie\n');
    await kernel.nftTable('tortie');
    squeeze();
    const batch = bad(3000);
    expect(batch.length).toBeGreaterThan(128 * 1024);
    const refused = await kernel.nftWrite(batch).catch((error: unknown) => error);
    expect(isNftRefusal(refused) && refused.refused[0]).toMatchObject({
      object: { kind: 'chain', name: 'bad-0' },
      errno: 'ENOENT',
    });
    expect((await kernel.nftTable('tortie'))?.chains.size).toBe(0);
    kernel.close();
  });
});

/** Writes a large ruleset in a new network namespace, and tells what it took and what differs then. */
const writer = `
  import { difference } from './felix/dataplane/difference.ts';
  import { openKernel } from './src/kernel/linux.ts';
  import { native } from './src/kernel/native.ts';
  import { swapped } from './test/support/swap-rulesets.ts';
  // What a machine says whose net.core.wmem_max is the usual one: this one's may be larger.
  const { setsockopt } = native();
  const isSendBuffer = (name) => name === 7 || name === 32;
  const stingy = (fd, level, name, value) => (isSendBuffer(name) ? -1 : setsockopt(fd, level, name, value));
  if (process.env.STINGY !== undefined) Object.assign(native(), { setsockopt: stingy });
  const kernel = openKernel();
  const turn = async () => undefined;
  const wanted = { turn, ruleset: swapped[0], chainsFreedLate: false, isKept: () => false, isTrusted: () => false };
  const { now } = await difference(kernel, wanted);
  const transactions = await kernel.nftWrite(now);
  console.log(transactions, (await difference(kernel, wanted)).now.isEmpty);
  kernel.close();`;
const typed = ['--input-type=module-typescript', '-e'];
const unshared = ['unshare', '--user', '--map-root-user', '--net'];

/** A kernel may give nobody one, and gives none to who is in a chroot. */
const canUnshare = spawnSync('unshare', ['--user', 'true']).status === 0;
if (!canUnshare) console.log('limits: skipped in a user namespace, as this kernel gives us none');

const writes = async (under: readonly string[]): Promise<string> => {
  const run = ground.start('alone', [process.execPath, ...typed, writer], { under });
  await run.ended;
  return run.output().trim();
};

test('a large ruleset is written in one transaction where there is room for it', async () => {
  expect(await writes([])).toBe('1 true');
});

test.skipIf(!canUnshare)(
  'a large ruleset is written in parts in a user namespace, where there is none',
  async () => {
    expect(await writes(['env', 'STINGY=yes', ...unshared])).toMatch(/^([2-9]|\d\d+) true$/);
  },
);

describe('without CAP_NET_ADMIN', () => {
  const node = createFelixNode('lima', 'node1');
  afterAll(() => node.close());

  test('the agent says so, ends with 1 for a new start to find it mended, and leaves the rules there are', async () => {
    node.store([nodeObject('node1', '10.244.1.0/24'), namespaceObject('shop')]);
    await node.ground.exec('node1', "nft 'add table inet tortie; add chain inet tortie before'");
    const felix = node.launch([], {
      under: ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin'],
    });
    await eventually(() => expect(felix.process.exitCode).toBe(1), { within: 60_000, every: 100 });
    expect(felix.output()).toMatch(/cannot read nftables: EPERM; give this process CAP_NET_ADMIN/);
    expect(felix.output()).not.toContain('    at ');
    expect(await node.ground.exec('node1', 'nft list table inet tortie')).toContain('chain before');
  });
});
