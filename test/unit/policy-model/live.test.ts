/** What the kernel did beside what policy says: who decided, whether they agree, and the words for it. */
import { describe, expect, test } from 'vitest';
import { ipv4 } from '../../../src/lib/net.ts';
import type { ProbeOutcome, TraceReport, TraceStep } from '../../../src/model/live.ts';
import { agreementOf, fateOf, type Half, type Live } from '../../../src/policy/live/fate.ts';
import { liveLines, liveVerdict } from '../../../src/policy/live/words.ts';
import type { Answer } from '../../../src/policy/why.ts';

const step = (more: Partial<TraceStep>): TraceStep => ({
  ...{ packet: '00000001', way: 'there', family: 'inet', table: 'tortie', chain: 'web', own: true },
  ...{ type: 'rule', verdict: 'accept' },
  ...more,
});
const ours = step({
  ...{ verdict: 'drop', handle: 9, packetsBefore: 4, packetsAfter: 5 },
  decision: {
    direction: 'Egress',
    action: 'Deny',
    tier: 'default',
    policy: 'GlobalNetworkPolicy no-dns',
    rule: 1,
  },
});
const theirs = step({
  ...{ verdict: 'drop', own: false, table: 'fw', chain: 'guard', handle: 5, text: 'tcp dport 80 drop' },
});

const report = (steps: readonly TraceStep[], there = 1, node = 'node1'): TraceReport => ({
  node,
  steps,
  packets: { there, back: 0 },
  cut: false,
});
const near = (steps: readonly TraceStep[] = [], there = 1): Half => ({
  ...{ node: 'node1', end: 'source' },
  report: report(steps, there),
});
const far = (steps: readonly TraceStep[] = [], there = 1): Half => ({
  ...{ node: 'node2', end: 'destination' },
  report: report(steps, there, 'node2'),
});
const gone: Half = { node: 'node2', end: 'destination', missing: 'Nobody answers.' };

const tried = (outcome: Partial<ProbeOutcome>, ...halves: readonly Half[]): Live => ({
  outcome: { kind: 'silent', afterMs: 3000, ...outcome },
  mark: 'from 10.0.0.1 port 61000 to 10.0.0.2',
  halves,
});

const answer = (allowed: boolean): Answer => ({
  ...{
    from: 'pod shop/a',
    to: 'pod shop/b',
    version: 4,
    source: ipv4(0x0a000001),
    destination: ipv4(0x0a000002),
  },
  ...{ protocol: 6, port: 80, anyPort: false },
  verdict: { allowed, egress: true, ingress: allowed, judgements: [] },
});

describe('policy allows, and', () => {
  test.each([
    ['it connects', tried({ kind: 'connected' }, near(), far()), 'passed', 'agrees'],
    [
      'it connects, whatever was dropped before',
      tried({ kind: 'connected' }, near([theirs])),
      'passed',
      'agrees',
    ],
    ['a reset answers', tried({ kind: 'refused' }, near(), gone), 'passed', 'agrees'],
    ['a reset answers that a rule sent', tried({ kind: 'refused' }, near([theirs])), 'dropped', 'differs'],
    ['another drops it', tried({}, near([theirs]), far([], 0)), 'dropped', 'differs'],
    ['ours drops it', tried({}, near([ours])), 'dropped', 'differs'],
    ['the far node drops it', tried({}, near(), far([theirs])), 'dropped', 'differs'],
    ['the answer is dropped', tried({}, near([{ ...theirs, way: 'back' }]), far()), 'dropped', 'differs'],
    ['both let it go, and nobody answers', tried({}, near(), far()), 'passed', 'agrees'],
    ['it never left the pod', tried({}, near([], 0), far([], 0)), 'unseen', 'differs'],
    ['it was lost between', tried({}, near(), far([], 0)), 'lost', 'differs'],
    ['a router had no way', tried({ kind: 'error', why: 'EHOSTUNREACH' }, near()), 'passed', 'differs'],
    ['half of the way is dark', tried({}, near(), gone), 'unknown', 'unknown'],
    ['its own host keeps it in', tried({ kind: 'unsent', why: 'EPERM' }, gone), 'unknown', 'unknown'],
    ['nothing was tried', { untried: 'why', halves: [] }, 'unknown', 'unknown'],
  ] as const)('%s', (_, live, fate, agreement) => {
    expect(fateOf(live).kind).toBe(fate);
    expect(agreementOf(true, live)).toBe(agreement);
  });
});

