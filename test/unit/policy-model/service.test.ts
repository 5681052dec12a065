/** A Service as the destination of a question: what kube-proxy makes of it, and what policy says of each backend. */
import { describe, expect, test } from 'vitest';
import { readCases, runCases } from '../../../src/policy/cases.ts';
import { parseTarget } from '../../../src/policy/who.ts';
import { type Answer, answerLines, why } from '../../../src/policy/why.ts';
import { calico, clusterOf, gnp, knp, shop } from '../../support/policy-yaml.ts';

const service = (name: string, spec: string, status = '{}'): string =>
  `{ apiVersion: v1, kind: Service, metadata: { name: ${name}, namespace: shop }, spec: ${spec}, status: ${status} }\n---\n`;

const slice = (of: string, endpoints: string, ports: string, name = of, family = 'IPv4'): string =>
  `{ apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: { name: ${name}, namespace: shop, labels: { kubernetes.io/service-name: ${of} } }, addressType: ${family}, endpoints: ${endpoints}, ports: ${ports} }\n---\n`;

const sqlPorts = '[{ name: sql, port: 5432, protocol: TCP }]';
const dbEndpoint = '{ addresses: [10.65.2.2], nodeName: node2, conditions: { ready: true } }';
const probeEndpoint = '{ addresses: [10.65.2.9], nodeName: node2, conditions: { ready: true } }';
const frontEndpoint = '{ addresses: [10.65.1.2], nodeName: node1, conditions: { ready: true } }';

const db = (more = ''): string =>
  service(
    'db',
    `{ clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7], externalIPs: [198.51.100.7], ports: [{ name: sql, port: 15432, targetPort: postgres }]${more} }`,
    '{ loadBalancer: { ingress: [{ ip: 203.0.113.7 }] } }',
  ) + slice('db', `[${dbEndpoint}]`, sqlPorts);

const dbFromFront = knp(
  'db',
  '{ podSelector: { matchLabels: { app: db } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: front } } }], ports: [{ port: 5432 }] }] }',
);

function ask(texts: readonly string[], from: string, to: string): readonly Answer[] {
  const answers = why(clusterOf(shop, ...texts), from, to, 'shop');
  if (!answers.ok) throw new Error(answers.error);
  return answers.value;
}
const heads = (texts: readonly string[], from: string, to: string): readonly (string | undefined)[] =>
  ask(texts, from, to).map((answer) => answerLines(answer, false)[0]);
const refusal = (texts: readonly string[], from: string, to: string): string => {
  const answers = why(clusterOf(shop, ...texts), from, to, 'shop');
  return answers.ok ? expect.unreachable() : answers.error;
};

describe('a Service is read as a destination', () => {
  test.each([
    ['svc:shop/db', { who: 'svc:shop/db' }],
    ['svc:db', { who: 'svc:db' }],
    ['svc:shop/db:15432', { who: 'svc:shop/db', port: 15432 }],
    ['svc:shop/db:sql', { who: 'svc:shop/db', port: 'sql' }],
    ['svc:db:sql', { who: 'svc:db', port: 'sql' }],
    ['svc:shop/dns:53/udp', { who: 'svc:shop/dns', port: 53, protocol: 17 }],
    ['svc:shop/dns/udp', { who: 'svc:shop/dns', protocol: 17 }],
    ['svc:db:53/udp', { who: 'svc:db', port: 53, protocol: 17 }],
    ['svc:web/tcp', { who: 'svc:web/tcp' }],
  ])('%s', (text, target) => {
    expect(parseTarget(text)).toEqual({ ok: true, value: target });
  });
});

