/** Records of reported packets: bounded, told once, and in words. */
import { describe, expect, test } from 'vitest';
import { type FlowFilter, FlowLog, flowsKept } from '../../../felix/observe/flow-log.ts';
import { droppedByTag } from '../../../felix/rules/dropped.ts';
import { tagOf } from '../../../felix/rules/tag.ts';
import { flowLine } from '../../../src/ctl/flows.ts';
import type { LoggedPacket } from '../../../src/kernel/netlink/nflog.ts';
import { ipv4, type Millis, millis } from '../../../src/lib/net.ts';
import type { DropReason } from '../../../src/model/flow.ts';
import type { Direction } from '../../../src/model/policy.ts';
import { virtualClock } from '../../support/clock.ts';

const end = tagOf({
  direction: 'Ingress',
  action: 'Deny',
  tier: 'default',
  asked: ['NetworkPolicy shop/isolate'],
});
const rule = tagOf({
  direction: 'Egress',
  action: 'Deny',
  tier: 'platform',
  policy: 'GlobalNetworkPolicy no-dns',
  rule: 2,
});
const packet = (prefix: string, more: Partial<LoggedPacket> = {}): LoggedPacket => ({
  ...{ prefix, source: ipv4(0x0a410102), destination: ipv4(0x0a410103), protocol: 6 },
  ...{ sourcePort: 40_000, destinationPort: 5432, tcpFlags: 2, in: 3, out: 4 },
  ...more,
});

function world() {
  const clock = virtualClock();
  const scans: number[] = [];
  let [took, costs] = [0, 0];
  const log = new FlowLog({
    clock: { after: clock.after, now: () => millis(clock.now() + took) },
    wallClock: () => '2026-07-01T10:00:00.000Z',
    ruleByTag: (tag) => [end, rule].find((meaning) => meaning.tag === tag) ?? droppedByTag(tag),
    whoAre: (addresses) => {
      scans.push(addresses.size);
      took += costs;
      return new Map([
        [ipv4(0x0a410102), 'pod shop/front'],
        [ipv4(0x0a410103), 'pod shop/db'],
      ]);
    },
    whoseInterface: (name) => (name === 'cali0' ? 'pod shop/front' : undefined),
    interfaceName: (ifindex) => ({ 3: 'cali0', 5: 'cali9' })[ifindex],
  });
  const settle = (): void => clock.advance(millis(1000));
  const cost = (each: Millis): void => {
    costs = each;
  };
  return { log, clock, scans, settle, cost };
}

