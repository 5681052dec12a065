import { describe, expect, test } from 'vitest';
import { acceptedOf } from '../../../src/controller/decide/accepted.ts';
import { settle, statusIn, type Verdict } from '../../../src/controller/decide/condition.ts';
import { readyOf } from '../../../src/controller/decide/peer.ts';
import { allocatableOf, exhausted, reservedIn } from '../../../src/controller/decide/pool.ts';
import { emptyBlock } from '../../../src/ipam/block.ts';
import { asn } from '../../../src/lib/net.ts';
import type { CalicoNodeStatus, SessionReport } from '../../../src/model/node-report.ts';
import type { Node } from '../../../src/model/resource.ts';
import { bgpPeer, ipPool, node } from '../../support/resources.ts';
import { prefix } from '../../support/wire.ts';
import { workloadPeer } from '../../support/workloads.ts';

const verdict = (over: Partial<Verdict> = {}): Verdict => ({
  type: 'Ready',
  status: 'True',
  reason: 'Established',
  message: 'Established on 2 of 2 nodes',
  ...over,
});
const row = (over: object = {}): object => ({
  ...verdict(),
  lastTransitionTime: '2026-01-01T00:00:00Z',
  observedGeneration: 3,
  ...over,
});
const [then, now] = ['2026-01-01T00:00:00Z', '2026-02-02T00:00:00Z'];

describe('conditions', () => {
  test('that say what they should are not written', () => {
    expect(settle({ conditions: [row()], generation: 3 }, [verdict()], now)).toBeUndefined();
  });

  test('with another message keep the time of their last transition', () => {
    const settled = settle({ conditions: [row()], generation: 3 }, [verdict({ message: 'new' })], now);
    expect(settled).toEqual([row({ message: 'new', lastTransitionTime: then })]);
  });

  test('with another status get a new time', () => {
    const settled = settle({ conditions: [row()], generation: 3 }, [verdict({ status: 'False' })], now);
    expect(settled).toEqual([row({ status: 'False', lastTransitionTime: now })]);
  });

  test('of an object whose generation grew are written, so that a reader knows they are of today', () => {
    const settled = settle({ conditions: [row()], generation: 4 }, [verdict()], now);
    expect(settled).toEqual([row({ observedGeneration: 4 })]);
  });

  test('of others stay as they are and where they are', () => {
    const foreign = { type: 'Audited', status: 'True', reason: 'x', message: '', lastTransitionTime: then };
    const settled = settle(
      { conditions: [foreign, row({ status: 'False' })], generation: 3 },
      [verdict(), verdict({ type: 'Accepted', reason: 'Accepted', message: 'fine' })],
      now,
    );
    expect(settled?.[0]).toEqual(foreign);
    expect(settled?.map((one) => statusIn([one], 'Ready') ?? statusIn([one], 'Accepted'))).toEqual([
      undefined,
      'True',
      'True',
    ]);
  });

  test.each([undefined, null, 'text', [null, 1]])(
    'an object whose conditions are %j gets ours',
    (conditions) => {
      expect(settle({ conditions }, [verdict()], now)).toEqual([{ ...verdict(), lastTransitionTime: now }]);
    },
  );
});

describe('Accepted', () => {
  test('is True for an object nothing is wrong with', () => {
    expect(acceptedOf([])).toMatchObject({ status: 'True', reason: 'Accepted' });
  });

  test('says of each wrong field where it is, what is wrong and what to do, in any datastore', () => {
    const said = acceptedOf([
      { where: 'BGPPeer/tor spec.peerIP', what: 'must be an IP address.', fix: 'Write one.' },
      { where: 'a.yaml:7 (document 2) BGPPeer/tor spec.asNumber', what: 'is missing.', fix: 'Give it.' },
      { where: 'BGPPeer/tor', what: 'is also in b.yaml.', fix: 'Remove one.' },
    ]);
    expect(said).toMatchObject({ status: 'False', reason: 'Invalid' });
    expect(said.message).toBe(
      'spec.peerIP: must be an IP address. Write one. spec.asNumber: is missing. Give it. The object is also in b.yaml. Remove one. What was valid last stays in force until a node restarts.',
    );
  });

  test('counts what it does not tell', () => {
    const problems = Array.from({ length: 9 }, (_, n) => ({
      where: `X/y spec.f${n}`,
      what: 'w.',
      fix: 'f.',
    }));
    expect(acceptedOf(problems).message).toContain('There are 4 more.');
  });
});

const at = '2026-03-03T00:10:00.000Z';
const wallNow = Date.parse('2026-03-03T00:12:00.000Z');

const session = (name: string, over: Partial<SessionReport> = {}): SessionReport => ({
  ...{ name, address: '10.0.0.1', type: 'global', asn: asn(1), state: 'Established', since: at },
  ...{ received: 1, accepted: 1, advertised: 1 },
  ...over,
});

