/**
 * Arbitrary clusters in the kernel, and real packets through them: a node in a namespace, a namespace for each of its pods, a
 * stranger behind a router at its uplink. Who gets through must be who the oracle says, and the typed ruleset.
 */
import { execFileSync } from 'node:child_process';
import type { Socket as UdpSocket } from 'node:dgram';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { expect } from 'vitest';
import { placeHosts } from '../../felix/calc/hosts.ts';
import type { Ruleset } from '../../felix/rules/model.ts';
import { defaultRulesSettings, type RulesSettings } from '../../felix/rules/settings.ts';
import { type Packet, trace } from '../../felix/rules/trace.ts';
import { tcpConnect, tcpListen, udpSocket } from '../../src/kernel/sockets.ts';
import { type Address, formatAddress, ipv4, ipv6, versionOf } from '../../src/lib/net.ts';
import type { FelixConfiguration } from '../../src/model/felix-configuration.ts';
import type { CalicoRule, HostEndpoint } from '../../src/model/policy.ts';
import type { Pod, Resource } from '../../src/model/resource.ts';
import { type Cluster, snapshotOf } from '../../src/policy/cluster.ts';
import type { End } from '../../src/policy/connection.ts';
import type { Convertible } from '../../src/policy/convert.ts';
import { type Verdict, verdict } from '../../src/policy/verdict.ts';
import {
  anyPolicy,
  earlyPolicy,
  globalPolicy,
  nodeAddresses,
  resourcesOf,
  type World,
  world,
} from './arbitrary-policy.ts';
import { address } from './clusters.ts';
import { compileCluster } from './compiled-policy.ts';
import { createPlayground } from './namespaces.ts';

/** Writes the ruleset in the namespace, in place of the one before. */
export type WriteRuleset = (netns: string, ruleset: Ruleset) => Promise<void>;

const tcp = 6;
const udp = 17;
const ports = [80, 81, 443] as const;
const strangers = ['192.0.2.9', '2001:db8:9::9'].map(address);
const places = 4;
/** What must arrive is sent again until it does. */
const withinMs = 15_000;
const quietMs = 40;
const tcpPatienceMs = 120;

interface Place {
  readonly netns: string;
  readonly addresses: readonly Address[];
  /** Of the node: where its packets come from and go to; empty: the node itself. */
  readonly interface: string;
  readonly spot?: End['spot'];
}

/** Of host endpoints: what no policy closes. */
const failsafe = {
  failsafeInboundHostPorts: [{ protocol: tcp, port: 443 }],
  failsafeOutboundHostPorts: [
    { protocol: udp, port: 443 },
    { protocol: tcp, port: 81 },
  ],
};
const uplink = 'eth0';

interface Try {
  readonly from: Place;
  readonly to: Place;
  readonly source: Address;
  readonly target: Address;
  readonly protocol: typeof tcp | typeof udp;
  readonly port: number;
  /** What the sender writes to; absent: the target itself. */
  readonly dialled?: { readonly address: Address; readonly port: number };
}

/** What others' rules of the node translate, whatever of these ports is dialled, to port 80 of the target. */
interface Service {
  readonly address: Address;
  readonly target: Address;
}
const dialledPorts = [80, 443, 9999] as const;
const servicePort = 80;

interface Scene {
  readonly services: readonly Service[];
  readonly cluster: Cluster;
  readonly ruleset: Ruleset;
  readonly places: readonly Place[];
  /** Of the uplink. */
  readonly host?: HostEndpoint;
}

interface Proven {
  /** How many packets were judged so. */
  readonly accept: number;
  readonly drop: number;
  /** Those in which a rule decided at a host endpoint. */
  readonly moments: ReadonlySet<string>;
}

export interface ProveOptions {
  /** Policies before connection tracking and translation too, a host endpoint in each cluster, and packets of and to the host. */
  readonly hosts?: boolean;
}

const hostText = (one: Address): string => `${formatAddress(one)}/${versionOf(one) === 4 ? 32 : 128}`;

export class RandomPackets {
  readonly #ground;
  readonly #sockets: { readonly netns: string; readonly close: () => void }[] = [];
  readonly #heard = new Set<string>();
  #interfaces: readonly string[] = [];
  #round = 0;

  /** @param prefix  of the names of namespaces */
  constructor(prefix: string) {
    this.#ground = createPlayground(prefix);
  }

