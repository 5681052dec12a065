import { describe, expect, test } from 'vitest';
import { Drain, drainWaitMs } from '../../../bgp/follow/drain.ts';
import { formatPrefix } from '../../../src/lib/net.ts';
import { virtualClock } from '../../support/clock.ts';
import { daemonBench } from '../../support/daemon-bench.ts';
import { memoryStore } from '../../support/memory-store.ts';

function bench() {
  const clock = virtualClock();
  const told: unknown[] = [];
  const drain: Drain = new Drain(clock, () => told.push(drain.phase));
  return { clock, told, drain };
}

describe('a drain', () => {
  test('RFC 8326: marks what is announced first, and withdraws it ten seconds later', () => {
    const { clock, told, drain } = bench();
    drain.want(true, false);
    expect(drain.phase).toBe('shutdown');
    clock.advance(drainWaitMs - 1);
    drain.want(true, false);
    expect([drain.phase, told]).toEqual(['shutdown', []]);
    clock.advance(1);
    expect([drain.phase, told]).toEqual(['withdrawn', ['withdrawn']]);
  });

  test('that is undone, in either phase, is as if it had not been', () => {
    const { clock, told, drain } = bench();
    drain.want(true, false);
    drain.want(false, false);
    expect([drain.phase, clock.pending]).toEqual([undefined, 0]);
    drain.want(true, false);
    clock.advance(drainWaitMs);
    drain.want(false, false);
    expect([drain.phase, told]).toEqual([undefined, ['withdrawn']]);
  });

  test('of a speaker whose routes nobody has yet begins with nothing announced', () => {
    const { clock, drain } = bench();
    drain.want(true, true);
    expect([drain.phase, clock.pending]).toEqual(['withdrawn', 0]);
  });

  test('goes on as the speaker’s end has it once that has begun, whoever wants what', () => {
    const { clock, drain } = bench();
    drain.leave('shutdown');
    drain.want(false, false);
    expect(drain.phase).toBe('shutdown');
    drain.leave('withdrawn');
    drain.leave('shutdown');
    expect([drain.phase, clock.pending]).toEqual(['withdrawn', 0]);
  });
});

test('the annotation node.tortie.io/drain drains the node, and its removal restores it', async () => {
  const plain = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node1' },
    spec: { podCIDRs: ['10.244.1.0/24'] },
    status: { addresses: [{ type: 'InternalIP', address: '172.30.0.11' }] },
  };
  const drained = (value: string) => ({
    ...plain,
    metadata: { name: 'node1', annotations: { 'node.tortie.io/drain': value } },
  });
  const store = memoryStore(plain);
  const { daemon, clock, until, status } = await daemonBench(store);
  const phase = () => daemon.speaker.life.config?.drain;
  await until(() => expect(daemon.speaker.life.config?.origins.map(formatPrefix)).toEqual(['10.244.1.0/24']));
  expect(phase()).toBeUndefined();
  store.apply(drained('true'));
  await until(() => expect(phase()).toBe('shutdown'));
  clock.advance(drainWaitMs);
  await until(() => expect(phase()).toBe('withdrawn'));
  store.apply(plain);
  await until(() => expect(phase()).toBeUndefined());
  store.apply(drained('yes'));
  await until(() => expect(JSON.stringify(status().problems)).toContain('says neither that the node'));
  expect(phase()).toBeUndefined();
});