describe('the address of a Service', () => {
  test.each([
    'svc:shop/db',
    'svc:db:sql',
    'svc:db:15432/tcp',
    '10.96.0.7',
    '10.96.0.7:15432',
    '10.96.0.7:sql',
  ])('as %s is its backend at the target port, and the answer says so', (to) => {
    expect(heads([db(), dbFromFront], 'front', to)).toEqual([
      'pod shop/front (10.65.1.2) → Service shop/db (10.96.0.7) TCP 15432 → pod shop/db (10.65.2.2) TCP 5432: ALLOWED',
    ]);
    expect(heads([db(), dbFromFront], 'ops/probe', to)[0]).toMatch(/TCP 5432: DENIED$/);
  });

  test('the egress policy of a pod sees the backend, and never what was dialled', () => {
    const only = (net: string): string =>
      gnp(
        'p',
        `{ selector: app == 'front', types: [Egress], egress: [{ action: Allow, destination: { nets: [${net}] } }] }`,
      );
    expect(heads([db(), only('10.65.0.0/16')], 'front', '10.96.0.7')[0]).toMatch(/ALLOWED$/);
    expect(heads([db(), only('10.96.0.0/16')], 'front', '10.96.0.7')[0]).toMatch(/DENIED$/);
  });

  test('backends of which the same is said are one answer, and the others are their own', () => {
    const several =
      service('all', '{ clusterIP: 10.96.0.8, ports: [{ port: 80 }] }') +
      slice('all', `[${dbEndpoint}, ${probeEndpoint}, ${frontEndpoint}]`, '[{ port: 8080, protocol: TCP }]');
    const answers = ask([several, dbFromFront], 'front', 'svc:all');
    expect(
      answers.map(({ verdict, service: of }) => [verdict.allowed, of?.backends.map(({ label }) => label)]),
    ).toEqual([
      [false, ['pod shop/db']],
      [true, ['pod ops/probe']],
      [true, ['pod shop/front']],
    ]);
    const twin = `{ apiVersion: v1, kind: Pod, metadata: { name: twin, namespace: shop, labels: { app: twin } }, spec: { nodeName: node2, containers: [] }, status: { podIP: 10.65.2.4 } }\n---\n`;
    const twins =
      service('twins', '{ clusterIP: 10.96.0.9, ports: [{ port: 80 }] }') +
      slice(
        'twins',
        `[${frontEndpoint}, { addresses: [10.65.2.4], nodeName: node2 }]`,
        '[{ port: 8080, protocol: TCP }]',
      );
    const [same, ...none] = ask([twins, twin], 'ops/probe', 'svc:twins:80');
    expect(none).toEqual([]);
    expect(same && answerLines(same, false)[1]).toBe('  and so of pod shop/twin (10.65.2.4)');
  });

  test.each([
    [
      'a port it has not',
      '10.96.0.7:81',
      'Service shop/db has no port 81, so nothing translates it and nobody answers; it has TCP 15432 (sql).',
    ],
    ['a protocol it has not', '10.96.0.7:15432/udp', 'has no port UDP 15432'],
    ['ICMP', '10.96.0.7/icmp', 'has no port ICMP'],
    ['a name it has not', 'svc:db:http', 'has no port http'],
    ['a Service that is not there', 'svc:none', 'There is no Service shop/none.'],
    ['a name of another family', 'svc:six', 'No source has an address of a family that Service shop/six has'],
  ])('of %s is refused with a word', (_, to, sentence) => {
    const six = service('six', '{ clusterIP: "fd00:96::6", ports: [{ port: 80 }] }');
    expect(refusal([db(), six], 'ops/probe', to)).toContain(sentence);
  });

  test('of a type ExternalName is refused', () => {
    expect(
      refusal([service('out', '{ type: ExternalName, externalName: example.org }')], 'front', 'svc:out'),
    ).toContain('ExternalName');
  });

  test('a number without a protocol is each protocol that has it', () => {
    const dns =
      service(
        'dns',
        '{ clusterIP: 10.96.0.10, ports: [{ name: u, port: 53, protocol: UDP }, { name: t, port: 53 }] }',
      ) +
      slice(
        'dns',
        `[${probeEndpoint}]`,
        '[{ name: u, port: 5353, protocol: UDP }, { name: t, port: 5353, protocol: TCP }]',
      );
    expect(
      heads([dns], 'front', '10.96.0.10:53').map((head) => /\) (\S+ 5353)/.exec(head ?? '')?.[1]),
    ).toEqual(['UDP 5353', 'TCP 5353']);
  });
});

