import { describe, expect, test } from 'vitest';
import { compileEndpoint } from '../../../felix/rules/endpoint.ts';
import { stageDirections } from '../../../felix/rules/host.ts';
import { renderRule } from '../../../felix/rules/text.ts';
import { parseAddress, parsePrefix } from '../../../src/lib/net.ts';
import type { Resource } from '../../../src/model/resource.ts';
import { calico, pod, podInterface, policyScene, type TryPacket } from '../../support/policy-scene.ts';

const web = pod('web', { app: 'web' }, ['10.244.1.2', 'fd00:1::2']);
const db = pod('db', { app: 'db' }, ['10.244.1.3']);
const toWeb: TryPacket = { out: podInterface('web') };
const fromWeb: TryPacket = { in: podInterface('web'), source: '10.244.1.2', destination: '192.0.2.1' };

const policy = (name: string, spec: object): Resource =>
  calico(name.includes('/') ? 'NetworkPolicy' : 'GlobalNetworkPolicy', name, spec);
const ingress = (name: string, action: string, more: object = {}): Resource =>
  policy(name, { types: ['Ingress'], ingress: [{ action }], ...more });
const tier = (name: string, order: number, defaultAction: 'Deny' | 'Pass'): Resource =>
  calico('Tier', name, { order, defaultAction });

/** What becomes of the packet, and by whose word. */
function decided(objects: readonly Resource[], packet: TryPacket): readonly [string, string | undefined] {
  const { verdict, decided: step } = policyScene(objects).try(packet);
  return [verdict, step?.comment];
}