describe('records of reported packets', () => {
  test('a person reads who, whom, at which end and why', () => {
    const { log, settle } = world();
    log.take(packet(end.tag));
    log.take(packet(rule.tag, { protocol: 17, destinationPort: 53 }));
    log.take(packet('tortie-ID-0000000000000000'));
    settle();
    expect(log.read({}).flows.map((record) => flowLine(record))).toEqual([
      '2026-07-01 10:00:00.000 shop/front (10.65.1.2) → shop/db (10.65.1.3):5432/TCP denied at shop/db (ingress) by tier default: no rule matched; isolated by NetworkPolicy shop/isolate',
      '2026-07-01 10:00:00.000 shop/front (10.65.1.2) → shop/db (10.65.1.3):53/UDP denied at shop/front (egress) by tier platform, GlobalNetworkPolicy no-dns rule 2',
      '2026-07-01 10:00:00.000 shop/front (10.65.1.2) → shop/db (10.65.1.3):5432/TCP denied at shop/db (ingress) by a rule that is gone since',
    ]);
  });

  test('what is dropped whatever policies say is told by whose interface it was, and found by that pod', () => {
    const { log, settle } = world();
    const stranger = ipv4(0x0a000009);
    const tag = (reason: DropReason, direction: Direction): string =>
      tagOf({ direction, action: 'Deny', dropped: reason }, [reason]).tag;
    log.take(packet(tag('reversePath', 'Egress'), { source: stranger }));
    log.take(packet(tag('unknownInterface', 'Egress'), { source: stranger, in: 5 }));
    log.take(packet(tag('invalid', 'Ingress'), { tcpFlags: 16 }));
    log.take(packet(tag('serviceLoop', 'Ingress'), { destination: stranger }));
    log.take(packet(tag('unknownPod', 'Egress'), { source: stranger, in: 5 }));
    log.take(packet(tag('refused', 'Ingress')));
    settle();
    expect(log.read({ denied: true }).flows.map((record) => flowLine(record).slice(24))).toEqual([
      '10.0.0.9 → shop/db (10.65.1.3):5432/TCP denied at shop/front (egress) because shop/front sent from 10.0.0.9, which is not its address',
      '10.0.0.9 → shop/db (10.65.1.3):5432/TCP denied at cali9 (egress) because the interface cali9 is of no pod that this node knows',
      'shop/front (10.65.1.2) → shop/db (10.65.1.3):5432/TCP [ACK] denied at shop/db (ingress) because it is part of no connection that is known (conntrack: invalid)',
      'shop/front (10.65.1.2) → 10.0.0.9:5432/TCP denied at 10.0.0.9 (ingress) because no Service has the address 10.0.0.9 of a range of Services, and it would run in circles (serviceLoopPrevention)',
      '10.0.0.9 → shop/db (10.65.1.3):5432/TCP denied at cali9 (egress) because the pod of cali9 is not known here yet',
      'shop/front (10.65.1.2) → shop/db (10.65.1.3):5432/TCP denied at shop/db (ingress) because the kernel refused rules that judge shop/db, which is closed there (tortiectl status says which)',
    ]);
    expect(log.read({ pod: 'shop/front' }).flows.map(({ dropped }) => dropped)).toEqual([
      'reversePath',
      'invalid',
      'serviceLoop',
      'refused',
    ]);
    expect(log.read({ pod: 'shop/front' }).flows[0]?.source).toEqual({
      ...{ address: '10.0.0.9', port: 40_000, interface: 'cali0', owner: 'pod shop/front' },
    });
  });

  test('packets that rules of others report are none of ours', () => {
    const { log, settle } = world();
    log.take(packet('kube-proxy'));
    log.take(packet('tortie-XX-00'));
    settle();
    expect(log.read({})).toEqual({ flows: [], next: 0, forgotten: 0, lost: 0 });
  });

  test('however many come at once, addresses are looked for once', () => {
    const { log, scans, settle } = world();
    for (let each = 0; each < 100; each++) log.take(packet(end.tag));
    settle();
    expect(scans).toEqual([2]);
    expect(log.read({ after: 98 }).flows.map(({ seq }) => seq)).toEqual([99, 100]);
  });

  test('who waits is answered with the batch that has what it asks for, and with no other', async () => {
    const { log, clock } = world();
    const heard: string[] = [];
    const wait = (name: string, filter: FlowFilter): void => {
      void log.arrival(filter, millis(1000)).then(() => heard.push(name));
    };
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    wait('all', {});
    wait('ops', { namespace: 'ops' });
    log.take(packet(end.tag));
    clock.advance(millis(25));
    await turn();
    expect(heard).toEqual(['all']);
    wait('later', { after: 1 });
    wait('before', { after: 0 });
    await turn();
    expect(heard).toEqual(['all', 'before']);
    clock.advance(millis(1000));
    await turn();
    expect(heard).toEqual(['all', 'before', 'ops', 'later']);
  });

  test('all that wait are answered when it ends', async () => {
    const { log } = world();
    const all = Array.from({ length: 100 }, () => log.arrival({}, millis(1000)));
    log.stop();
    expect(await Promise.all(all)).toHaveLength(100);
  });

  test('who has the addresses is not looked for more than a twentieth of the time', () => {
    const { log, clock, scans, cost } = world();
    cost(millis(10));
    for (let each = 0; each < 1000; each++) {
      log.take(packet(end.tag));
      clock.advance(millis(1));
    }
    expect(scans.length).toBeGreaterThan(3);
    expect(scans.length).toBeLessThan(7);
  });

  test('there are never more than so many; what is pushed out, and what is not taken, is counted', () => {
    const { log, settle } = world();
    for (let round = 0; round < 3; round++) {
      for (let each = 0; each < 2100; each++) log.take(packet(end.tag));
      settle();
    }
    const { flows, next, forgotten, lost } = log.read({});
    expect(flows).toHaveLength(flowsKept);
    expect(next).toBe(3 * 2048);
    expect(forgotten).toBe(3 * 2048 - flowsKept);
    expect(lost).toBe(3 * 52);
  });
});
