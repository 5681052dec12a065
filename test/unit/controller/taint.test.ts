import { describe, expect, test } from 'vitest';
import { isWaiting, waitsFor, withoutTaint } from '../../../src/controller/decide/taint.ts';
import type { BgpReport, CalicoNodeStatus, FelixReport } from '../../../src/model/node-report.ts';
import { startupTaint } from '../../../src/model/node-report.ts';
import { node } from '../../support/resources.ts';

const born = '2026-03-03T00:00:00Z';
const at = '2026-03-03T00:01:00.000Z';
const before = '2026-03-02T23:59:00.000Z';

const felix = (over: Partial<FelixReport> = {}): FelixReport => ({
  ...{ version: '1', at, inSync: true, problems: [], dataplane: 'in-sync' },
  endpoints: { ready: 0, total: 0 },
  ...over,
});
const bgp = (over: Partial<BgpReport> = {}): BgpReport => ({
  ...{ version: '1', at, inSync: true, problems: [], originated: [], sees: [], peers: [] },
  ...{ sessions: { established: 1, total: 1 }, kernel: { installed: 0, pending: 0 } },
  ...over,
});
const reports = (of: Readonly<Record<string, CalicoNodeStatus['report']>>) =>
  new Map(
    Object.entries(of).map(([name, report]): [string, CalicoNodeStatus] => [
      name,
      { kind: 'CalicoNodeStatus', meta: { name, labels: {}, annotations: {} }, node: name, report },
    ]),
  );

const tainted = node('new', { taints: [{ key: startupTaint, effect: 'NoSchedule' }] });
const nodes = [tainted, node('old')];
const own = { felix: felix(), bgp: bgp() };
const seen = { bgp: bgp({ sees: ['new'] }) };

describe('the startup taint', () => {
  test('goes when the node’s policy is in and another node sees its routes', () => {
    expect(waitsFor('new', nodes, reports({ new: own, old: seen }), born)).toBeUndefined();
  });

  test.each([
    ['its node agent has not reported yet', { old: seen }],
    ['its node agent has not reported yet', { new: { ...own, felix: felix({ at: before }) }, old: seen }],
    [
      'its policy is not in the kernel (waiting)',
      { new: { ...own, felix: felix({ dataplane: 'waiting' }) }, old: seen },
    ],
    [
      'its policy is not in the kernel (nft says no)',
      { new: { ...own, felix: felix({ dataplane: 'failing', lastError: 'nft says no' }) }, old: seen },
    ],
    [
      'its policy is not in the kernel (in-sync)',
      { new: { ...own, felix: felix({ inSync: false }) }, old: seen },
    ],
    ['its speaker has not reported yet', { new: { felix: felix() }, old: seen }],
    ['its speaker has not reported yet', { new: { ...own, bgp: bgp({ at: before }) }, old: seen }],
    ['its speaker has not read the cluster yet', { new: { ...own, bgp: bgp({ inSync: false }) }, old: seen }],
    ['no other node has its routes in the kernel yet', { new: own }],
    ['no other node has its routes in the kernel yet', { new: own, old: { bgp: bgp() } }],
    ['no other node has its routes in the kernel yet', { new: own, old: { bgp: bgp({ sees: ['other'] }) } }],
    [
      'no other node has its routes in the kernel yet',
      { new: own, old: { bgp: bgp({ sees: ['new'], at: before }) } },
    ],
    // That it sees itself proves nothing.
    ['no other node has its routes in the kernel yet', { new: { ...own, bgp: bgp({ sees: ['new'] }) } }],
    // Nor does what a machine said that is no node any more.
    ['no other node has its routes in the kernel yet', { new: own, ghost: seen }],
  ])('stays while %s', (why, said) => {
    expect(waitsFor('new', nodes, reports(said), born)).toBe(why);
  });

  test('of a single node goes by its own report', () => {
    expect(waitsFor('new', [tainted], reports({ new: own }), born)).toBeUndefined();
    expect(waitsFor('new', [tainted], reports({}), born)).toBeDefined();
  });

  test('is looked at on nodes that have it and stay', () => {
    expect(isWaiting(tainted)).toBe(true);
    expect(isWaiting({ ...tainted, deleting: true })).toBe(false);
    expect(isWaiting(node('old', { taints: [{ key: 'dedicated', effect: 'NoExecute' }] }))).toBe(false);
  });

  test('is taken from among the others, whatever effects it has', () => {
    const other = { key: 'dedicated', value: 'gpu', effect: 'NoSchedule' };
    const ours = ['NoSchedule', 'NoExecute'].map((effect) => ({ key: startupTaint, effect }));
    expect(withoutTaint({ taints: [ours[0], other, ours[1]] })).toEqual([other]);
    expect(withoutTaint({ taints: [other] })).toBeUndefined();
    expect(withoutTaint({})).toBeUndefined();
  });
});
