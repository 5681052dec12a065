import { describe, expect, test } from 'vitest';
import { createGraph, noteAddition, putEndpoint, rulesetOf, tick } from '../../../felix/calc/graph.ts';
import { droppedByTag } from '../../../felix/rules/dropped.ts';
import { serviceLoop } from '../../../felix/rules/loop.ts';
import type { Ruleset } from '../../../felix/rules/model.ts';
import { defaultRulesSettings, type RulesSettings } from '../../../felix/rules/settings.ts';
import { allowedSources, staticRuleset } from '../../../felix/rules/static.ts';
import { type Packet, trace } from '../../../felix/rules/trace.ts';
import { parsePrefix } from '../../../src/lib/net.ts';
import { address } from '../../support/clusters.ts';
import { shopEndpoint, shopGraph, webAddresses } from '../../support/shop.ts';

const graph = shopGraph();
tick(graph);
const web = shopEndpoint('web', webAddresses).interface;

const base: Packet = {
  source: address('10.244.1.2'),
  destination: address('10.244.2.7'),
  protocol: 6,
  destinationPort: 80,
  state: 'new',
  in: 'eth0',
  out: 'eth1',
};
const pass = (packet: Partial<Packet>): string => trace(rulesetOf(graph), { ...base, ...packet }).verdict;
const lastWord = (packet: Partial<Packet>): string | undefined =>
  trace(rulesetOf(graph), { ...base, ...packet }).path.at(-1)?.comment;

const icmp = (type: number): { readonly type: number; readonly code: number } => ({ type, code: 0 });

describe('fail closed', () => {
  test('a workload interface that no map knows is dropped in every direction', () => {
    expect(pass({ in: 'cali00000000000' })).toBe('drop');
    expect(pass({ out: 'cali00000000000' })).toBe('drop');
    expect(pass({ in: 'cali00000000000', out: '' })).toBe('drop');
    expect(lastWord({ in: 'cali00000000000' })).toBe('unknown workload interface');
  });

  test('a packet between a known and an unknown pod is dropped whichever way it goes', () => {
    expect(pass({ in: web, out: 'cali00000000000', protocol: 17, destinationPort: 53 })).toBe('drop');
  });

  test('before anything is known the table drops pods and lets the host be', () => {
    const empty = createGraph();
    tick(empty);
    expect(trace(rulesetOf(empty), { ...base, in: web }).verdict).toBe('drop');
    expect(trace(rulesetOf(empty), { ...base, out: web }).verdict).toBe('drop');
    expect(trace(rulesetOf(empty), base).verdict).toBe('accept');
    expect(trace(rulesetOf(empty), { ...base, out: '' }).verdict).toBe('accept');
  });
});

describe('what is not a pod is not ours to judge', () => {
  test('traffic between other interfaces passes, invalid as it may be', () => {
    expect(pass({})).toBe('accept');
    expect(pass({ state: 'invalid', hasReturnPath: false })).toBe('accept');
  });

  test('the host reaches its own pods, whatever their policy', () => {
    expect(pass({ in: '', out: web })).toBe('accept');
  });
});

describe('reverse path', () => {
  test('a pod cannot send from an address that is not routed back to it', () => {
    expect(pass({ in: web, hasReturnPath: false, state: 'established' })).toBe('drop');
    expect(lastWord({ in: web, hasReturnPath: false })).toMatch(/reverse path/);
  });

  test('RFC 4862 §5.4: duplicate address detection has no source yet and may ask the host', () => {
    const probe: Partial<Packet> = {
      source: address('::'),
      destination: address('ff02::1:ff00:2'),
      protocol: 58,
      state: 'untracked',
      in: web,
      out: '',
      hasReturnPath: false,
    };
    expect(pass({ ...probe, icmp: icmp(135) })).toBe('accept');
    expect(pass({ ...probe, icmp: icmp(128) })).toBe('drop');
  });
});

