/** What is refused has a place, and what was only refused to go is welcome when it is wanted again. */
import { describe, expect, test } from 'vitest';
import { Quarantine } from '../../../felix/dataplane/quarantine.ts';
import { droppedByTag } from '../../../felix/rules/dropped.ts';
import type { Ruleset } from '../../../felix/rules/model.ts';
import { isHostChain } from '../../../felix/rules/stage.ts';
import { type Packet, trace } from '../../../felix/rules/trace.ts';
import type { Refused } from '../../../src/kernel/nft-batch.ts';
import type { Resource } from '../../../src/model/resource.ts';
import { address } from '../../support/clusters.ts';
import { calico, pod, podInterface, policyScene } from '../../support/policy-scene.ts';

const endpoint = calico('HostEndpoint', 'here', { node: 'here', interfaceName: 'eth0' });
const without = policyScene([]).ruleset;
const { ruleset } = policyScene([endpoint]);
const chain = 'from-host-eth0';
const refusal = (removed: boolean): Refused => ({
  object: { kind: 'chain', name: chain, ...(removed ? { removed: true } : {}) },
  errno: 'EBUSY',
  words: '',
});

test('a chain that was refused to go is written when it is wanted again', () => {
  const quarantine = new Quarantine();
  expect(quarantine.add([refusal(true)], without)).toBe(true);
  expect(quarantine.isKept(chain)).toBe(true);
  expect(quarantine.substitute(without)).toEqual(without);
  expect(ruleset.chains.has(chain)).toBe(true);
  expect(quarantine.substitute(ruleset)).toEqual(ruleset);
});

test('a chain that was refused to go twice is no news, and one that is refused then is closed', () => {
  const quarantine = new Quarantine();
  quarantine.add([refusal(true)], without);
  expect(quarantine.add([refusal(true)], without)).toBe(false);
  expect(quarantine.add([refusal(false)], ruleset)).toBe(true);
  const closed = quarantine.substitute(ruleset).chains.get(chain);
  expect(closed?.rules.map(({ verdict }) => verdict)).toEqual([
    { kind: 'jump', chain: 'failsafe-in' },
    { kind: 'drop' },
  ]);
  quarantine.clear();
  expect(quarantine.isEmpty).toBe(true);
  expect(quarantine.isKept(chain)).toBe(false);
});

test('what is dropped in a closed chain is reported, by the direction that the chain judges', () => {
  const web = pod('web', { app: 'web' }, ['10.244.1.2']);
  const policy = calico('GlobalNetworkPolicy', 'g', {
    ...{ selector: 'all()', types: ['Ingress', 'Egress'] },
    ...{ ingress: [{ action: 'Allow' }], egress: [{ action: 'Allow' }] },
  });
  const full = policyScene([web, policy, endpoint]).ruleset;
  const denied = { group: 7, rate: { perSecond: 3, burst: 4 } };
  const directions = [...full.chains.values()].flatMap(({ name, base }) => {
    if (base !== undefined || !/^(tier-|ingress-|egress-|from-|to-)/.test(name)) return [];
    const closed = new Quarantine().substitute(full, [name], denied).chains.get(name);
    const [report, drop] = closed?.rules.slice(-2) ?? [];
    expect(drop?.verdict).toEqual({ kind: 'drop' });
    const [said] = report?.statements ?? [];
    const meaning = droppedByTag(said?.kind === 'nflog' ? said.prefix : '');
    expect(meaning?.dropped).toBe('refused');
    return [`${/^(tier-)?[a-z]+/.exec(name)?.[0]}${isHostChain(name) ? '-host' : ''} ${meaning?.direction}`];
  });
  expect([...new Set(directions)].sort()).toEqual([
    'egress Egress',
    'from Egress',
    'from-host Ingress',
    'ingress Ingress',
    'tier-egress Egress',
    'tier-ingress Ingress',
    'to Ingress',
    'to-host Egress',
  ]);
});