describe('who is behind a Service', () => {
  const endpoint = (conditions: string): string =>
    `{ addresses: [10.65.2.2], nodeName: node2, conditions: ${conditions} }`;
  const behind = (conditions: string, more = ''): string =>
    service('s', `{ clusterIP: 10.96.0.9, ports: [{ port: 80 }]${more} }`) +
    slice('s', `[${endpoint(conditions)}]`, '[{ port: 8080, protocol: TCP }]');

  test.each([
    ['{ ready: true }', 'ALLOWED'],
    ['{}', 'ALLOWED'],
    ['{ ready: false }', 'NO BACKEND'],
    ['{ ready: false, serving: true, terminating: true }', 'ALLOWED'],
    ['{ ready: false, serving: false, terminating: true }', 'NO BACKEND'],
  ])('a lone endpoint of conditions %s: %s', (conditions, end) => {
    expect(heads([behind(conditions)], 'front', 'svc:s')[0]).toMatch(new RegExp(`${end}$`));
  });

  test('nobody ready is said, is not allowed, and holds no case of a table', () => {
    const [answer] = ask([behind('{ ready: false }')], 'front', 'svc:s');
    expect(answer?.verdict.allowed).toBe(false);
    expect(answer && answerLines(answer, false)).toEqual([
      'pod shop/front (10.65.1.2) → Service shop/s (10.96.0.9) TCP 80: NO BACKEND',
      '  Service shop/s has no ready backend: the connection is not answered, whatever policy says',
    ]);
    const cases = readCases(
      'c',
      ['allow', 'deny'].map((expected) => ({ from: 'shop/front', to: 'svc:shop/s', expect: expected })),
    );
    if (!cases.ok) return expect.unreachable();
    const cluster = clusterOf(shop, behind('{ ready: false }'));
    expect(runCases(cluster, cases.value).map(({ ok }) => ok)).toEqual([false, false]);
    const ready = clusterOf(shop, behind('{ ready: true }'));
    expect(runCases(ready, cases.value).map(({ ok }) => ok)).toEqual([true, false]);
  });

  test('with internalTrafficPolicy Local only those of the node that asks are there', () => {
    const local = behind('{ ready: true }', ', internalTrafficPolicy: Local');
    expect(heads([local], 'ops/probe', 'svc:s')[0]).toMatch(/ALLOWED$/);
    const [answer] = ask([local], 'front', 'svc:s');
    expect(answer?.service?.nobody).toBe(
      'Service shop/s has no ready backend on node node1, and its internalTrafficPolicy is Local',
    );
  });

  test('of a headless one its backends are dialled, at the port that was said or that they have', () => {
    const headless =
      service('h', '{ clusterIP: None, ports: [{ name: sql, port: 1 }] }') +
      slice('h', `[${dbEndpoint}, ${probeEndpoint}]`, sqlPorts);
    expect(heads([headless, dbFromFront], 'front', 'svc:h')).toEqual([
      'pod shop/front (10.65.1.2) → headless Service shop/h → pod shop/db (10.65.2.2) TCP 5432: ALLOWED',
      'pod shop/front (10.65.1.2) → headless Service shop/h → pod ops/probe (10.65.2.9) TCP 5432: ALLOWED',
    ]);
    expect(heads([headless, dbFromFront], 'front', 'svc:h:99')[0]).toContain(
      '→ pod shop/db (10.65.2.2) TCP 99: DENIED',
    );
  });

  test('both families of a Service that has both are answered', () => {
    const both =
      service('two', '{ clusterIPs: [10.96.0.2, "fd00:96::2"], ports: [{ port: 80 }] }') +
      slice('two', `[${dbEndpoint}]`, '[{ port: 8080, protocol: TCP }]') +
      slice(
        'two',
        '[{ addresses: ["fd00::3"], nodeName: node2 }]',
        '[{ port: 8080, protocol: TCP }]',
        'two6',
        'IPv6',
      );
    expect(
      heads([both], 'front', 'svc:two').map((head) => /→ pod shop\/db \((\S+)\)/.exec(head ?? '')?.[1]),
    ).toEqual(['10.65.2.2', 'fd00::3']);
  });
});