describe('from a pod to its host', () => {
  const toHost: Partial<Packet> = { in: web, out: '', destination: address('192.0.2.1') };

  test('egress policy holds, and neighbour discovery is no matter of policy', () => {
    expect(pass(toHost)).toBe('drop');
    for (const type of [130, 131, 132, 133, 135, 136]) {
      const discovery: Partial<Packet> = {
        source: address('fe80::2'),
        destination: address('fe80::1'),
        protocol: 58,
        icmp: icmp(type),
      };
      expect(pass({ ...toHost, ...discovery, state: 'untracked' })).toBe('accept');
    }
    const echo: Partial<Packet> = {
      source: address('fe80::2'),
      destination: address('fe80::1'),
      protocol: 58,
      icmp: icmp(128),
    };
    expect(pass({ ...toHost, ...echo })).toBe('drop');
  });
});

test('a pod reaches itself through a Service although its policies allow nothing of the kind', () => {
  const translated = { destination: address('10.244.1.2'), destinationPort: 9 };
  expect(
    pass({ in: web, out: web, destination: address('10.96.0.9'), destinationPort: 80, translated }),
  ).toBe('accept');
});

test('what another pod sends by the same Service is judged, and so is what comes back in by an interface and nobody translated', () => {
  const translated = { destination: address('10.244.1.2'), destinationPort: 9 };
  expect(pass({ out: web, destination: address('10.96.0.9'), destinationPort: 80, translated })).toBe('drop');
  expect(pass({ in: web, out: web, ...translated })).toBe('drop');
});

test('what comes in by an interface of the host has no return path to show, and passes', () => {
  expect(pass({ hasReturnPath: false })).toBe('accept');
  expect(lastWord({ in: web, hasReturnPath: false })).toContain('reverse path');
});

test('of a packet with a return path before routing nothing else is asked, and of an established one nothing but that at the host', () => {
  const before = rulesetOf(graph).chains.get('check-source') ?? expect.unreachable();
  expect(before.rules.map(({ matches }) => matches.map(({ kind }) => kind))).toEqual([['noReturnPath']]);
  const steps = trace(rulesetOf(graph), { ...base, out: '', state: 'established' }).path;
  expect(steps.map(({ chain, rule }) => `${chain} ${rule}`)).toEqual(['pods-to-host 0']);
});

test('a pod that may send from prefixes of its own may, by its own interface and no other', () => {
  const settings = { ...defaultRulesSettings, sourceSpoofing: true };
  const { chains } = staticRuleset(settings);
  const prefix = parsePrefix('192.0.2.0/24') ?? expect.unreachable();
  const row = { interface: 'cali1', prefix };
  const all = new Map([...chains, allowedSources([row])].map((chain) => [chain.name, chain]));
  const { sets } = rulesetOf(graph);
  const chain = all.get('check-source') ?? expect.unreachable();
  const only = new Map(
    [...all].filter(([name]) => [chain.name, 'allowed-sources', 'stray-source'].includes(name)),
  );
  const verdict = (source: string, by: string): string =>
    trace({ chains: only, sets }, { ...base, source: address(source), in: by, hasReturnPath: false }).verdict;
  expect(verdict('192.0.2.7', 'cali1')).toBe('accept');
  expect(verdict('192.0.2.7', 'cali2')).toBe('drop');
  expect(verdict('198.51.100.7', 'cali1')).toBe('drop');
});

test('without the reverse path check nothing is hooked before routing', () => {
  const { chains } = staticRuleset({ ...defaultRulesSettings, reversePath: false });
  expect(chains.filter(({ base: hook }) => hook !== undefined).map(({ name }) => name)).toEqual([
    'from-pods',
    'to-pods',
    'pods-to-host',
  ]);
});