describe('policy denies, and', () => {
  test.each([
    ['ours drops it', tried({}, near([ours])), 'agrees'],
    ['another drops it first', tried({}, near([theirs])), 'agrees'],
    ['it connects', tried({ kind: 'connected' }, near(), far()), 'differs'],
    [
      'nothing listens, which only who got there can say',
      tried({ kind: 'refused' }, near(), far()),
      'differs',
    ],
    ['both let it go', tried({}, near(), far()), 'differs'],
    ['nobody answers, and half of the way is dark', tried({}, near(), gone), 'agrees'],
    ['it was lost between', tried({}, near(), far([], 0)), 'unknown'],
    ['nothing was tried', { untried: 'why', halves: [] }, 'unknown'],
  ] as const)('%s', (_, live, agreement) => {
    expect(agreementOf(false, live)).toBe(agreement);
  });
});

test('the first line says who dropped it', () => {
  expect(liveVerdict(answer(true), tried({}, near([theirs])))).toBe(
    "ALLOWED by policy, BUT the kernel of node1 dropped it in table inet fw chain guard rule handle 5, which is not Tortie's",
  );
  expect(liveVerdict(answer(false), tried({}, near([ours])))).toBe(
    'DENIED, and the kernel of node1 dropped it by GlobalNetworkPolicy no-dns egress rule 1 in tier default',
  );
  const byPolicy = step({ ...theirs, type: 'policy' });
  expect(liveVerdict(answer(true), tried({}, near([byPolicy])))).toContain(
    'chain guard rule handle 5 (its policy)',
  );
  expect(liveVerdict(answer(false), tried({ kind: 'connected' }, near()))).toBe(
    'DENIED by policy, BUT the kernel let it through',
  );
  expect(liveVerdict(answer(true), tried({}, near(), far([], 0)))).toBe(
    'ALLOWED by policy, BUT it left node1 and never came to node2: lost on the way, or translated there',
  );
  expect(liveVerdict(answer(true), { untried: 'why', halves: [] })).toBe('ALLOWED; live: nothing was tried');
});

test('ICMP errors are told in the words of their RFCs', () => {
  const icmp = (version: 4 | 6, type: number, code: number): string => {
    const live = tried({ kind: 'error', icmp: { from: 'R', type, code } }, near());
    return liveLines({ ...answer(true), version }, live, false)[0] ?? '';
  };
  expect(icmp(4, 3, 13)).toContain('ICMP communication administratively prohibited from R');
  expect(icmp(6, 1, 3)).toContain('ICMP address unreachable from R');
  expect(icmp(4, 99, 1)).toContain('ICMP type 99 code 1 from R');
});

test('a missing half is said with its reason, and the other is shown', () => {
  expect(liveLines(answer(false), tried({}, near([step({}), ours]), gone), false)).toEqual([
    '  live: a probe from 10.0.0.1 port 61000 to 10.0.0.2: no answer within 3 s',
    '  live: policy names another rule than the kernel: see that felix is in sync there',
    '  trace on node1 (source): 1 packet, 0 answers, 2 steps',
    '    denied: GlobalNetworkPolicy no-dns egress rule 1 in tier default (packets 4 → 5)',
    '  trace on node2 (destination): missing. Nobody answers.',
  ]);
});

test('a translated destination is told where the next chain sees it, and every step when asked', () => {
  const head = {
    source: '10.0.0.1',
    destination: '10.96.0.1',
    protocol: 6,
    sourcePort: 61_000,
    destinationPort: 80,
  };
  const steps = [
    step({ hook: 'prerouting', priority: -300, type: 'policy', head, in: 'cali1' }),
    step({
      own: false,
      family: 'ip',
      table: 'nat',
      chain: 'KUBE-SEP',
      handle: 3,
      text: 'dnat to 10.0.0.2:8080',
      head,
    }),
    step({
      chain: 'from-pods',
      head: { ...head, destination: '10.0.0.2', destinationPort: 8080 },
      out: 'cali2',
    }),
  ];
  const live = tried({ kind: 'connected', afterMs: 2 }, near(steps));
  expect(liveLines(answer(true), live, false).slice(2)).toEqual([
    '    accept: table ip nat chain KUBE-SEP rule handle 3: dnat to 10.0.0.2:8080',
    '    destination translated: 10.96.0.1 port 80 is now 10.0.0.2 port 8080',
    '    let through, out by cali2',
  ]);
  expect(liveLines(answer(true), live, true).slice(2)).toEqual([
    '    packet 00000001',
    '      table inet tortie chain web [prerouting -300] in cali1: policy accept',
    '      table ip nat chain KUBE-SEP rule handle 3: accept: dnat to 10.0.0.2:8080',
    '      table inet tortie chain from-pods out cali2: accept',
  ]);
});
