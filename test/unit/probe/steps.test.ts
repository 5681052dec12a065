/** What the kernel told becomes what a person reads: names, rules, decisions, counters. */
import { expect, test } from 'vitest';
import { type Known, stepsOf } from '../../../felix/probe/steps.ts';
import type { RuleTraced } from '../../../src/kernel/netlink/nft/read.ts';
import type { TraceMessage } from '../../../src/kernel/netlink/nft/trace.ts';
import type { TraceRequest } from '../../../src/model/live.ts';

const inet = 1;
const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const network = bytes('4500 003c 0000 4000 4006 0000 0a410102 0a410203');
const transport = bytes('ee48 1538 00000000 00000000 5002 faf0');
const back = bytes('1538 ee48 00000000 00000000 5012 faf0');
const asked: TraceRequest = { version: 4, protocol: 6, sourcePort: 61_000, forMs: 1 };

const rule = (handle: bigint, more: Partial<RuleTraced> = {}): RuleTraced => ({
  ...{ table: 'tortie', chain: 'web', handle },
  ...more,
});
const known: Known = {
  hooks: [
    {
      family: inet,
      table: 'fw',
      name: 'guard',
      base: { hook: 'forward', priority: 10, type: 'filter', policy: 'drop' },
    },
  ],
  rules: new Map([
    ['1 tortie web', [rule(4n), rule(5n, { comment: 'shop/web ingress rule 1', packets: 8 })]],
    ['1 fw guard', [rule(5n, { table: 'fw', chain: 'guard', packets: 3 })]],
  ]),
  texts: new Map([['1 fw guard', new Map([[5n, 'tcp dport 5432 counter drop']])]]),
  before: new Map([[5n, 7]]),
  decisionOf: ({ comment }, index) =>
    comment === undefined
      ? undefined
      : { direction: 'Ingress', action: 'Allow', tier: 'default', policy: 'P', rule: index },
  isOwn: ({ table }) => table === 'tortie',
  isOwnTable: ({ table }) => table === 'tortie',
  interfaceName: (ifindex) => (ifindex === 3 ? 'eth0' : undefined),
};

const told = (more: Partial<TraceMessage>): TraceMessage => ({
  ...{ id: 0xabc, family: inet, table: 'tortie', chain: 'web', type: 'rule' },
  ...more,
});

test('a rule of ours has its decision and what it counted; one of others its text', () => {
  const { steps, packets } = stepsOf(
    [
      told({
        table: 'tortie-trace',
        chain: 'prerouting',
        handle: 2n,
        verdict: 'continue',
        network,
        transport,
        in: 3,
      }),
      told({ handle: 5n, verdict: 'accept', network, transport, in: 3, out: 9 }),
      told({ table: 'fw', chain: 'guard', handle: 5n, verdict: 'drop' }),
    ],
    asked,
    known,
  );
  expect(packets).toEqual({ there: 1, back: 0 });
  expect(steps).toEqual([
    {
      ...{ packet: '1-00000abc', way: 'there', family: 'inet', table: 'tortie', chain: 'web', own: true },
      ...{ type: 'rule', verdict: 'accept', handle: 5, comment: 'shop/web ingress rule 1' },
      decision: { direction: 'Ingress', action: 'Allow', tier: 'default', policy: 'P', rule: 1 },
      ...{ packetsBefore: 7, packetsAfter: 8, in: 'eth0', out: 'interface 9' },
      head: {
        ...{ source: '10.65.1.2', destination: '10.65.2.3', protocol: 6 },
        ...{ sourcePort: 61_000, destinationPort: 5432 },
      },
    },
    {
      ...{ packet: '1-00000abc', way: 'there', family: 'inet', table: 'fw', chain: 'guard' },
      ...{ hook: 'forward', priority: 10, own: false, type: 'rule', verdict: 'drop', handle: 5 },
      ...{ text: 'tcp dport 5432 counter drop', packetsAfter: 3 },
    },
  ]);
});

test('what comes back is an answer, for all of its steps', () => {
  const { steps, packets } = stepsOf(
    [
      told({ table: 'tortie-trace', chain: 'prerouting', handle: 2n, id: 1, network, transport: back }),
      told({ id: 1, type: 'policy', verdict: 'accept' }),
    ],
    asked,
    known,
  );
  expect(packets).toEqual({ there: 0, back: 1 });
  expect(steps).toMatchObject([{ way: 'back', type: 'policy', verdict: 'accept' }]);
});

test('an echo and its reply are told apart by their types', () => {
  const icmp = bytes('4500 003c 0000 4000 4001 0000 0a410102 0a410203');
  const { packets } = stepsOf(
    [
      told({ id: 1, network: icmp, transport: bytes('0800 0000 0001 0001') }),
      told({ id: 2, network: icmp, transport: bytes('0000 0000 0001 0001') }),
    ],
    { version: 4, protocol: 1, icmpId: 1, forMs: 1 },
    known,
  );
  expect(packets).toEqual({ there: 1, back: 1 });
});

test('the end of a chain that no rule decided is no step, nor is what marks the packet', () => {
  const { steps } = stepsOf(
    [told({ verdict: 'continue' }), told({ table: 'tortie-trace', chain: 'output', type: 'policy' })],
    asked,
    known,
  );
  expect(steps).toEqual([]);
});

test('a rule that went away meanwhile has its handle, and no meaning', () => {
  const { steps } = stepsOf([told({ handle: 99n, verdict: 'drop', network, transport })], asked, known);
  expect(steps).toMatchObject([{ handle: 99, own: true, verdict: 'drop' }]);
  expect(steps[0]?.decision).toBeUndefined();
});

test('a packet that has the number of one before it is another, for it is marked anew', () => {
  const mark = {
    table: 'tortie-trace',
    chain: 'prerouting',
    handle: 2n,
    verdict: 'continue',
    network,
  } as const;
  const { steps, packets } = stepsOf(
    [
      told({ ...mark, transport }),
      told({ type: 'policy', verdict: 'accept', network, transport }),
      told({ ...mark, transport: back }),
      told({ type: 'policy', verdict: 'accept', network, transport: back }),
    ],
    asked,
    known,
  );
  expect(packets).toEqual({ there: 1, back: 1 });
  expect(steps.map(({ packet, way }) => [packet, way])).toEqual([
    ['1-00000abc', 'there'],
    ['2-00000abc', 'back'],
  ]);
});