describe('tiers and policies (a pod that gets a packet)', () => {
  const dropped = 'tier default: no rule matched';
  const said = (name: string, number = 1): string => `GlobalNetworkPolicy ${name} ingress rule ${number}`;

  test.each<[situation: string, objects: readonly Resource[], verdict: string, comment: string]>([
    ['no policy: open', [], 'accept', 'shop/web no ingress policy'],
    ['a policy without a rule for it: closed', [ingress('p', 'Allow', { ingress: [] })], 'drop', dropped],
    [
      'a policy of the other direction: open',
      [policy('p', { types: ['Egress'], egress: [] })],
      'accept',
      'shop/web no ingress policy',
    ],
    [
      'a policy of other pods: open',
      [ingress('p', 'Deny', { selector: 'app == "db"' })],
      'accept',
      'shop/web no ingress policy',
    ],
    [
      'the lower order first',
      [ingress('a', 'Deny', { order: 2 }), ingress('b', 'Allow', { order: 1 })],
      'accept',
      said('b'),
    ],
    ['no order is last', [ingress('a', 'Deny'), ingress('b', 'Allow', { order: 9e9 })], 'accept', said('b')],
    [
      'of one order, by name',
      [ingress('b', 'Allow', { order: 1 }), ingress('a', 'Deny', { order: 1 })],
      'drop',
      said('a'),
    ],
    [
      'the first rule that ends it wins; a log does not',
      [
        policy('p', {
          types: ['Ingress'],
          ingress: [{ action: 'Log' }, { action: 'Allow' }, { action: 'Deny' }],
        }),
      ],
      'accept',
      said('p', 2),
    ],
    [
      'the earlier tier first, whatever the orders in them',
      [
        tier('t', 5, 'Deny'),
        ingress('t.a', 'Deny', { tier: 't', order: 100 }),
        ingress('b', 'Allow', { order: 1 }),
      ],
      'drop',
      said('t.a'),
    ],
    [
      'pass leaves the tier, and the rest of it is not asked',
      [
        tier('t', 5, 'Deny'),
        ingress('t.a', 'Pass', { tier: 't', order: 1 }),
        ingress('t.b', 'Deny', { tier: 't', order: 2 }),
        ingress('c', 'Allow'),
      ],
      'accept',
      said('c'),
    ],
    [
      'pass in the last tier: as without policy',
      [ingress('p', 'Pass')],
      'accept',
      'shop/web no ingress tier decides',
    ],
    [
      'the end of a tier that passes: the next is asked',
      [tier('t', 5, 'Pass'), ingress('t.a', 'Deny', { tier: 't', ingress: [] }), ingress('c', 'Allow')],
      'accept',
      said('c'),
    ],
    [
      'the end of a tier that denies: nobody else is asked',
      [tier('t', 5, 'Deny'), ingress('t.a', 'Deny', { tier: 't', ingress: [] }), ingress('c', 'Allow')],
      'drop',
      'tier t: no rule matched',
    ],
    [
      'a tier of which no policy selects the pod is skipped',
      [
        tier('t', 5, 'Deny'),
        ingress('t.a', 'Deny', { tier: 't', selector: 'app == "db"' }),
        ingress('c', 'Allow'),
      ],
      'accept',
      said('c'),
    ],
    [
      'a tier of staged policies only passes',
      [
        tier('t', 5, 'Deny'),
        calico('StagedGlobalNetworkPolicy', 't.a', {
          tier: 't',
          types: ['Ingress'],
          ingress: [{ action: 'Deny' }],
        }),
        ingress('c', 'Allow'),
      ],
      'accept',
      said('c'),
    ],
    [
      'a tier that nobody wrote is asked last',
      [ingress('x.a', 'Deny', { tier: 'x', order: 1 }), ingress('c', 'Allow')],
      'accept',
      said('c'),
    ],
  ])('%s', (_situation, objects, verdict, comment) => {
    expect(decided([web, ...objects], toWeb)).toEqual([verdict, comment]);
  });

  test('the answer names what a denied packet reports itself as', () => {
    const scene = policyScene([web, ingress('p', 'Deny')]);
    const tag = scene.try(toWeb).decided?.tag ?? expect.unreachable();
    expect(tag).toMatch(/^tortie-ID-[0-9a-f]{16}$/);
    expect(scene.compiled.tags.get(tag)).toMatchObject({ policy: 'GlobalNetworkPolicy p', rule: 1 });
    const closed = policyScene([web, ingress('p', 'Deny', { ingress: [] })]);
    expect(closed.compiled.tags.get(closed.try(toWeb).decided?.tag ?? '')).toMatchObject({
      action: 'Deny',
      tier: 'default',
    });
  });

  test('between two pods of one node both ends are asked', () => {
    const packet: TryPacket = {
      in: podInterface('web'),
      out: podInterface('db'),
      source: '10.244.1.2',
      destination: '10.244.1.3',
    };
    const noEgress = policy('e', { selector: 'app == "web"', types: ['Egress'], egress: [] });
    const noIngress = ingress('i', 'Deny', { selector: 'app == "db"' });
    expect(decided([web, db], packet)[0]).toBe('accept');
    expect(decided([web, db, noEgress], packet)[0]).toBe('drop');
    expect(decided([web, db, noIngress], packet)[0]).toBe('drop');
    expect(decided([web, db, noEgress], { ...packet, state: 'established' })[0]).toBe('accept');
  });

  test('a pod of which too little is known is closed', () => {
    const { chain, tierChains } = compileEndpoint({
      kind: 'workload',
      interface: 'cali0',
      direction: 'Egress',
      stage: 'normal',
      label: 'shop/new',
      known: false,
      tiers: [],
      profiles: [],
    });
    expect(chain.rules.map(renderRule)).toEqual([
      expect.stringMatching(/^limit rate 10\/second burst 5 packets log prefix "tortie-ED-\w+" group 81/),
      'counter drop comment "shop/new is not known yet"',
    ]);
    expect(tierChains).toEqual([]);
  });

  test('two endpoints with the same policies in a tier share its chain', () => {
    const { ruleset } = policyScene([web, db, ingress('p', 'Pass'), ingress('q', 'Allow')]);
    expect([...ruleset.chains.keys()].filter((name) => name.startsWith('tier-ingress-')).length).toBe(1);
  });
});