describe('from outside', () => {
  const fromNet = (net: string): string =>
    gnp(
      'p',
      `{ selector: app == 'db', types: [Ingress], ingress: [{ action: Allow, source: { nets: [${net}] } }] }`,
    );
  const verdicts = (texts: readonly string[], to: string): readonly unknown[] =>
    ask(texts, '192.0.2.9', to).map(({ verdict, service: of }) => [verdict.allowed, of?.backends[0]?.way]);

  test('with externalTrafficPolicy Local the backend sees the client', () => {
    expect(verdicts([db(', externalTrafficPolicy: Local'), fromNet('192.0.2.0/24')], '203.0.113.7')).toEqual([
      [true, 'by node node2'],
    ]);
  });

  test.each(['203.0.113.7', '198.51.100.7'])(
    'with Cluster a backend of %s sees the client if it comes by its own node, and the node if by another',
    (to) => {
      expect(verdicts([db(), fromNet('192.0.2.0/24')], to)).toEqual([
        [true, 'by node node2'],
        [false, 'by node node1, which asks the backend with its own address 172.30.0.11'],
      ]);
      expect(verdicts([db(), fromNet('172.30.0.0/24')], to)).toEqual([
        [false, 'by node node2'],
        [true, 'by node node1, which asks the backend with its own address 172.30.0.11'],
      ]);
    },
  );

  test('a pod that asks a Cluster external address is seen as its node, but for backends of its own node', () => {
    const onlyFront = fromNet('10.65.1.2/32');
    expect(ask([db(), onlyFront], 'front', '203.0.113.7').map(({ verdict }) => verdict.allowed)).toEqual([
      false,
    ]);
    expect(
      ask([db(', externalTrafficPolicy: Local'), onlyFront], 'front', '203.0.113.7').map(
        ({ verdict }) => verdict.allowed,
      ),
    ).toEqual([true]);
    expect(
      ask([db(), fromNet('10.65.2.9/32')], 'ops/probe', '203.0.113.7').map(({ verdict }) => verdict.allowed),
    ).toEqual([true]);
  });

  const host = (node: string): string =>
    calico(
      'HostEndpoint',
      node,
      `{ node: ${node}, interfaceName: eth0, profiles: [projectcalico-default-allow] }`,
    );
  const preDnat = gnp(
    'pre',
    '{ selector: "!has(projectcalico.org/orchestrator)", preDNAT: true, applyOnForward: true, types: [Ingress], ingress: [{ action: Deny, destination: { nets: [203.0.113.7/32] } }] }',
  );

  test.each([
    ['node2', [false, true]],
    ['node1', [true, false]],
  ])('preDNAT policy of %s sees the address of the Service, by that node only', (node, expected) => {
    expect(
      verdicts([db(), host(node), preDnat], '203.0.113.7').map((one) => (one as readonly unknown[])[0]),
    ).toEqual(expected);
  });

  test('preDNAT policy never sees the address of a Service that a pod asks', () => {
    expect(heads([db(), host('node2'), preDnat], 'front', '203.0.113.7')[0]).toMatch(/ALLOWED$/);
  });
});