  async open(): Promise<void> {
    const ground = this.#ground;
    const [own4, own6] = nodeAddresses.here.map(hostText);
    const [far4, far6] = strangers.map(hostText);
    ground.link(
      ['node', uplink, '192.0.2.1/30', '2001:db8:9::1/126', `${own4}`, `${own6}`],
      ['router', 'eth0', '192.0.2.2/30', '2001:db8:9::2/126'],
    );
    ground.link(
      ['router', 'eth1', '192.0.2.5/30', '2001:db8:9::5/126'],
      ['out', 'eth0', `${far4}`, `${far6}`],
    );
    await this.#routes('out', [
      '192.0.2.5 dev eth0',
      '2001:db8:9::5 dev eth0',
      'default via 192.0.2.5',
      'default via 2001:db8:9::5',
    ]);
    await this.#routes('router', [
      ...[far4, far6].map((far) => `${far} dev eth1`),
      ...['default via 192.0.2.1', 'default via 2001:db8:9::1'],
    ]);
    await this.#routes('node', [
      ...[far4, '10.96.0.0/12'].map((to) => `${to} via 192.0.2.2`),
      ...[far6, 'fd96::/64'].map((to) => `${to} via 2001:db8:9::2`),
    ]);
    for (const name of ['node', 'router'])
      for (const path of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding'])
        await ground.exec(name, `sysctl -qw ${path}=1`);
    for (let index = 0; index < places; index++) {
      ground.link(['node', `cali${index}`], [`pod${index}`, 'eth0']);
      await ground.exec('node', `ip address add 169.254.1.1/32 dev cali${index}`);
    }
    for (const name of ['node', 'out', ...Array.from({ length: places }, (_, index) => `pod${index}`)])
      await this.#listen(`/run/netns/${ground.netns(name)}`);
  }

  /** In place of those before, as kube-proxy would. */
  #serve(services: readonly Service[]): void {
    const rules = services.map(({ address: own, target }) => {
      const family = versionOf(own) === 4 ? 'ip' : 'ip6';
      const to = family === 'ip' ? formatAddress(target) : `[${formatAddress(target)}]`;
      const ports = dialledPorts.join(', ');
      return `${family} daddr ${formatAddress(own)} meta l4proto { tcp, udp } th dport { ${ports} } dnat ${family} to ${to}:${servicePort}`;
    });
    const chains = ['prerouting', 'output'].map(
      (hook) =>
        `chain ${hook} { type nat hook ${hook} priority -100; ${rules.join('; ')}${rules.length === 0 ? '' : ';'} }`,
    );
    const input = `table inet services\ndelete table inet services\ntable inet services {\n${chains.join('\n')}\n}\n`;
    execFileSync('nsenter', [`--net=${this.#path('node')}`, 'nft', '-f', '-'], { input });
  }

  async #routes(name: string, routes: readonly string[]): Promise<void> {
    for (const route of routes)
      await this.#ground.exec(name, `ip ${route.includes(':') ? '-6' : '-4'} route add ${route}`);
  }

  async close(): Promise<void> {
    for (const { close } of this.#sockets) close();
    await this.#ground.close();
  }

  /** @param worlds  how many clusters. */
  async prove(
    worlds: number,
    seed: number,
    write: WriteRuleset,
    { hosts = false }: ProveOptions = {},
  ): Promise<Proven> {
    const seen = { accept: 0, drop: 0, moments: new Set<string>() };
    const samples = fc.sample(hosts ? withHosts : withPods, { numRuns: worlds, seed });
    const netns = this.#path('node');
    for (const [index, all] of samples.entries()) {
      const scene = await this.#settle(all, variants[index % variants.length] ?? {});
      await write(netns, scene.ruleset);
      if (hosts) this.#serve(scene.services);
      const tries = triesOf(scene, hosts);
      const verdicts = tries.map((each) => [nameOf(each), verdictOn(scene, each)] as const);
      const allowed = new Set(verdicts.filter(([, said]) => said.allowed).map(([name]) => name));
      for (const [, said] of verdicts) for (const moment of momentsOf(said)) seen.moments.add(moment);
      const traced = tries.filter((each) => isAccepted(scene, each)).map(nameOf);
      expect(traced, `cluster ${index} of seed ${seed}, in the typed ruleset`).toEqual([...allowed]);
      const arrived = await this.#send(tries, allowed);
      seen.accept += allowed.size;
      seen.drop += tries.length - allowed.size;
      const wrong = tries.map(nameOf).filter((name) => allowed.has(name) !== arrived.has(name));
      expect(wrong, `cluster ${index} of seed ${seed}`).toEqual([]);
    }
    return seen;
  }

  /** Gives the pods of the world their places: addresses and routes. */
  async #settle(
    all: World,
    { isByAddress, deny = 'Drop', endpointToHost = 'Accept' }: Variant,
  ): Promise<Scene> {
    const given = { ...failsafe, defaultEndpointToHostAction: endpointToHost };
    const configuration: FelixConfiguration = {
      kind: 'FelixConfiguration',
      meta: { name: 'default', labels: {}, annotations: {} },
      given,
    };
    const settings: RulesSettings = {
      ...defaultRulesSettings,
      ...{ deny, endpointToHost },
      failsafeInbound: failsafe.failsafeInboundHostPorts,
      failsafeOutbound: failsafe.failsafeOutboundHostPorts,
    };
    const written = resourcesOf(all).map((each) => (isByAddress === true ? byAddress(each) : each));
    const cluster: Cluster = { ...snapshotOf(written).cluster, configurations: [configuration] };
    const placed = placeHosts(cluster.hostEndpoints, [
      { name: uplink, addresses: nodeAddresses.here },
    ]).owners;
    const hosts = [...placed].map(([name, endpoint]) => ({ endpoint, interface: name }));
    const host = placed.get(uplink) ?? placed.get('*');
    const local = all.placed.filter(({ endpoint }) => endpoint !== undefined).slice(0, places);
    const podOf = ({ meta: { name, namespace } }: Pod): Pod | undefined =>
      cluster.pods.find(({ meta }) => meta.name === name && meta.namespace === namespace);
    const pods = local.flatMap(({ pod, endpoint }, index) => {
      const known = podOf(pod);
      return known === undefined || endpoint === undefined
        ? []
        : [{ pod: known, interface: `cali${index}`, addresses: endpoint.addresses }];
    });
    const { ruleset } = compileCluster(cluster, { pods, hosts }, settings);
    for (const name of this.#interfaces)
      this.#ip('node', [`route flush dev ${name}`, `-6 route flush dev ${name} proto static`]);
    this.#interfaces = pods.map((each) => each.interface);
    for (const [index, { addresses, interface: name }] of pods.entries()) {
      const four = addresses.filter((each) => versionOf(each) === 4);
      const six = addresses.filter((each) => versionOf(each) === 6);
      this.#ip(`pod${index}`, [
        'address flush dev eth0',
        'link set eth0 up',
        ...addresses.map(
          (each) => `address add ${hostText(each)} dev eth0 ${versionOf(each) === 6 ? 'nodad' : ''}`,
        ),
        ...(four.length === 0
          ? []
          : [
              'route replace 169.254.1.1 dev eth0 scope link',
              'route replace default via 169.254.1.1 dev eth0',
            ]),
        ...(six.length === 0
          ? []
          : [
              '-6 address replace fe80::2/64 dev eth0 nodad',
              '-6 route replace default via fe80::1 dev eth0',
            ]),
      ]);
      this.#ip('node', [
        ...(six.length === 0 ? [] : [`-6 address replace fe80::1/64 dev ${name} nodad`]),
        ...addresses.map(
          (each) =>
            `${versionOf(each) === 6 ? '-6 ' : ''}route replace ${hostText(each)} dev ${name} proto static`,
        ),
      ]);
    }
    const targets = [...pods.flatMap(({ addresses }) => addresses), ...strangers];
    return {
      cluster,
      ruleset,
      services: targets.map((target, index) => ({
        target,
        address: address(`${versionOf(target) === 4 ? '10.96.0.' : 'fd96::'}${index + 1}`),
      })),
      ...(host === undefined ? {} : { host }),
      places: [
        ...pods.map(({ pod, addresses, interface: name }, index) => ({
          netns: this.#path(`pod${index}`),
          interface: name,
          addresses,
          spot: { kind: 'workload', pod, node: 'here' } as const,
        })),
        { netns: this.#path('out'), interface: uplink, addresses: strangers },
        {
          netns: this.#path('node'),
          interface: '',
          addresses: nodeAddresses.here,
          spot: { kind: 'host', node: 'here', ...(host === undefined ? {} : { endpoint: host }) } as const,
        },
      ],
    };
  }

  #path(name: string): string {
    return `/run/netns/${this.#ground.netns(name)}`;
  }

  /** Lines for `ip -batch`; the family of most is plain from what they say. */
  #ip(name: string, lines: readonly string[]): void {
    for (const option of ['', '-6 ']) {
      const own = lines.filter((line) => line.startsWith('-6 ') === (option !== ''));
      if (own.length === 0) continue;
      const input = own.map((line) => `${line.slice(option.length)}\n`).join('');
      const args = ['-n', this.#ground.netns(name), ...(option === '' ? [] : ['-6']), '-batch', '-'];
      execFileSync('ip', args, { input, stdio: ['pipe', 'ignore', 'inherit'] });
    }
  }

  async #listen(netns: string): Promise<void> {
    for (const any of [ipv4(0), ipv6(0n)]) {
      for (const port of ports) {
        const server = await tcpListen(netns, any, port, (socket) => {
          socket.on('error', () => undefined);
          socket.resume();
        });
        const socket = await udpSocket(netns, any, port);
        socket.on('message', (message) => this.#heard.add(message.toString()));
        this.#sockets.push({ netns, close: () => server.close() }, { netns, close: () => socket.close() });
      }
    }
  }

  async #send(tries: readonly Try[], must: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    this.#round += 1;
    this.#heard.clear();
    const round = this.#round;
    const arrived = new Set<string>();
    const senders = await openSenders(tries);
    const note = (): void => {
      for (const each of tries) if (this.#heard.has(`${round} ${nameOf(each)}`)) arrived.add(nameOf(each));
    };
    const end = performance.now() + withinMs;
    const connects: Promise<void>[] = [];
    for (let left = tries; left.length > 0 && performance.now() < end; ) {
      for (const each of left) {
        const name = nameOf(each);
        if (each.protocol === tcp) connects.push(connect(each).then((is) => void (is && arrived.add(name))));
        else {
          const { address: to, port } = writtenTo(each);
          senders.get(senderKey(each))?.send(`${round} ${name}`, port, formatAddress(to));
        }
      }
      const isMissing = (each: Try): boolean => must.has(nameOf(each)) && !arrived.has(nameOf(each));
      const again = performance.now() + 200;
      do {
        await delay(2);
        note();
      } while (tries.some(isMissing) && performance.now() < again);
      left = tries.filter(isMissing);
    }
    await Promise.all(connects);
    await delay(quietMs);
    note();
    for (const socket of senders.values()) socket.close();
    return arrived;
  }
}