const status = (name: string, peers: readonly SessionReport[], reportedAt = at): CalicoNodeStatus => ({
  kind: 'CalicoNodeStatus',
  meta: { name, labels: {}, annotations: {} },
  node: name,
  report: {
    bgp: {
      ...{ version: '1', at: reportedAt, inSync: true, problems: [], originated: [], sees: [] },
      ...{ sessions: { established: 1, total: 1 }, kernel: { installed: 0, pending: 0 } },
      peers,
    },
  },
});
const byName = <T extends Node | CalicoNodeStatus>(...all: readonly T[]): ReadonlyMap<string, T> =>
  new Map(all.map((one) => [one.meta.name, one]));

describe('Ready of a BGPPeer', () => {
  const three = byName(node('n1', { labels: { rack: 'a' } }), node('n2'), node('n3'));
  const tor = bgpPeer('tor', '10.0.0.1');
  const up = ['n1', 'n2', 'n3'].map((name) => status(name, [session('tor')]));

  test('is True when every node it selects has its session', () => {
    expect(readyOf(tor, true, three, byName(...up), wallNow)).toEqual(
      verdict({ message: 'Established on 3 of 3 nodes' }),
    );
  });

  test('is False with the nodes that are down, those with one reason together', () => {
    const down = (name: string, lastError: string) =>
      status(name, [session('tor', { state: 'Active', lastError })]);
    const reports = byName(
      down('n1', 'connection refused.'),
      down('n2', 'connection refused.'),
      up[2] ?? down('', ''),
    );
    expect(readyOf(tor, true, three, reports, wallNow)).toMatchObject({
      status: 'False',
      reason: 'SessionsDown',
      message: 'Established on 1 of 3 nodes; down on n1, n2: connection refused',
    });
  });

  test('is True where no pod is that it selects, for none may be meant to, and False where one does not dial', () => {
    const pods = workloadPeer('pods', 'all()');
    const empty = [status('n2', []), status('n3', [])];
    const [one, mute] = [
      session('pods'),
      session('pods', { state: 'Active', lastError: 'it has not dialled us yet' }),
    ];
    const ready = (...peers: readonly SessionReport[]) =>
      readyOf(pods, true, three, byName(status('n1', peers), ...empty), wallNow);
    expect(ready()).toMatchObject({
      status: 'True',
      reason: 'Waiting',
      message: 'no such pod on n1, n2, n3',
    });
    expect(ready(one)).toMatchObject({
      status: 'True',
      message: 'Established on 1 of 3 nodes; no such pod on n2, n3',
    });
    expect(ready(one, mute)).toMatchObject({
      status: 'False',
      message: 'down on n1: it has not dialled us yet; no such pod on n2, n3',
    });
  });

  test('is False when it selects no node, and says which field does that', () => {
    const selecting = bgpPeer('tor', '10.0.0.1', { nodeSelector: 'rack == "z"' });
    expect(readyOf(selecting, true, three, byName(...up), wallNow)).toMatchObject({
      status: 'False',
      reason: 'NoNodes',
      message: expect.stringContaining('spec.nodeSelector matches no node.'),
    });
    expect(readyOf(bgpPeer('tor', '10.0.0.1', { node: 'n9' }), true, three, byName(), wallNow).message).toBe(
      'There is no Node n9. Correct spec.node, or add the node.',
    );
  });

  test('counts only the nodes it selects', () => {
    const selecting = bgpPeer('tor', '10.0.0.1', { nodeSelector: 'rack == "a"' });
    expect(readyOf(selecting, true, three, byName(up[0] ?? status('', [])), wallNow).message).toBe(
      'Established on 1 of 1 node',
    );
  });

  test('is Unknown while nodes have not reported, or not for long', () => {
    const old = status('n3', [session('tor')], '2026-03-02T00:00:00.000Z');
    const reports = byName(status('n1', [session('tor')]), old);
    expect(readyOf(tor, true, three, reports, wallNow)).toMatchObject({
      status: 'Unknown',
      reason: 'NoReport',
      message: 'Established on 1 of 3 nodes; no report from n2, n3',
    });
  });

  test('does not take a mesh session with a node of its name for its own', () => {
    const mesh = status('n1', [session('tor', { type: 'node-to-node mesh' })]);
    const one = byName(node('n1'));
    expect(readyOf(tor, true, one, byName(mesh), wallNow)).toMatchObject({
      status: 'False',
      message: 'down on n1: it has no session',
    });
  });

  test('names ten nodes and counts the others', () => {
    const many = Array.from({ length: 14 }, (_, n) => node(`n${n}`));
    const { message } = readyOf(tor, true, byName(...many), byName(), wallNow);
    expect(message).toContain('n8, n9 and 4 more');
  });

  test('of an object that is wrong is False and points to Accepted', () => {
    expect(readyOf(undefined, false, three, byName(), wallNow)).toMatchObject({ reason: 'NotAccepted' });
    expect(readyOf(tor, false, three, byName(...up), wallNow)).toMatchObject({ status: 'False' });
  });
});