describe('a NodePort', () => {
  const nodePort = (more = '', endpoints = `[${dbEndpoint}]`): string =>
    service(
      'np',
      `{ type: NodePort, clusterIP: 10.96.0.20, ports: [{ name: sql, port: 15432, nodePort: 30080 }]${more} }`,
    ) + slice('np', endpoints, sqlPorts);
  const local = ', externalTrafficPolicy: Local';
  const fromNet = (net: string): string =>
    gnp(
      'p',
      `{ selector: app == 'db', types: [Ingress], ingress: [{ action: Allow, source: { nets: [${net}] } }] }`,
    );
  const pool = (more: string): string => calico('IPPool', 'pods', `{ cidr: 10.65.0.0/16${more} }`);
  const said = (texts: readonly string[], from: string, to: string): readonly unknown[] =>
    ask(texts, from, to).map(({ verdict, service: of }) => [
      verdict.allowed,
      of?.nobody ?? of?.backends[0]?.way,
    ]);
  const byNode1 = 'by node node1, which asks the backend with its own address 172.30.0.11';

  test.each(['172.30.0.11:30080', '172.30.0.11:30080/tcp', 'host:node1:30080'])(
    'as %s is its backend at the target port, and the answer says whose it is',
    (to) => {
      expect(heads([nodePort()], '192.0.2.9', to)).toEqual([
        '192.0.2.9 → NodePort of node node1: Service shop/np (172.30.0.11) TCP 30080 → pod shop/db (10.65.2.2) TCP 5432: ALLOWED',
      ]);
    },
  );

  test.each(['172.30.0.11:30081', '172.30.0.11:30080/udp', 'host:node1:15432', '172.30.0.11'])(
    '%s is the node itself',
    (to) => {
      expect(ask([nodePort()], 'front', to).map(({ to: at, service: of }) => [at, of])).toEqual([
        [expect.stringContaining('host node1'), undefined],
      ]);
    },
  );

  test('is only of the families that the Service has', () => {
    const six = `{ apiVersion: v1, kind: Node, metadata: { name: node3 }, status: { addresses: [{ type: InternalIP, address: "fd00:30::13" }] } }\n---\n`;
    expect(ask([nodePort(), six], '2001:db8::9', 'host:node3:30080')[0]?.service).toBeUndefined();
  });

  test('of a node without the backend shows it that node as the client; of its own node, the client', () => {
    expect(said([nodePort(), fromNet('192.0.2.0/24')], '192.0.2.9', '172.30.0.11:30080')).toEqual([
      [false, byNode1],
    ]);
    expect(said([nodePort(), fromNet('172.30.0.11/32')], '192.0.2.9', '172.30.0.11:30080')).toEqual([
      [true, byNode1],
    ]);
    expect(said([nodePort(), fromNet('192.0.2.0/24')], '192.0.2.9', '172.30.0.12:30080')).toEqual([
      [true, 'by node node2'],
    ]);
  });

  test('with externalTrafficPolicy Local has only the backends of that node, and they see the client', () => {
    const texts = [nodePort(local), fromNet('192.0.2.0/24')];
    expect(said(texts, '192.0.2.9', '172.30.0.12:30080')).toEqual([[true, 'by node node2']]);
    expect(said(texts, '192.0.2.9', '172.30.0.11:30080')).toEqual([
      [false, 'Service shop/np has no ready backend on node node1, and its externalTrafficPolicy is Local'],
    ]);
    const stopping = nodePort(
      local,
      `[${frontEndpoint}, { addresses: [10.65.2.2], nodeName: node2, conditions: { ready: false, serving: true, terminating: true } }]`,
    );
    expect(said([stopping, fromNet('192.0.2.0/24')], '192.0.2.9', '172.30.0.12:30080')).toEqual([
      [true, 'by node node2'],
    ]);
  });

  test.each(['', local])('of its own node a pod or host is translated there, to any backend%s', (more) => {
    const seen = more === '' ? '172.30.0.11/32' : '10.65.1.2/32';
    expect(said([nodePort(more), fromNet(seen)], 'front', '172.30.0.11:30080')[0]).toEqual([
      true,
      more === '' ? byNode1 : undefined,
    ]);
    expect(said([nodePort(more), fromNet('172.30.0.11/32')], 'host:node1', '172.30.0.11:30080')[0]).toEqual([
      true,
      undefined,
    ]);
  });

  test('of another node is to the egress policy of a pod a port of that node, and never the backend', () => {
    const only = (net: string, port: number): string =>
      gnp(
        'p',
        `{ selector: app == 'front', types: [Egress], egress: [{ action: Allow, protocol: TCP, destination: { nets: [${net}], ports: [${port}] } }] }`,
      );
    const allowed = (texts: readonly string[], to: string): boolean | undefined =>
      ask(texts, 'front', to)[0]?.verdict.allowed;
    const toNode = only('172.30.0.0/24', 30080);
    const toBackend = only('10.65.0.0/16', 5432);
    expect(allowed([nodePort(), toNode], '172.30.0.12:30080')).toBe(true);
    expect(allowed([nodePort(), toBackend], '172.30.0.12:30080')).toBe(false);
    expect(allowed([nodePort(), toNode], '172.30.0.11:30080')).toBe(false);
    expect(allowed([nodePort(), toBackend], '172.30.0.11:30080')).toBe(true);
  });

  test.each([
    ['', '10.65.1.2/32', 'by node node2'],
    [
      ', natOutgoing: true',
      '172.30.0.11/32',
      "with node node1's address 172.30.0.11 in place of its own (natOutgoing), by node node2",
    ],
  ])('of another node is asked by a pod of a pool%s as %s', (more, seen, way) => {
    expect(said([nodePort(), pool(more), fromNet(seen)], 'front', '172.30.0.12:30080')).toEqual([
      [true, way],
    ]);
  });

  test.each([
    ['{ natOutgoingExclusions: IPPoolsAndHostIPs }', '10.65.1.2/32'],
    ['{ natOutgoingAddress: 172.30.0.99 }', '172.30.0.99/32'],
  ])('is asked with FelixConfiguration %s as %s', (spec, seen) => {
    const texts = [nodePort(), pool(', natOutgoing: true'), calico('FelixConfiguration', 'default', spec)];
    expect(said([...texts, fromNet(seen)], 'front', '172.30.0.12:30080')[0]).toContain(true);
    expect(said([...texts, fromNet('10.0.0.0/32')], 'front', '172.30.0.12:30080')[0]).toContain(false);
  });

  const hostEndpoint = (node: string): string =>
    calico(
      'HostEndpoint',
      node,
      `{ node: ${node}, interfaceName: eth0, profiles: [projectcalico-default-allow] }`,
    );
  const closed = gnp(
    'pre',
    '{ selector: "!has(projectcalico.org/orchestrator)", preDNAT: true, applyOnForward: true, types: [Ingress], ingress: [{ action: Deny, protocol: TCP, destination: { ports: [30080] } }] }',
  );

  test.each(['192.0.2.9', 'ops/probe'])(
    'is what preDNAT policy of the node that has it sees, and of no other: from %s',
    (from) => {
      const verdictAt = (node: string): boolean | undefined =>
        ask([nodePort(), hostEndpoint(node), closed], from, '172.30.0.11:30080')[0]?.verdict.allowed;
      expect([verdictAt('node1'), verdictAt('node2')]).toEqual([false, true]);
    },
  );
});

describe('an external address', () => {
  const port = (name: string, number: number, node = ''): string =>
    service(
      name,
      `{ clusterIP: 10.96.1.${number}, externalIPs: [198.51.100.9${node}], ports: [{ port: ${number} }] }`,
    ) + slice(name, `[${dbEndpoint}]`, '[{ port: 5432, protocol: TCP }]');

  test('that several Services share is the one that has the port', () => {
    const texts = [port('a', 81), port('b', 82)];
    expect(heads(texts, 'front', '198.51.100.9:82')[0]).toContain('Service shop/b (198.51.100.9) TCP 82');
    expect(refusal(texts, 'front', '198.51.100.9:83')).toContain('has no port 83');
  });

  test("that is a node's own is the node at every other port", () => {
    const texts = [port('a', 81, ', 172.30.0.11')];
    expect(heads(texts, 'front', '172.30.0.11:81')[0]).toContain('Service shop/a (172.30.0.11) TCP 81');
    expect(heads(texts, 'front', '172.30.0.11:22')[0]).toBe(
      'pod shop/front (10.65.1.2) → host node1 (172.30.0.11) TCP 22: ALLOWED',
    );
  });
});