describe('a pod and its own host', () => {
  const toHost: TryPacket = {
    in: podInterface('web'),
    source: '10.244.1.2',
    destination: '172.16.0.1',
    out: '',
  };
  const closed = policy('e', { types: ['Egress'], egress: [] });

  test('egress policy decides first, then the action for it', () => {
    expect(policyScene([web]).try(toHost).verdict).toBe('accept');
    expect(policyScene([web, closed]).try(toHost).verdict).toBe('drop');
    const drop = policyScene([web], { endpointToHost: 'Drop' });
    expect(drop.try(toHost).decided?.comment).toBe('defaultEndpointToHostAction: Drop');
    expect(drop.try({ ...toHost, state: 'established' }).verdict).toBe('accept');
    expect(policyScene([web], { endpointToHost: 'Return' }).try(toHost).verdict).toBe('accept');
  });

  test('the host reaches its own pods whatever policy says, of theirs or its own', () => {
    const host = hostEndpoint('*');
    const scene = policyScene([web, host, closed, ingress('i', 'Deny')]);
    expect(scene.try({ in: '', out: podInterface('web'), source: '172.16.0.1' }).verdict).toBe('accept');
  });

  test('tunnels of nodes are not for pods to make', () => {
    const scene = policyScene([web]);
    expect(scene.try({ ...fromWeb, out: 'eth0', protocol: 17, destinationPort: 4789 }).verdict).toBe('drop');
    expect(scene.try({ ...fromWeb, out: 'eth0', protocol: 4 }).verdict).toBe('drop');
    expect(scene.try({ ...fromWeb, out: 'eth0', protocol: 17, destinationPort: 4790 }).verdict).toBe(
      'accept',
    );
  });

  test('more than one prefix may be a workload’s', () => {
    const scene = policyScene([], { workloadPrefixes: ['cali', 'tap'] });
    expect(scene.try({ in: 'tap0' }).verdict).toBe('drop');
    expect(scene.try({ in: 'cali0' }).verdict).toBe('drop');
    expect(scene.try({ in: 'eth1' }).verdict).toBe('accept');
  });
});

const hostEndpoint = (interfaceName: string, profiles: readonly string[] = []): Resource =>
  calico(
    'HostEndpoint',
    'here-host',
    { node: 'here', interfaceName, expectedIPs: ['172.16.0.1'], profiles },
    { role: 'node' },
  );
const ofHosts = { selector: 'role == "node"' };
const early = { ...ofHosts, applyOnForward: true };