describe('of a host endpoint', () => {
  const policy = calico('GlobalNetworkPolicy', 'p', {
    selector: 'all()',
    types: ['Ingress', 'Egress'],
    applyOnForward: true,
    ingress: [{ action: 'Allow' }],
    egress: [{ action: 'Allow' }],
  });
  const early = (name: string, flag: object): Resource =>
    calico('GlobalNetworkPolicy', name, {
      ...{ selector: 'all()', types: ['Ingress'], applyOnForward: true, ...flag },
      ingress: [{ action: 'Allow', protocol: 'TCP', destination: { ports: [9999] } }],
    });
  const web = pod('web', {}, ['10.244.1.2']);
  const refused = (kind: 'chain' | 'set', name: string): Refused => ({
    object: { kind, name },
    errno: 'ENOMEM',
    words: '',
  });
  /** Refused as it is, and then as what stands in its place. */
  function substituted(full: Ruleset, name: string, times: 1 | 2): Ruleset {
    const quarantine = new Quarantine();
    for (let time = 0; time < times; time++)
      expect(quarantine.add([refused('chain', name)], full)).toBe(true);
    const closed = quarantine.substitute(full);
    expect(closed.chains.has(name)).toBe(times === 1);
    return closed;
  }
  const judged = (of: Ruleset, packet: Partial<Packet>) =>
    trace(of, {
      ...{ protocol: 6, destinationPort: 80, state: 'new', in: 'eth0', out: '' },
      ...{ source: address('192.0.2.1'), destination: address('192.0.2.2') },
      ...packet,
    }).verdict;

  const special = [early('u', { doNotTrack: true }), early('d', { preDNAT: true })];
  const rulesetOn = (interfaceName: string, more: readonly Resource[]): Ruleset => {
    const profiles = ['projectcalico-default-allow'];
    const spec = { node: 'here', interfaceName, expectedIPs: ['192.0.2.2'], profiles };
    return policyScene([calico('HostEndpoint', 'here', spec), policy, web, ...more]).ruleset;
  };
  const veth = podInterface('web');

  /** A packet that such a chain is asked about. */
  function wayTo(name: string): Pick<Packet, 'in' | 'out'> {
    const other = name.includes('forward') ? veth : '';
    return name.includes('from-') ? { in: 'eth0', out: other } : { in: other, out: 'eth0' };
  }
  function seesClosed(name: string, closed: Ruleset): void {
    const way = wayTo(name);
    expect(judged(closed, way), name).toBe('drop');
    const failsafe = { ...way, destinationPort: way.in === 'eth0' ? 22 : 6443 };
    expect(judged(closed, failsafe), name).toBe(name.includes('forward') ? 'drop' : 'accept');
    expect(judged(closed, { in: 'lo', out: '' }), name).toBe('accept');
    expect(judged(closed, { in: '', out: veth }), name).toBe('accept');
  }

  test.each([
    ['eth0', 1, []],
    ['eth0', 2, special],
    ['*', 1, special],
    ['*', 2, []],
  ] as const)(
    'on %s no chain that is refused (%i times) opens its interface, nor closes failsafe ports, pods or the loopback',
    (interfaceName, times, more) => {
      const full = rulesetOn(interfaceName, more);
      const own = [...full.chains.keys()].filter(isHostChain);
      expect(own.length).toBe(more.length === 0 ? 4 : 7);
      for (const name of own) seesClosed(name, substituted(full, name, times));
    },
  );

  test('what stands in the place of all has no place of its own: then nothing is written', () => {
    const full = policyScene([endpoint]).ruleset;
    const quarantine = new Quarantine();
    for (const name of [chain, chain]) quarantine.add([refused('chain', name)], full);
    expect(quarantine.substitute(full).chains.has('closed-failsafe-in')).toBe(true);
    expect(quarantine.add([refused('chain', 'closed-failsafe-in')], full)).toBe(false);
  });

  test('its failsafe ports, if they are what is refused, are judged by policy', () => {
    const full = policyScene([endpoint]).ruleset;
    const closed = substituted(full, 'failsafe-in', 1);
    expect(closed.chains.get('failsafe-in')?.rules).toEqual([]);
  });
});
