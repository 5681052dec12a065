import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type BalanceRules,
  handlesOf,
  ourClass,
  planBalance,
  wishOf,
} from '../../../src/controller/decide/balance.ts';
import type { Address } from '../../../src/lib/net.ts';
import type { Service } from '../../../src/model/service.ts';
import { service } from '../../support/services.ts';
import { address } from '../../support/wire.ts';

const all: BalanceRules = { classless: true, assign: 'AllServices' };
const asked: BalanceRules = { classless: true, assign: 'RequestedServicesOnly' };

interface Over extends Partial<Service> {
  readonly annotations?: Readonly<Record<string, string>>;
}
const lb = (name: string, { annotations = {}, ...over }: Over = {}): Service => {
  const made = service(name, { type: 'LoadBalancer' });
  return { ...made, ...over, meta: { ...made.meta, uid: `uid-${name}`, annotations } };
};
const ask = (name: string, text: string) => ({ [`projectcalico.org/${name}`]: text });
const handle = (one: Service, family: 4 | 6) => handlesOf(one)[family === 4 ? 0 : 1] ?? '';

describe('which Services get an address', () => {
  test.each([
    ['one of another type', lb('a', { type: 'NodePort' }), all, false],
    ['one without a class', lb('a'), all, true],
    ['one without a class when those are left to others', lb('a'), { ...all, classless: false }, false],
    ['one of our class', lb('a', { loadBalancerClass: ourClass }), { ...all, classless: false }, true],
    ['one of another class', lb('a', { loadBalancerClass: 'example.com/lb' }), all, false],
    ['one that does not ask, when only those who ask get one', lb('a'), asked, false],
    ['one that asks by annotation', lb('a', { annotations: ask('ipv4pools', '["p"]') }), asked, true],
    ['one that asks by spec.loadBalancerIP', lb('a', { loadBalancerIp: address('10.9.0.1') }), asked, true],
  ])('%s', (_, one, rules, isOurs) => {
    expect(wishOf(one, rules) !== undefined).toBe(isOurs);
  });
});

describe('what a Service asks for', () => {
  test('is an address of each of its families, each with a handle of its own', () => {
    expect(wishOf(lb('a', { ipFamilies: [6, 4] }), all)?.claims).toEqual([
      { handle: 'uid-a.ipv6', family: 6 },
      { handle: 'uid-a.ipv4', family: 4 },
    ]);
  });

  test('is what its annotations say', () => {
    const annotations = { ...ask('ipv4pools', '["front"]'), ...ask('ipv6pools', '["front6"]') };
    expect(wishOf(lb('a', { annotations, ipFamilies: [4, 6] }), all)?.claims).toMatchObject([
      { pools: ['front'] },
      { pools: ['front6'] },
    ]);
    const ips = ask('loadBalancerIPs', '["10.9.0.7"]');
    expect(wishOf(lb('a', { annotations: ips, loadBalancerIp: address('10.9.0.8') }), all)?.claims).toEqual([
      { handle: 'uid-a.ipv4', family: 4, address: address('10.9.0.7') },
    ]);
  });

  test('is spec.loadBalancerIP, if no annotation says otherwise', () => {
    expect(wishOf(lb('a', { loadBalancerIp: address('10.9.0.8') }), all)?.claims).toMatchObject([
      { address: address('10.9.0.8') },
    ]);
  });

  test.each([
    ['10.9.0.7', 'Write a JSON list'],
    ['["10.9.0"]', '"10.9.0", which is no IP address'],
    ['["10.9.0.1", "10.9.0.2"]', 'two IPv4 addresses'],
    ['["fd00::1"]', 'spec.ipFamilies lacks IPv6'],
  ])('that cannot be understood (%s) is said in words', (text, why) => {
    const wish = wishOf(lb('a', { annotations: ask('loadBalancerIPs', text) }), all);
    expect(wish?.wrong).toContain(why);
    expect(wish?.claims).toEqual([]);
  });
});

describe('the plan', () => {
  const wish = (one: Service) => {
    const found = wishOf(one, all);
    if (found === undefined) throw new Error('not ours');
    return found;
  };
  const given = (...pairs: readonly (readonly [string, string])[]) =>
    new Map(pairs.map(([key, text]): [string, Address] => [key, address(text)]));

  test('leaves what was given, gives what is missing, and takes what belongs to nobody, first', () => {
    const [a, b] = [lb('a'), lb('b')];
    const { steps, settled } = planBalance(
      [wish(a), wish(b)],
      given([handle(a, 4), '10.9.0.1'], ['uid-gone.ipv4', '10.9.0.2']),
    );
    expect(steps.map((step) => (step.kind === 'release' ? step.handle : step.claim.handle))).toEqual([
      'uid-gone.ipv4',
      'uid-b.ipv4',
    ]);
    expect(settled.get(a)).toEqual([address('10.9.0.1')]);
    expect(settled.get(b)).toEqual([]);
  });

  test('replaces an address that is not the one asked for', () => {
    const a = lb('a', { loadBalancerIp: address('10.9.0.8') });
    const { steps } = planBalance([wish(a)], given([handle(a, 4), '10.9.0.1']));
    expect(steps).toMatchObject([{ kind: 'assign', instead: true }]);
  });

  test('takes nothing from a Service whose annotations turned wrong, and gives it nothing', () => {
    const a = lb('a', { annotations: ask('loadBalancerIPs', 'x') });
    expect(planBalance([wish(a)], given([handle(a, 4), '10.9.0.1'])).steps).toEqual([]);
  });

  test('lets a Service that is being deleted keep what it has, and gives it nothing new', () => {
    const a = lb('a', { deleting: true, ipFamilies: [4, 6] });
    const { steps, settled } = planBalance([wish(a)], given([handle(a, 4), '10.9.0.1']));
    expect(steps).toEqual([]);
    expect(settled.get(a)).toEqual([address('10.9.0.1')]);
  });

  test('takes back the family that a Service no longer has', () => {
    const a = lb('a', { ipFamilies: [4] });
    const { steps } = planBalance([wish(a)], given([handle(a, 4), '10.9.0.1'], [handle(a, 6), 'fd00::1']));
    expect(steps).toEqual([{ kind: 'release', handle: handle(a, 6), address: address('fd00::1') }]);
  });

  test('done once leaves nothing to do, whatever was there before', () => {
    const names = fc.subarray(['a', 'b', 'c', 'd'], { minLength: 0 });
    fc.assert(
      fc.property(names, names, fc.boolean(), (wanted, held, dual) => {
        const wishes = wanted.map((name) => wish(lb(name, { ipFamilies: dual ? [4, 6] : [4] })));
        const state = new Map(held.map((name, n) => [handle(lb(name), 4), address(`10.9.0.${n + 1}`)]));
        let next = 100;
        for (const step of planBalance(wishes, state).steps) {
          if (step.kind === 'release') state.delete(step.handle);
          else {
            next += 1;
            state.set(
              step.claim.handle,
              address(step.claim.family === 4 ? `10.9.0.${next}` : `fd00::${next}`),
            );
          }
        }
        const { steps, settled } = planBalance(wishes, state);
        expect(steps).toEqual([]);
        expect([...settled.values()].every((some) => some.length === (dual ? 2 : 1))).toBe(true);
        expect(state.size).toBe(wishes.length * (dual ? 2 : 1));
      }),
    );
  });
});