describe('Allocatable of an IPPool', () => {
  const wide = ipPool('10.0.0.0/16', { created: '2026-01-02T00:00:00Z' });
  const narrow = ipPool('10.0.1.0/24', { created: '2026-01-01T00:00:00Z' });

  test.each([
    ['OK', ipPool('10.0.0.0/16'), []],
    ['PoolDisabled', ipPool('10.0.0.0/16', { disabled: true }), []],
    ['Terminating', ipPool('10.0.0.0/16', { disabled: true, terminating: true }), []],
    ['OK', ipPool('10.0.0.0/16'), [ipPool('10.1.0.0/16'), ipPool('fd00::/48')]],
  ] as const)('has the reason %s', (reason, pool, others) => {
    expect(allocatableOf(pool, [pool, ...others], [])).toMatchObject({
      reason,
      status: reason === 'OK' ? 'True' : 'False',
    });
  });

  test('is False for the younger of two that overlap, and names the elder', () => {
    expect(allocatableOf(narrow, [wide, narrow], [])).toMatchObject({ status: 'True' });
    const { reason, message } = allocatableOf(wide, [wide, narrow], []);
    expect(reason).toBe('CIDROverlap');
    expect(message).toBe(
      '10.0.0.0/16 overlaps 10.0.1.0/24 of the older pool 10-0-1-0-24. Delete one of the two.',
    );
  });

  test('of two of one second exactly one has it', () => {
    const twins = [wide, ipPool('10.0.1.0/24', { created: '2026-01-02T00:00:00Z' })];
    const ok = twins.filter((one) => allocatableOf(one, twins, []).status === 'True');
    expect(ok).toHaveLength(1);
  });

  const blocksOf = (...cidrs: readonly string[]) =>
    cidrs.map((cidr) => emptyBlock(prefix(cidr), { type: 'host', node: 'n1' }, then));

  test('names blocks of another size, as of a pool made anew with another blockSize', () => {
    const blocks = blocksOf('10.0.0.0/26', '10.0.4.0/24', '10.9.0.0/24');
    expect(allocatableOf(wide, [wide], blocks)).toMatchObject({
      status: 'True',
      reason: 'BlockSizeMismatch',
      message: expect.stringContaining('Its blockSize is 26, but one block is of another: 10.0.4.0/24.'),
    });
  });

  test('says so when blocks overlap, for one address may be given twice', () => {
    const blocks = blocksOf('10.0.4.64/26', '10.0.4.0/24', '10.0.5.0/26');
    const { reason, message } = allocatableOf(wide, [wide], blocks);
    expect(reason).toBe('BlockOverlap');
    expect(message).toContain('Blocks overlap: 10.0.4.0/24, 10.0.4.64/26.');
  });
});

describe('a pool', () => {
  const pool = ipPool('10.0.0.0/30', { blockSize: 30 });
  const block = emptyBlock(prefix('10.0.0.0/30'), { type: 'host', node: 'n1' }, then);
  const given = (...indexes: readonly (number | undefined)[]) => ({
    ...block,
    allocations: indexes,
    attributes: [{ handle: 'h', secondary: {} }],
  });

  test('is exhausted when every address of it is given, and not one before', () => {
    expect(exhausted([pool], [given(0, 0, 0, 0)], [])).toEqual([pool]);
    expect(exhausted([pool], [given(0, 0, 0, undefined)], [])).toEqual([]);
    expect(exhausted([{ ...pool, disabled: true }], [given(0, 0, 0, 0)], [])).toEqual([]);
  });

  test('has no more than is not reserved, and what was given before it was reserved counts once', () => {
    const last = [prefix('10.0.0.3/32')];
    expect(exhausted([pool], [given(0, 0, 0, undefined)], last)).toEqual([pool]);
    expect(exhausted([pool], [given(0, 0, undefined, 0)], last)).toEqual([]);
    expect(exhausted([pool], [], [prefix('10.0.0.0/8')])).toEqual([pool]);
  });

  test('counts what is reserved twice once, and nothing outside of it', () => {
    const reserved = ['10.0.0.0/31', '10.0.0.0/31', '10.0.0.1/32', '10.9.0.0/16', 'fd00::/64'].map(prefix);
    expect(reservedIn(pool.cidr, reserved)).toBe(2);
    expect(reservedIn(pool.cidr, [])).toBe(0);
    expect(reservedIn(pool.cidr, [prefix('10.0.0.0/30'), prefix('10.0.0.0/8')])).toBe(4);
  });
});
