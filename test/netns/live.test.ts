/**
 * `tortiectl policy why --live` through real agents, real rules and the kernel's own trace: pods of one node, and of two.
 *
 *     node1: shop/front, shop/db, shop/other ──── 172.31.0.0/30 ──── node2: shop/far
 */
import { execFile, execFileSync } from 'node:child_process';
import type { Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { askFelixBy, socketsOf } from '../../src/ctl/cluster/felix.ts';
import { triesOf, tryIt } from '../../src/ctl/live/tries.ts';
import { readWorld } from '../../src/ctl/policy-world.ts';
import { askSocket } from '../../src/host/socket.ts';
import { tcpListen } from '../../src/kernel/sockets.ts';
import { ipv4 } from '../../src/lib/net.ts';
import type { TraceReport, TraceStarted } from '../../src/model/live.ts';
import { snapshotOf } from '../../src/policy/cluster.ts';
import { agreementOf, fateOf } from '../../src/policy/live/fate.ts';
import { liveLines, liveVerdict } from '../../src/policy/live/words.ts';
import { why } from '../../src/policy/why.ts';
import { eventually } from '../support/eventually.ts';
import { createFelixNode, type FelixNode, namespaceObject, nodeObject, podObject } from '../support/felix.ts';
import type { Running } from '../support/namespaces.ts';

const nodeNamed = (name: string, address: string, ...cidrs: readonly string[]): object => ({
  ...nodeObject(name, ...cidrs),
  status: { addresses: [{ type: 'InternalIP', address }] },
});

/** db and far take TCP 5000-5999 of front alone; front may not ask for names. */
const policies: readonly object[] = [
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: 'shop', name: 'only-front' },
    spec: {
      podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['db', 'far'] }] },
      policyTypes: ['Ingress'],
      ingress: [
        {
          from: [{ podSelector: { matchLabels: { app: 'front' } } }],
          ports: [{ protocol: 'TCP', port: 5000, endPort: 5999 }],
        },
      ],
    },
  },
  {
    apiVersion: 'projectcalico.org/v3',
    kind: 'GlobalNetworkPolicy',
    metadata: { name: 'no-dns' },
    spec: {
      selector: "app == 'front'",
      types: ['Egress'],
      egress: [{ action: 'Deny', protocol: 'UDP', destination: { ports: [53] } }, { action: 'Allow' }],
    },
  },
];

/** Port 80 of 10.96.0.10, with these behind it at 5432. */
const service = (backends: readonly (string | readonly never[])[]): readonly object[] => [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'shop', name: 'sql' },
    spec: { clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10'], ports: [{ port: 80, targetPort: 5432 }] },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace: 'shop', name: 'sql', labels: { 'kubernetes.io/service-name': 'sql' } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 5432, protocol: 'TCP' }],
    endpoints: backends.flat().map((each) => ({ addresses: [each], conditions: { ready: true } })),
  },
];

const argument = (running: Running | undefined, name: string): string =>
  new RegExp(`--${name} (\\S+)`).exec(running?.process.spawnargs.join(' ') ?? '')?.[1] ?? '';

/** An answer comes at once, and is waited for on the busiest machine; silence is not. */
const answered = 20_000;
const silent = 400;

/** Asks policy, then tries it. @param sockets  as --felix-socket */
async function live(
  datastore: string,
  sockets: readonly string[],
  [from, to]: readonly [string, string],
  withinMs: number,
  version: 4 | 6 = 4,
) {
  const world = await readWorld({ datastore });
  if (!world.ok) throw new Error(world.error);
  const { cluster } = snapshotOf(world.value.resources);
  const answers = why(cluster, from, to, 'default');
  const answer = (answers.ok ? answers.value : []).find((each) => each.version === version);
  if (answer === undefined) throw new Error(JSON.stringify(answers));
  const ask = askFelixBy({ sockets: socketsOf(sockets) });
  const [one = []] = triesOf([answer]);
  const [came] = await tryIt(cluster, one, { ask, random: Math.random, withinMs });
  if (came === undefined) throw new Error('nothing came of it');
  const tried = came.live;
  const { allowed } = answer.verdict;
  return {
    allowed,
    tried,
    fate: fateOf(tried),
    agreement: agreementOf(allowed, tried),
    verdict: liveVerdict(answer, tried),
    lines: liveLines(answer, tried, false),
  };
}