const senderKey = ({ from, source }: Try): string => `${from.netns} ${formatAddress(source)}`;

const writtenTo = ({ target, port, dialled }: Try): { readonly address: Address; readonly port: number } =>
  dialled ?? { address: target, port };

/** With ports nobody had before: nothing is an established connection. */
async function openSenders(tries: readonly Try[]): Promise<ReadonlyMap<string, UdpSocket>> {
  const senders = new Map<string, UdpSocket>();
  for (const each of tries) {
    if (senders.has(senderKey(each))) continue;
    const socket = await udpSocket(each.from.netns, each.source, 0);
    socket.on('error', () => undefined);
    senders.set(senderKey(each), socket);
  }
  return senders;
}

async function connect(each: Try): Promise<boolean> {
  const { from, source } = each;
  const to = writtenTo(each);
  try {
    const socket = await tcpConnect(from.netns, to.address, to.port, { timeoutMs: tcpPatienceMs, source });
    socket.destroy();
    return true;
  } catch {
    return false;
  }
}

/**
 * With hosts, those that a host endpoint may have to do with. Where something is untracked a reply is judged like any packet, so there
 * only datagrams tell of one packet.
 */
function triesOf(scene: Scene, hosts: boolean): readonly Try[] {
  const { places: all, cluster } = scene;
  const isUntracked = cluster.policies.some(({ stage }) => stage === 'untracked');
  const protocols = isUntracked ? ([udp] as const) : ([tcp, udp] as const);
  const isPod = ({ spot }: Place): boolean => spot?.kind === 'workload';
  const isAsked = (from: Place, to: Place): boolean =>
    from !== to && (hosts ? !(isPod(from) && isPod(to)) : from.interface !== '' && to.interface !== '');
  const direct = all.flatMap((from) =>
    all
      .filter((to) => isAsked(from, to))
      .flatMap((to) =>
        from.addresses.flatMap((source) =>
          to.addresses
            .filter((target) => versionOf(target) === versionOf(source))
            .flatMap((target) =>
              protocols.flatMap((protocol) =>
                ports.map((port): Try => ({ from, to, source, target, protocol, port })),
              ),
            ),
        ),
      ),
  );
  return hosts && !isUntracked ? [...direct, ...dialling(scene, direct)] : direct;
}

