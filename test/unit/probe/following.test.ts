/** A trace is one at a time, bounded, and ends whatever becomes of who asked for it. */
import { expect, test } from 'vitest';
import { createGraph } from '../../../felix/calc/graph.ts';
import { Followings } from '../../../felix/probe/following.ts';
import type { TraceAsked } from '../../../felix/probe/request.ts';
import { kernelError } from '../../../src/kernel/kernel-error.ts';
import type { OpenNftTrace, TraceListener, TraceMatch } from '../../../src/kernel/nft-trace.ts';
import { virtualClock } from '../../support/clock.ts';

const asked: TraceAsked = { version: 4, protocol: 6, sourcePort: 61_000, forMs: 5000, ends: {} };

function setUp(
  more: { readonly isLegacy?: boolean; readonly refuse?: string; readonly unreadable?: true } = {},
) {
  const clock = virtualClock();
  const open: { readonly matches: readonly TraceMatch[]; readonly listener: TraceListener }[] = [];
  let closed = 0;
  const openTrace: OpenNftTrace = (matches, listener) => {
    if (more.refuse !== undefined) return Promise.reject(kernelError('run an nft transaction', more.refuse));
    open.push({ matches, listener });
    return Promise.resolve({
      rules: () =>
        more.unreadable === true
          ? Promise.reject(kernelError('read nftables', 'ENOBUFS'))
          : Promise.resolve([]),
      hooks: () => Promise.resolve([]),
      texts: () => Promise.resolve(new Map()),
      close: () => {
        closed += 1;
      },
    });
  };
  const followings = new Followings({
    ...{
      node: 'node1',
      graph: createGraph(),
      kernel: { links: () => Promise.resolve([]) },
      clock,
      random: () => 0,
    },
    isLegacy: () => more.isLegacy === true,
    open: openTrace,
  });
  const read = async (id: string) => {
    const reading = followings.read(id);
    clock.advance(1000);
    return reading;
  };
  return { clock, open, followings, read, closed: () => closed };
}

test('the flow and its answers are marked', async () => {
  const { followings, open } = setUp();
  expect(await followings.begin(asked)).toEqual({ ok: true, value: '1-0' });
  expect(open[0]?.matches).toEqual([
    { version: 4, protocol: 6, sourcePort: 61_000 },
    { version: 4, protocol: 6, destinationPort: 61_000 },
  ]);
  await followings.begin({ version: 6, protocol: 58, icmpId: 7, forMs: 1, ends: {} });
});

test('there is one at a time, also while the first is being opened', async () => {
  const { followings, read, closed } = setUp();
  const both = await Promise.all([followings.begin(asked), followings.begin(asked)]);
  expect(both).toMatchObject([{ ok: true }, { ok: false, error: { status: 409 } }]);
  expect(await followings.begin(asked)).toMatchObject({ ok: false, error: { status: 409 } });
  expect(await read('1-0')).toMatchObject({ ok: true, value: { node: 'node1', steps: [], cut: false } });
  expect(closed()).toBe(1);
  expect(await followings.begin(asked)).toEqual({ ok: true, value: '2-0' });
});

test('it ends by itself when its time is over, and then nobody can read it', async () => {
  const { followings, read, clock, closed } = setUp();
  await followings.begin(asked);
  clock.advance(4999);
  expect(closed()).toBe(0);
  clock.advance(1);
  expect(closed()).toBe(1);
  expect(await read('1-0')).toMatchObject({ ok: false, error: { status: 404 } });
});

test('what is more than is kept is said to be missing, and so is what the kernel lost', async () => {
  for (const flood of [true, false]) {
    const { followings, read, open } = setUp();
    await followings.begin(asked);
    const { listener } = open[0] ?? {};
    for (let id = 0; id < (flood ? 2001 : 1); id++)
      listener?.step({ id, family: 1, table: 'fw', chain: 'guard', type: 'policy', verdict: 'accept' });
    if (!flood) listener?.lost();
    const report = await read('1-0');
    expect(report).toMatchObject({ ok: true, value: { cut: true } });
    expect(report.ok && report.value.steps.length).toBe(flood ? 2000 : 1);
  }
});

test('where the kernel cannot trace, that is said, and nothing stays open', async () => {
  expect(await setUp({ isLegacy: true }).followings.begin(asked)).toMatchObject({
    error: { status: 501, sentence: expect.stringContaining('iptables-legacy') },
  });
  expect(await setUp({ refuse: 'EOPNOTSUPP' }).followings.begin(asked)).toMatchObject({
    error: { status: 501, sentence: expect.stringContaining('EOPNOTSUPP') },
  });
  const unreadable = setUp({ unreadable: true });
  expect(await unreadable.followings.begin(asked)).toMatchObject({ error: { status: 501 } });
  expect(unreadable.closed()).toBe(1);
});

test('an end of the process ends it', async () => {
  const { followings, closed } = setUp();
  await followings.begin(asked);
  followings.stop();
  expect(closed()).toBe(1);
});