describe('host endpoints', () => {
  const toHost: TryPacket = { destination: '172.16.0.1', destinationPort: 80 };
  const fromHost: TryPacket = { in: '', out: 'eth0', source: '172.16.0.1', destination: '192.0.2.1' };
  const through: TryPacket = { in: 'eth0', out: 'eth1', destination: '198.51.100.1' };

  test('without policy and profile it is closed but for failsafe ports, and forwards', () => {
    const scene = policyScene([hostEndpoint('eth0')]);
    expect(scene.try(toHost).verdict).toBe('drop');
    expect(scene.try(fromHost).verdict).toBe('drop');
    expect(scene.try({ ...toHost, destinationPort: 22 }).decided?.comment).toBe('failsafe: tcp');
    expect(scene.try({ ...fromHost, protocol: 17, destinationPort: 53 }).decided?.comment).toBe(
      'failsafe: udp',
    );
    expect(scene.try(through).verdict).toBe('accept');
    expect(scene.try({ ...toHost, in: 'eth1' }).verdict).toBe('accept');
    expect(scene.try({ ...toHost, state: 'established' }).verdict).toBe('accept');
    expect(scene.try({ ...toHost, state: 'invalid' }).verdict).toBe('drop');
  });

  test('profiles in order; a missing one closes; none that allows closes', () => {
    const open = 'projectcalico-default-allow';
    const said = (...profiles: readonly string[]) =>
      policyScene([hostEndpoint('eth0', profiles)]).try(toHost).decided?.comment;
    expect(said(open)).toBe(`Profile ${open} ingress rule 1`);
    expect(said('gone', open)).toBe('HostEndpoint here-host has profile gone, which is not there');
    expect(said(open, 'gone')).toBe(`Profile ${open} ingress rule 1`);
    expect(said()).toBe('HostEndpoint here-host no ingress profile allows it');
  });

  test('failsafe ports hold only for the net they name, and before any policy', () => {
    const scene = policyScene([hostEndpoint('eth0'), ingress('p', 'Deny', ofHosts)], {
      failsafeInbound: [{ protocol: 6, port: 80, net: net('192.0.2.0/24') }],
    });
    expect(scene.try(toHost).verdict).toBe('accept');
    expect(scene.try({ ...toHost, source: '198.51.100.1' }).verdict).toBe('drop');
  });

  test('what is forwarded is judged only by policies that apply on forward', () => {
    const plain = policyScene([hostEndpoint('eth0'), ingress('p', 'Deny', ofHosts)]);
    expect(plain.try(through).verdict).toBe('accept');
    const forward = policyScene([hostEndpoint('eth0'), ingress('p', 'Deny', early)]);
    expect(forward.try(through).verdict).toBe('drop');
    expect(forward.try({ ...through, in: 'eth1', out: 'eth0' }).verdict).toBe('accept');
    const leaving = policyScene([
      hostEndpoint('eth0'),
      policy('p', { ...early, types: ['Egress'], egress: [{ action: 'Deny' }] }),
    ]);
    expect(leaving.try({ ...through, in: 'eth1', out: 'eth0' }).verdict).toBe('drop');
    expect(leaving.try(through).verdict).toBe('accept');
  });

  test('all interfaces are all but those with a host endpoint of their own, workloads’ and the loopback', () => {
    const scene = policyScene([web, hostEndpoint('*')]);
    expect(scene.try(toHost).verdict).toBe('drop');
    expect(scene.try({ ...toHost, in: 'wlan9' }).verdict).toBe('drop');
    expect(scene.try({ ...toHost, in: 'lo' }).verdict).toBe('accept');
    expect(scene.try({ ...toHost, in: podInterface('web'), source: '10.244.1.2' }).verdict).toBe('accept');
    const named = calico('HostEndpoint', 'eth0', {
      node: 'here',
      interfaceName: 'eth0',
      profiles: ['projectcalico-default-allow'],
    });
    const both = policyScene([hostEndpoint('*'), named]);
    expect(both.try(toHost).verdict).toBe('accept');
    expect(both.try({ ...toHost, in: 'eth1' }).verdict).toBe('drop');
  });

  test('neighbours are found whatever policy says', () => {
    const scene = policyScene([hostEndpoint('eth0')]);
    const solicitation: TryPacket = {
      source: 'fe80::1',
      destination: 'fe80::2',
      protocol: 58,
      icmp: { type: 135, code: 0 },
      state: 'untracked',
    };
    expect(scene.try(solicitation).verdict).toBe('accept');
    expect(scene.try({ ...solicitation, icmp: { type: 128, code: 0 } }).verdict).toBe('drop');
  });

  describe('untracked', () => {
    const open = [
      hostEndpoint('eth0'),
      policy('u', {
        ...early,
        doNotTrack: true,
        types: ['Ingress'],
        ingress: [{ action: 'Allow', protocol: 'TCP' }],
      }),
    ];

    test('what it allows is not tracked, and later stages do not ask', () => {
      const found = policyScene(open).try(toHost);
      expect(found.verdict).toBe('accept');
      expect(found.packet.state).toBe('untracked');
    });

    test('the other direction must be allowed too', () => {
      const scene = policyScene(open);
      expect(scene.try({ ...fromHost, state: 'untracked', sourcePort: 80 }).verdict).toBe('drop');
    });

    test('what it does not speak of falls to the later stages', () => {
      expect(policyScene(open).try({ ...toHost, protocol: 17 }).decided?.comment).toContain(
        'no ingress profile',
      );
    });

    test('what it denies is dropped though it be established, and failsafe ports and their replies are not', () => {
      const scene = policyScene([
        hostEndpoint('eth0', ['projectcalico-default-allow']),
        policy('u', { ...early, doNotTrack: true, types: ['Ingress'], ingress: [{ action: 'Deny' }] }),
      ]);
      expect(scene.try({ ...toHost, state: 'established' }).verdict).toBe('drop');
      expect(scene.try({ ...toHost, destinationPort: 22 }).verdict).toBe('accept');
      const reply: TryPacket = { ...toHost, sourcePort: 6443, destinationPort: 50000, state: 'established' };
      expect(scene.try(reply).verdict).toBe('accept');
    });

    test('a pod’s policy does not know what it allowed as part of a connection', () => {
      const isolated = ingress('i', 'Deny', { selector: 'app == "web"', ingress: [] });
      const packet: TryPacket = { ...toWeb, state: 'established' };
      expect(policyScene([web, isolated, hostEndpoint('eth0')]).try(packet).verdict).toBe('accept');
      expect(policyScene([web, isolated, ...open]).try(packet).verdict).toBe('drop');
    });

    test('a mark that comes with a packet lets nothing through', () => {
      expect(policyScene(open).try({ ...toHost, protocol: 17, mark: 0x10000 }).verdict).toBe('drop');
    });
  });

  describe('preDNAT', () => {
    const nodePort: TryPacket = {
      destination: '172.16.0.1',
      destinationPort: 30080,
      translated: { destination: at('10.244.1.2'), destinationPort: 80 },
      out: podInterface('web'),
    };
    const closed = policy('d', {
      ...early,
      preDNAT: true,
      types: ['Ingress'],
      ingress: [{ action: 'Deny', protocol: 'TCP', destination: { ports: [30080] } }],
    });

    test('it sees the port before translation, and the pod’s policy the one after', () => {
      expect(policyScene([web, hostEndpoint('eth0'), closed]).try(nodePort).decided?.comment).toBe(
        'GlobalNetworkPolicy d ingress rule 1',
      );
      const only80 = policy('shop/p', {
        types: ['Ingress'],
        ingress: [{ action: 'Allow', protocol: 'TCP', destination: { ports: [80] } }],
      });
      expect(policyScene([web, hostEndpoint('eth0'), only80]).try(nodePort).verdict).toBe('accept');
    });

    test('what it allows is not asked about on forward, but the pod is', () => {
      const allow = policy('a', {
        ...early,
        preDNAT: true,
        types: ['Ingress'],
        ingress: [{ action: 'Allow' }],
      });
      const forward = ingress('f', 'Deny', early);
      expect(policyScene([web, hostEndpoint('eth0'), forward]).try(nodePort).verdict).toBe('drop');
      expect(policyScene([web, hostEndpoint('eth0'), forward, allow]).try(nodePort).verdict).toBe('accept');
      const pods = ingress('g', 'Deny', { selector: 'app == "web"' });
      expect(policyScene([web, hostEndpoint('eth0'), pods, allow]).try(nodePort).verdict).toBe('drop');
    });

    test('established connections are not asked about', () => {
      const scene = policyScene([web, hostEndpoint('eth0'), closed]);
      expect(scene.try({ ...nodePort, state: 'established' }).verdict).toBe('accept');
    });

    test('it is of ingress alone', () => {
      expect(stageDirections('preDnat')).toEqual(['Ingress']);
    });
  });

  test('what the host sends to a Service is judged by where it goes and the interface it leaves by', () => {
    const scene = policyScene([
      hostEndpoint('eth0'),
      policy('e', {
        ...ofHosts,
        types: ['Egress'],
        egress: [{ action: 'Allow', destination: { nets: ['198.51.100.7/32'] } }],
      }),
    ]);
    const service: TryPacket = {
      ...fromHost,
      destination: '10.96.0.1',
      translated: { destination: at('198.51.100.7'), destinationPort: 8080 },
      outBefore: 'eth1',
      local: [at('172.16.0.1')],
    };
    expect(scene.try(service).verdict).toBe('accept');
    const elsewhere = { destination: at('198.51.100.8'), destinationPort: 8080 };
    const denied = scene.try({ ...service, translated: elsewhere });
    expect(denied.decided?.comment).toBe('tier default: no rule matched');
    expect(denied.path[0]?.chain).toBe('hosts-output');
    expect(denied.path.some(({ chain }) => chain === 'hosts-translated')).toBe(true);
  });

  test('where Deny rejects, a host’s own packets are dropped, forwarded ones are rejected', () => {
    const objects = [
      hostEndpoint('eth0'),
      policy('e', {
        ...early,
        types: ['Ingress', 'Egress'],
        ingress: [{ action: 'Deny' }],
        egress: [{ action: 'Deny' }],
      }),
    ];
    const scene = policyScene(objects, { deny: 'Reject' });
    expect(scene.try(fromHost).verdict).toBe('drop');
    expect(scene.try(toHost).verdict).toBe('reject');
    expect(scene.try(through).verdict).toBe('reject');
  });
});

function at(text: string) {
  return parseAddress(text) ?? expect.unreachable(text);
}
function net(text: string) {
  return parsePrefix(text) ?? expect.unreachable(text);
}