/** The same by a Service's address, of those whose way is by the node's own rules. What is not tracked is not translated. */
const dialling = ({ services }: Scene, direct: readonly Try[]): readonly Try[] =>
  direct
    .filter(({ from, port }) => (from.interface === uplink || from.interface === '') && port === servicePort)
    .flatMap((each) =>
      services
        .filter(({ target }) => target === each.target)
        .flatMap(({ address: own }) =>
          dialledPorts.map((port): Try => ({ ...each, dialled: { address: own, port } })),
        ),
    );

const nameOf = ({ source, target, protocol, port, dialled }: Try): string =>
  `${formatAddress(source)}>${formatAddress(target)} ${protocol}/${port}${dialled === undefined ? '' : ` by ${dialled.port}`}`;

/** The source port is one that nobody has a name for. */
const ephemeral = 40_000;

function verdictOn({ cluster, host }: Scene, each: Try): Verdict {
  const { from, to, source, target, protocol, port, dialled } = each;
  const end = ({ spot }: Place, other: Place, one: Address, own: number): End => ({
    address: one,
    port: own,
    ...(spot === undefined ? {} : { spot }),
    ...(host !== undefined && spot?.kind === 'workload' && other.interface === uplink ? { via: host } : {}),
  });
  return verdict(cluster, {
    from: end(from, to, source, ephemeral),
    to: end(to, from, target, port),
    protocol,
    ...(dialled === undefined ? {} : { dialled }),
  });
}