const nft = (node: FelixNode, name: string, script: string): Promise<string> =>
  node.ground.exec(name, `nft -f - <<'END'\n${script}\nEND`);

describe('rules written by nftables, on two nodes', () => {
  const one = createFelixNode('lv1', 'node1');
  const two = createFelixNode('lv2', 'node2');
  const places = { 'shop/front': one, 'shop/db': one, 'shop/other': one, 'shop/far': two } as const;
  type PodName = keyof typeof places;
  const pods = Object.keys(places) as readonly PodName[];
  const addresses = new Map<string, readonly string[]>();
  const servers: Server[] = [];
  const felix: Running[] = [];

  function store(): void {
    const objects = [
      nodeNamed('node1', '172.31.0.1', '10.66.1.0/24', 'fd00:66:1::/64'),
      nodeNamed('node2', '172.31.0.2', '10.66.2.0/24'),
      namespaceObject('shop'),
      ...pods.map((pod) =>
        podObject(pod, places[pod] === one ? 'node1' : 'node2', {
          labels: { app: pod.slice(5) },
          ips: addresses.get(pod) ?? [],
        }),
      ),
      ...policies,
      ...service(['shop/db', 'shop/far'].map((pod) => addresses.get(pod)?.[0] ?? [])),
    ];
    for (const node of [one, two]) node.store(objects);
  }

  const sockets = (): readonly string[] => [
    argument(felix[0], 'socket'),
    `node2=${argument(felix[1], 'socket')}`,
  ];
  const tryOut = (from: string, to: string, withinMs: number, version?: 4 | 6) =>
    live(argument(felix[0], 'datastore'), sockets(), [from, to], withinMs, version);

  async function ask<T>(method: 'GET' | 'POST', path: string, body?: object) {
    const asked = {
      method,
      timeoutMs: 20_000,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
    const answer = await askSocket(argument(felix[1], 'socket'), path, asked);
    if (!answer.ok) throw new Error(answer.error);
    return { status: answer.value.status, body: answer.value.body as T };
  }

  const listen = async (pod: PodName, port: number): Promise<void> => {
    const greet = (socket: { on(event: 'error', listener: () => void): unknown }): void => {
      socket.on('error', () => undefined);
    };
    servers.push(await tcpListen(places[pod].netns(pod), ipv4(0), port, greet));
  };

  const ruleset = (): Promise<string> => one.ground.exec('node1', 'nft -a -s list table inet tortie');

  beforeAll(async () => {
    const [near, far] = [one.ground.netns('node1'), two.ground.netns('node2')];
    const ip = (command: string): Buffer => execFileSync('ip', command.split(' '));
    ip(`-n ${near} link add wire type veth peer name wire netns ${far}`);
    for (const [name, own, other, cidr] of [
      [near, '172.31.0.1', '172.31.0.2', '10.66.2.0/24'],
      [far, '172.31.0.2', '172.31.0.1', '10.66.1.0/24'],
    ] as const) {
      ip(`-n ${name} address add ${own}/30 dev wire`);
      ip(`-n ${name} link set wire up`);
      ip(`-n ${name} route add ${cidr} via ${other}`);
    }
    store();
    felix.push(...(await Promise.all([one.start(), two.start()])));
    for (const pod of pods)
      addresses.set(pod, await places[pod].add({ container: `c-${pod.slice(5)}`, pod }));
    store();
    await one.settled(({ endpoints }) => endpoints.length === 3 && endpoints.every(({ ready }) => ready));
    await two.settled(({ endpoints }) => endpoints.length === 1 && endpoints.every(({ ready }) => ready));
    for (const pod of ['shop/db', 'shop/far'] as const)
      for (const port of [5432, 5500, 5600, 5700, 5800]) await listen(pod, port);
    await nft(
      one,
      'node1',
      `table inet firewall {
         chain guard {
           type filter hook forward priority 10; policy accept;
           tcp dport 5500 counter drop comment "nobody needs 5500"
           tcp sport 5700 counter drop
           tcp dport 5800 reject with icmpx admin-prohibited
         }
       }`,
    );
    await nft(
      one,
      'shop-db',
      'table inet own {\nchain input {\ntype filter hook input priority 0;\ntcp dport 5600 drop\n}\n}',
    );
  }, 90_000);

  afterAll(async () => {
    for (const server of servers) server.close();
    await one.close();
    await two.close();
  });

  const onlyFront = 'KubernetesNetworkPolicy shop/only-front';

  test('what is allowed connects, and each rule that allowed it is named with what it counted', async () => {
    const { fate, agreement, tried, verdict } = await tryOut('shop/front', 'shop/db:5432', answered);
    expect({ fate, agreement, outcome: tried.outcome?.kind }).toEqual({
      fate: { kind: 'passed' },
      agreement: 'agrees',
      outcome: 'connected',
    });
    expect(verdict).toBe('ALLOWED, and the kernel let it through');
    const decided = tried.halves.flatMap(
      ({ report }) => report?.steps.filter(({ decision }) => decision) ?? [],
    );
    expect(decided).toMatchObject([
      { decision: { policy: 'GlobalNetworkPolicy no-dns', rule: 2 }, verdict: 'accept' },
      { decision: { policy: onlyFront, rule: 1, tier: 'default' }, verdict: 'accept' },
    ]);
    for (const { packetsBefore = 0, packetsAfter } of decided) expect(packetsAfter).toBe(packetsBefore + 1);
  }, 60_000);

  test('where nothing listens it is refused, which policy allows', async () => {
    const { fate, agreement, tried } = await tryOut('shop/front', 'shop/db:5999', answered);
    expect(tried.outcome?.kind).toBe('refused');
    expect({ fate: fate.kind, agreement }).toEqual({ fate: 'passed', agreement: 'agrees' });
  }, 60_000);

  test('what no rule takes is dropped at the end of the tier, by the policies that isolate', async () => {
    const { fate, agreement, verdict } = await tryOut('shop/other', 'shop/db:5432', silent);
    expect(fate).toMatchObject({
      kind: 'dropped',
      node: 'node1',
      step: { own: true, decision: { direction: 'Ingress', tier: 'default', asked: [onlyFront] } },
    });
    expect(agreement).toBe('agrees');
    expect(verdict).toBe(
      `DENIED, and the kernel of node1 dropped it as no ingress rule matched; isolated in tier default by ${onlyFront}`,
    );
  }, 60_000);

  test('a datagram that a rule denies is dropped by that rule', async () => {
    const { fate } = await tryOut('shop/front', 'shop/other:53/udp', silent);
    expect(fate).toMatchObject({
      kind: 'dropped',
      step: { decision: { direction: 'Egress', policy: 'GlobalNetworkPolicy no-dns', rule: 1 } },
    });
  }, 60_000);

  test('a datagram that nobody listens for comes back as an ICMP error', async () => {
    const { tried, allowed } = await tryOut('shop/front', 'shop/other:7777/udp', answered);
    expect(allowed).toBe(true);
    const from = addresses.get('shop/other')?.[0];
    expect(tried.outcome).toMatchObject({ kind: 'error', icmp: { from, type: 3, code: 3 } });
  }, 60_000);

  test('an echo is answered', async () => {
    const { tried, agreement } = await tryOut('shop/db', 'shop/other/icmp', answered);
    expect(tried.outcome?.kind).toBe('answered');
    expect(tried.halves[0]?.report?.packets).toEqual({ there: 1, back: 1 });
    expect(agreement).toBe('agrees');
  }, 60_000);

  test('so it is in IPv6, where a rule that denies is named too', async () => {
    const echo = await tryOut('shop/db', 'shop/other/icmp', answered, 6);
    expect(echo.tried.outcome?.kind).toBe('answered');
    expect(echo.tried.halves[0]?.report?.packets).toEqual({ there: 1, back: 1 });
    expect((await tryOut('shop/front', 'shop/other:7777/udp', answered, 6)).tried.outcome).toMatchObject({
      kind: 'error',
      icmp: { type: 1, code: 4 },
    });
    expect((await tryOut('shop/front', 'shop/db:5999', answered, 6)).tried.outcome?.kind).toBe('refused');
    expect(await tryOut('shop/other', 'shop/db:5432', silent, 6)).toMatchObject({
      agreement: 'agrees',
      fate: { kind: 'dropped', step: { decision: { asked: [onlyFront] } } },
    });
  }, 60_000);

  test('a rule of somebody else that drops it is named first, with its table', async () => {
    const { agreement, verdict, lines } = await tryOut('shop/front', 'shop/db:5500', silent);
    expect(agreement).toBe('differs');
    expect(verdict).toMatch(
      /^ALLOWED by policy, BUT the kernel of node1 dropped it in table inet firewall chain guard rule handle \d+, which is not Tortie's$/,
    );
    expect(lines.join('\n')).toContain('drop comment "nobody needs 5500"');
  }, 60_000);

  test('so is one that drops the answer', async () => {
    const { agreement, verdict } = await tryOut('shop/front', 'shop/db:5700', silent);
    expect(agreement).toBe('differs');
    expect(verdict).toContain('dropped the answer in table inet firewall chain guard');
  }, 60_000);

  test('and one that rejects it, whose word is told', async () => {
    const { fate, tried } = await tryOut('shop/front', 'shop/db:5800', answered);
    expect(fate).toMatchObject({ kind: 'dropped', step: { own: false, table: 'firewall' } });
    expect(tried.outcome).toMatchObject({ kind: 'error', icmp: { type: 3, code: 13 } });
  }, 60_000);

  test('a pod that does not answer is no fault of the rules', async () => {
    const { fate, agreement, tried } = await tryOut('shop/front', 'shop/db:5600', silent);
    expect(tried.outcome?.kind).toBe('silent');
    expect({ fate: fate.kind, agreement }).toEqual({ fate: 'passed', agreement: 'agrees' });
  }, 60_000);

  test('of two nodes each tells its own half', async () => {
    const { tried } = await tryOut('shop/front', 'shop/far:5432', answered);
    expect(tried.outcome?.kind).toBe('connected');
    expect(
      tried.halves.map(({ node, end, report }) => [
        node,
        end,
        report?.steps.flatMap(({ decision }) => decision?.policy ?? []),
      ]),
    ).toEqual([
      ['node1', 'source', ['GlobalNetworkPolicy no-dns']],
      ['node2', 'destination', [onlyFront]],
    ]);
    expect(await tryOut('host:node1', 'shop/far:5432', silent)).toMatchObject({
      fate: { kind: 'dropped', node: 'node2' },
      agreement: 'agrees',
    });
  }, 60_000);

  test('the address of a Service is dialled, and the backend it led to is named', async () => {
    await nft(
      one,
      'node1',
      'table ip kube {\nchain services {\ntype nat hook prerouting priority -100;\nip daddr 10.96.0.10 tcp dport 80 dnat to 10.66.2.1:5432\n}\n}',
    );
    const { tried, agreement, lines } = await tryOut('shop/front', 'svc:shop/sql', answered);
    expect(agreement).toBe('agrees');
    expect(tried.outcome?.kind).toBe('connected');
    expect(tried.halves).toMatchObject([
      { node: 'node1', end: 'source' },
      { node: 'node2', end: 'destination', report: { packets: { there: 3 } } },
    ]);
    expect(lines.join('\n')).toContain("the Service's address was dialled, and led to 10.66.2.1");
    expect(lines.join('\n')).toContain(
      'destination translated: 10.96.0.10 port 80 is now 10.66.2.1 port 5432',
    );
    expect(await tryOut('shop/other', 'svc:shop/sql', silent)).toMatchObject({
      agreement: 'agrees',
      fate: { kind: 'dropped', node: 'node2', step: { decision: { asked: [onlyFront] } } },
    });
  }, 60_000);

  test('what is lost between them is said to be', async () => {
    execFileSync('ip', ['-n', two.ground.netns('node2'), 'link', 'set', 'wire', 'down']);
    const { agreement, fate } = await tryOut('shop/front', 'shop/far:5432', silent);
    execFileSync('ip', ['-n', two.ground.netns('node2'), 'link', 'set', 'wire', 'up']);
    execFileSync('ip', [
      ...['-n', two.ground.netns('node2'), 'route', 'replace', '10.66.1.0/24', 'via', '172.31.0.1'],
    ]);
    expect(agreement).toBe('differs');
    expect(fate).toEqual({ kind: 'lost', from: 'node1', to: 'node2' });
  }, 60_000);

  test('a node that cannot be asked is missing, and the rest is shown', async () => {
    const [here = ''] = sockets();
    const { tried, agreement } = await live(
      argument(felix[0], 'datastore'),
      [here, 'node2=/nowhere.sock'],
      ['shop/front', 'shop/far:5432'],
      answered,
    );
    expect(agreement).toBe('agrees');
    expect(tried.halves).toMatchObject([
      { node: 'node1', report: { packets: { there: 3 } } },
      { node: 'node2', missing: expect.stringContaining('/nowhere.sock does not answer') },
    ]);
  }, 60_000);

  test('from outside nothing can be sent', async () => {
    const { tried, agreement } = await tryOut('192.0.2.1', 'shop/far:5432', silent);
    expect(tried.untried).toContain('192.0.2.1 is no pod or node of this cluster');
    expect(agreement).toBe('unknown');
  }, 60_000);

  function tortiectl(from: string, to: string, ...more: readonly string[]) {
    const script = new URL('../../src/tortie.sh', import.meta.url).pathname;
    const words = ['policy', 'why', from, to, '--live', ...more];
    const options = sockets().flatMap((socket) => ['--felix-socket', socket]);
    return new Promise<{ readonly code: number; readonly text: string }>((resolve) => {
      execFile(
        script,
        ['ctl', '--datastore', argument(felix[0], 'datastore'), ...words, ...options],
        { env: { ...process.env, NO_COLOR: '1' } },
        (error, stdout, stderr) =>
          resolve({ code: typeof error?.code === 'number' ? error.code : 0, text: `${stdout}${stderr}` }),
      );
    });
  }

  test('the command exits with 0 and 1 where the kernel does as policy says, and tells all of it as JSON', async () => {
    const db = addresses.get('shop/db')?.[0];
    const allowed = await tortiectl('shop/front', `${db}:5432`, '--within', '20', '-o', 'json');
    expect(JSON.parse(allowed.text)).toMatchObject([
      {
        allowed: true,
        live: {
          ...{ kernel: { kind: 'passed' }, agreement: 'agrees', probe: { kind: 'connected' } },
          traces: [{ node: 'node1', end: 'both', report: { node: 'node1', cut: false } }],
        },
      },
    ]);
    expect(allowed.code).toBe(0);
    const denied = await tortiectl('shop/other', `${db}:5432`, '--within', '0.5', '-o', 'wide');
    expect(denied.text).toMatch(
      /table inet tortie chain \S+ rule handle \d+: drop \(no ingress rule matched/,
    );
    expect(denied.code).toBe(1);
  }, 60_000);

  test('the command says it in text, with an exit code of its own', async () => {
    const told = await tortiectl('shop/front', 'shop/db:5500', '--within', '0.5');
    // The first of both families.
    const plain = `${told.text.split('\n\n')[0]}\n`
      .replace(/port 6\d{4}/, 'port PORT')
      .replace(/handle \d+/g, 'handle H')
      .replace(/packets \d+ → \d+/g, 'packets N → M')
      .replace(/within [\d.]+ s/, 'within T s')
      .replace(/packets \d+ bytes \d+/g, 'packets N bytes N')
      .replace(/cali[0-9a-f]{11}/g, 'caliX')
      .replace(/\d+ packets?, 0 answers, \d+ steps/, 'PACKETS');
    expect(
      plain,
    ).toBe(`pod shop/front (10.66.1.1) → pod shop/db (10.66.1.2) TCP 5500: ALLOWED by policy, BUT the kernel of node1 dropped it in table inet firewall chain guard rule handle H, which is not Tortie's
  egress of pod shop/front: allowed
    GlobalNetworkPolicy no-dns egress rule 2 in tier default: allow everything to anyone
  ingress of pod shop/db: allowed
    KubernetesNetworkPolicy shop/only-front ingress rule 1 in tier default: allow TCP 5000-5999 from pods in namespace shop with app == "front"
  live: a probe from 10.66.1.1 port PORT to 10.66.1.2: no answer within T s
  trace on node1 (source and destination): PACKETS
    allowed: GlobalNetworkPolicy no-dns egress rule 2 in tier default (packets N → M)
    allowed: KubernetesNetworkPolicy shop/only-front ingress rule 1 in tier default (packets N → M)
    dropped: table inet firewall chain guard rule handle H, which is not Tortie's: tcp dport 5500 counter packets N bytes N drop comment "nobody needs 5500"
`);
    expect(told.code).toBe(3);
  }, 60_000);

  const flow = { version: 4, protocol: 6, sourcePort: 65_000, forMs: 30_000 };
  const tables = (): Promise<string> => two.ground.exec('node2', 'nft list tables');

  test('one flow is followed at a time, and the table goes with the trace', async () => {
    const begun = await ask<TraceStarted>('POST', '/trace', flow);
    expect(begun.status).toBe(200);
    expect(await tables()).toContain('table inet tortie-trace');
    expect(await ask('POST', '/trace', flow)).toMatchObject({
      status: 409,
      body: { error: expect.stringContaining('Somebody follows a packet through node node2 already') },
    });
    const { body } = await ask<TraceReport>('GET', `/trace?id=${begun.body.id}`);
    expect(body).toEqual({ node: 'node2', packets: { there: 0, back: 0 }, steps: [], cut: false });
    expect(await tables()).not.toContain('tortie-trace');
    expect((await ask('GET', `/trace?id=${begun.body.id}`)).status).toBe(404);
  }, 60_000);

  test('one that nobody reads ends by itself', async () => {
    expect((await ask('POST', '/trace', { ...flow, forMs: 50 })).status).toBe(200);
    await eventually(async () => expect(await tables()).not.toContain('tortie-trace'), { within: 20_000 });
  }, 60_000);

  test('nothing of it is taken for a change of the rules', async () => {
    const [before, status] = [await ruleset(), await one.status()];
    await tryOut('shop/front', 'shop/db:5432', answered);
    expect(await ruleset()).toBe(before);
    const { transactions, problems, pending } = await one.status();
    expect({ transactions, problems, pending }).toEqual({
      transactions: status.transactions,
      problems: status.problems,
      pending: false,
    });
    expect(felix[0]?.output()).not.toContain('changed by someone else');
  }, 60_000);

  test('kill -9 in the middle of it leaves no table', async () => {
    expect((await ask('POST', '/trace', flow)).status).toBe(200);
    expect(await tables()).toContain('table inet tortie-trace');
    await felix[1]?.end('SIGKILL');
    expect(await tables()).not.toContain('tortie-trace');
    expect(await tables()).toContain('table inet tortie');
  }, 60_000);
});

describe.each(['NFT', 'Legacy'] as const)('rules written by iptables (%s)', (backend) => {
  const node = createFelixNode(`lv${backend[0]}`, 'node1');
  const addresses = new Map<string, readonly string[]>();
  let felix: Running;

  const store = (): void =>
    node.store([
      nodeNamed('node1', '172.31.0.1', '10.66.1.0/24'),
      namespaceObject('shop'),
      ...['shop/db', 'shop/other'].map((pod) =>
        podObject(pod, 'node1', { labels: { app: pod.slice(5) }, ips: addresses.get(pod) ?? [] }),
      ),
      ...policies,
    ]);

  beforeAll(async () => {
    store();
    felix = await node.start(['--set', 'nftablesMode=Disabled', '--set', `iptablesBackend=${backend}`]);
    for (const pod of ['shop/db', 'shop/other'])
      addresses.set(pod, await node.add({ container: `c-${pod.slice(5)}`, pod }));
    store();
    await node.settled(({ endpoints }) => endpoints.length === 2 && endpoints.every(({ ready }) => ready));
  }, 90_000);
  afterAll(() => node.close());

  test('a drop is told as far as the kernel tells of it', async () => {
    const sockets = [argument(felix, 'socket')];
    const { fate, tried, agreement } = await live(
      argument(felix, 'datastore'),
      sockets,
      ['shop/other', 'shop/db:5432'],
      silent,
    );
    expect(tried.outcome?.kind).toBe('silent');
    expect(agreement).toBe('agrees');
    if (backend === 'NFT')
      expect(fate).toMatchObject({
        kind: 'dropped',
        step: {
          own: true,
          family: 'ip',
          table: 'filter',
          decision: { direction: 'Ingress', tier: 'default' },
        },
      });
    else
      expect(tried.halves).toMatchObject([
        {
          missing: expect.stringContaining('written by iptables-legacy, and the kernel traces only nftables'),
        },
      ]);
  }, 60_000);
});
