import fc from 'fast-check';
import { expect, test } from 'vitest';
import { doorsOf, stretchesOf } from '../../../felix/rules/doors.ts';
import {
  calico,
  type PolicyScene,
  pod,
  podInterface,
  policyScene,
  type TryPacket,
} from '../../support/policy-scene.ts';

interface Written {
  readonly action: 'Allow' | 'Deny' | 'Pass' | 'Log';
  readonly protocol?: 'TCP' | 'UDP';
  /** A number, or the first and last one. */
  readonly ports?: readonly (number | readonly [number, number])[];
  readonly from?: '192.0.2.1/32' | '192.0.2.0/24';
}

const numbers = { TCP: 6, UDP: 17 } as const;
const port = fc.integer({ min: 1, max: 8 });
const rule: fc.Arbitrary<Written> = fc
  .record({
    action: fc.constantFrom<Written['action']>('Allow', 'Allow', 'Allow', 'Deny', 'Deny', 'Log', 'Pass'),
    protocol: fc.constantFrom<'TCP' | 'UDP'>('TCP', 'TCP', 'UDP'),
    ports: fc.oneof(
      { weight: 6, arbitrary: fc.uniqueArray(port, { minLength: 1, maxLength: 3 }) },
      { weight: 1, arbitrary: port.map((first) => [[first, first + 2] as const]) },
      { weight: 1, arbitrary: fc.constant(undefined) },
    ),
    from: fc.constantFrom(undefined, undefined, '192.0.2.1/32' as const, '192.0.2.0/24' as const),
  })
  .map(({ action, protocol, ports, from }) => ({
    ...{ action, protocol },
    ...(ports === undefined ? {} : { ports }),
    ...(from === undefined ? {} : { from }),
  }));

const sceneOf = (policies: readonly (readonly Written[])[]): PolicyScene =>
  policyScene([
    pod('web', { app: 'web' }, ['10.244.1.2']),
    ...policies.map((rules, order) =>
      calico('NetworkPolicy', `shop/p${order}`, {
        ...{ order, types: ['Ingress'] },
        ingress: rules.map(({ action, protocol, ports, from }) => ({
          ...{ action, protocol },
          ...(from === undefined ? {} : { source: { nets: [from] } }),
          ...(ports === undefined
            ? {}
            : {
                destination: { ports: ports.map((one) => (typeof one === 'number' ? one : one.join(':'))) },
              }),
        })),
      }),
    ),
  ]);

const toWeb = (scene: PolicyScene, packet: TryPacket) => scene.try({ out: podInterface('web'), ...packet });

/** By the words of the policies: the first rule that decides, as its comment says it. */
function decides(
  policies: readonly (readonly Written[])[],
  protocol: number,
  to: number,
  last: number,
): string {
  for (const [order, rules] of policies.entries())
    for (const [index, { action, protocol: of, ports, from }] of rules.entries()) {
      const isTo = (one: number | readonly [number, number]): boolean =>
        typeof one === 'number' ? one === to : one[0] <= to && to <= one[1];
      const isMeant =
        (of === undefined || numbers[of] === protocol) &&
        (ports === undefined || ports.some(isTo)) &&
        (from !== '192.0.2.1/32' || last === 1);
      if (!isMeant || action === 'Log') continue;
      if (action === 'Pass') return 'web no ingress tier decides';
      return `NetworkPolicy shop/p${order} ingress rule ${index + 1}`;
    }
  return 'tier default: no rule matched';
}

test('whatever a tier looks up by port, the first rule that matches decides', () => {
  let looked = 0;
  fc.assert(
    fc.property(
      fc.array(fc.array(rule, { minLength: 1, maxLength: 2 }), { minLength: 3, maxLength: 9 }),
      (policies) => {
        const scene = sceneOf(policies);
        for (const { rules } of scene.ruleset.chains.values())
          if (rules.some(({ verdict }) => verdict?.kind === 'portJump')) looked += 1;
        for (const protocol of [6, 17])
          for (let to = 0; to <= 11; to++)
            for (const last of [1, 2]) {
              const { decided } = toWeb(scene, { source: `192.0.2.${last}`, protocol, destinationPort: to });
              expect(decided?.comment).toContain(decides(policies, protocol, to, last).replace('web ', ''));
            }
      },
    ),
    { numRuns: 120 },
  );
  expect(looked).toBeGreaterThan(25);
});

test('a log is written once, by the door too', () => {
  const log: Written = { action: 'Log', protocol: 'TCP', ports: [1] };
  const others = [2, 3, 4].map((one): readonly Written[] => [{ ...log, action: 'Allow', ports: [one] }]);
  const { path, verdict } = toWeb(sceneOf([[log], ...others]), { destinationPort: 1 });
  expect(verdict).toBe('drop');
  expect(path.filter(({ comment = '' }) => comment.includes('shop/p0'))).toHaveLength(1);
});

test('neither ICMP nor a packet without ports finds a door', () => {
  const scene = sceneOf([1, 2, 3, 4].map((one) => [{ action: 'Allow', protocol: 'TCP', ports: [one] }]));
  expect(toWeb(scene, { protocol: 1, icmp: { type: 8, code: 0 } }).verdict).toBe('drop');
  expect(toWeb(scene, { protocol: 6, destinationPort: 3 }).verdict).toBe('accept');
});

test('a policy with no rule has no door and is not asked; one with a range of many ports is asked always', () => {
  expect(doorsOf([])).toEqual([]);
  const ports = (first: number, last: number) =>
    doorsOf([
      {
        matches: [{ kind: 'ports', side: 'destination', protocol: 6, ranges: [{ first, last }] }],
        verdict: { kind: 'accept' },
      },
    ]);
  expect(ports(80, 95)).toHaveLength(16);
  expect(ports(80, 96)).toBeUndefined();
  expect(ports(0, 65_535)).toBeUndefined();
  expect(stretchesOf([{ doors: [] }, {}, { doors: ports(1, 1) ?? [] }])).toHaveLength(2);
});