/** Of rules of host endpoints. */
const momentsOf = ({ judgements }: Verdict): readonly string[] =>
  judgements
    .filter(({ who, because }) => because.kind === 'rule' && !who.startsWith('pod '))
    .map(({ moment }) => moment);

const isAccepted = ({ ruleset }: Scene, each: Try): boolean =>
  trace(ruleset, packetOf(each)).verdict === 'accept';

function packetOf(each: Try): Packet {
  const { from, to, source, target, protocol, port, dialled } = each;
  const { address: destination, port: destinationPort } = writtenTo(each);
  return {
    ...{ source, destination, protocol, sourcePort: ephemeral, destinationPort },
    ...(dialled === undefined ? {} : { translated: { destination: target, destinationPort: port } }),
    ...{ state: 'new', in: from.interface, out: to.interface, local: nodeAddresses.here },
  };
}

/** One that packets meet, unlike most of arbitrary ones. */
const plainRule: fc.Arbitrary<CalicoRule> = fc
  .record({
    action: fc.constantFrom('Allow' as const, 'Allow' as const, 'Deny' as const, 'Pass' as const),
    protocol: fc.constantFrom(undefined, tcp, udp),
    port: fc.constantFrom(undefined, 80, 81, 443, 9999),
  })
  .map(({ action, protocol, port }) => ({
    ...{ action, annotations: {}, source: {} },
    ...(protocol === undefined ? {} : { protocol }),
    destination: protocol === undefined || port === undefined ? {} : { ports: [{ first: port, last: port }] },
  }));
const plainRules = fc.array(plainRule, { minLength: 1, maxLength: 2 });

/** Of any stage, and of the host endpoint for certain. */
const hostPolicy = fc.tuple(fc.oneof(globalPolicy, earlyPolicy, earlyPolicy), plainRules, plainRules).map(
  ([{ namespaceSelector: _, serviceAccountSelector: __, ...one }, ingress, egress]): Convertible => ({
    ...one,
    ...{ selector: { kind: 'all' }, tier: 'default' },
    ingress: one.types.includes('Ingress') ? ingress : [],
    egress: one.types.includes('Egress') ? egress : [],
  }),
);
const withHosts = world({
  policies: 6,
  policy: fc.oneof(anyPolicy, hostPolicy, hostPolicy),
  hosts: 'always',
}).filter(({ policies }) => policies.length > 2);
const withPods = world({ policies: 5, policy: anyPolicy });

/** Of the node, in turn. */
interface Variant {
  /** The host endpoint names no interface: it is found by its address. */
  readonly isByAddress?: boolean;
  readonly deny?: RulesSettings['deny'];
  readonly endpointToHost?: RulesSettings['endpointToHost'];
}

const variants: readonly Variant[] = [{}, { isByAddress: true, endpointToHost: 'Drop' }, { deny: 'Reject' }];

function byAddress(resource: Resource): Resource {
  if (resource.kind !== 'HostEndpoint') return resource;
  const { interfaceName: _, ...rest } = resource;
  return rest;
}