describe('what is dropped whatever policies say is reported', () => {
  const closed = shopGraph({ ...defaultRulesSettings, endpointToHost: 'Drop' });
  tick(closed);
  const said = (packet: Partial<Packet>, of = graph) =>
    droppedByTag(trace(rulesetOf(of), { ...base, ...packet }).decided?.tag ?? '');

  test.each<[Partial<Packet>, object]>([
    [
      { in: web, hasReturnPath: false },
      { dropped: 'reversePath', direction: 'Egress' },
    ],
    [{ in: 'cali00000000000' }, { dropped: 'unknownInterface', direction: 'Egress' }],
    [
      { in: 'cali00000000000', out: '' },
      { dropped: 'unknownInterface', direction: 'Egress' },
    ],
    [{ out: 'cali00000000000' }, { dropped: 'unknownInterface', direction: 'Ingress' }],
    [
      { in: web, state: 'invalid' },
      { dropped: 'invalid', direction: 'Egress' },
    ],
    [
      { out: web, state: 'invalid' },
      { dropped: 'invalid', direction: 'Ingress' },
    ],
    [
      { in: web, protocol: 17, destinationPort: 4789 },
      { dropped: 'vxlan', direction: 'Egress' },
    ],
    [
      { in: web, protocol: 4 },
      { dropped: 'ipip', direction: 'Egress' },
    ],
  ])('%j as %j', (packet, meaning) => {
    expect(said(packet)).toMatchObject({ action: 'Deny', ...meaning });
  });

  test.each(['Drop', 'Reject'] as const)(
    'a packet that would run in circles says so where the loop ends with %s, and one that a Service translated goes on',
    (action) => {
      const range = parsePrefix('10.96.0.0/16') ?? expect.unreachable();
      const having = (settings: Pick<RulesSettings, 'denied'>): Ruleset => {
        const some = createGraph({ node: 'node1' });
        noteAddition(some, serviceLoop({ action, ranges: [range] }, settings));
        tick(some);
        return rulesetOf(some);
      };
      const looped = having(defaultRulesSettings);
      const packet = { ...base, destination: address('10.96.0.9') };
      const end = trace(looped, packet);
      expect(end.verdict).toBe(action.toLowerCase());
      expect(droppedByTag(end.decided?.tag ?? '')).toMatchObject({
        ...{ action: 'Deny', dropped: 'serviceLoop', direction: 'Ingress' },
      });
      const translated = { destination: address('10.244.2.7') };
      expect(trace(looped, { ...packet, translated }).verdict).toBe('accept');
      expect(trace(having({}), packet).decided?.tag).toBeUndefined();
    },
  );

  test('a pod that is not known yet says so, each way', () => {
    const some = createGraph({ node: 'node1' });
    putEndpoint(some, shopEndpoint('web', webAddresses));
    tick(some);
    expect(said({ in: web }, some)).toMatchObject({ dropped: 'unknownPod', direction: 'Egress' });
    expect(said({ out: web }, some)).toMatchObject({ dropped: 'unknownPod', direction: 'Ingress' });
  });

  test('a host that is closed to its pods says so', () => {
    expect(said({ in: web, out: '' }, closed)).toMatchObject({ dropped: 'hostClosed', direction: 'Egress' });
  });

  test('and a match that finds it is asked once: in the good case it costs no more', () => {
    const { chains } = staticRuleset();
    const asks = chains.flatMap(({ rules }) =>
      rules.filter(({ matches }) => matches.some(({ kind }) => kind === 'noReturnPath')),
    );
    expect(asks).toHaveLength(1);
  });

  test('with denyLogRateLimit 0 it is dropped without a word, and no chain is there for it alone', () => {
    const { denied: _, ...quiet } = defaultRulesSettings;
    const { chains } = staticRuleset(quiet);
    expect(chains.every(({ name, base: hook }) => hook !== undefined || name === 'stray-source')).toBe(true);
    expect(chains.flatMap(({ rules }) => rules).some(({ statements }) => statements !== undefined)).toBe(
      false,
    );
    expect(
      chains.flatMap(({ rules }) => rules).filter(({ verdict }) => verdict?.kind === 'drop'),
    ).toHaveLength(11);
  });
});
