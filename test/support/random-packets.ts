/**
 * Arbitrary clusters in the kernel, and real packets through them: a node in a namespace, a namespace for each of its pods, a
 * stranger behind its uplink. Who gets through must be who the oracle says.
 */
import { execFileSync } from 'node:child_process';
import type { Socket as UdpSocket } from 'node:dgram';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Ruleset } from '../../felix/rules/model.ts';
import { defaultRulesSettings } from '../../felix/rules/settings.ts';
import { tcpConnect, tcpListen, udpSocket } from '../../src/kernel/sockets.ts';
import { type Address, formatAddress, ipv4, ipv6, versionOf } from '../../src/lib/net.ts';
import type { Pod } from '../../src/model/resource.ts';
import { type Cluster, snapshotOf } from '../../src/policy/cluster.ts';
import type { End } from '../../src/policy/connection.ts';
import { verdict } from '../../src/policy/verdict.ts';
import { anyPolicy, resourcesOf, type World, world } from './arbitrary-policy.ts';
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
  readonly spot?: End['spot'];
}

interface Try {
  readonly from: Place;
  readonly to: Place;
  readonly source: Address;
  readonly target: Address;
  readonly protocol: typeof tcp | typeof udp;
  readonly port: number;
}

interface Scene {
  readonly cluster: Cluster;
  readonly ruleset: Ruleset;
  readonly places: readonly Place[];
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
    ground.link(
      ['node', 'eth0', '192.0.2.1/24', '2001:db8:9::1/64'],
      ['out', 'eth0', '192.0.2.9/24', '2001:db8:9::9/64'],
    );
    for (const [family, via] of [
      ['-4', '192.0.2.1'],
      ['-6', '2001:db8:9::1'],
    ] as const)
      await ground.exec('out', `ip ${family} route add default via ${via}`);
    for (const path of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding'])
      await ground.exec('node', `sysctl -qw ${path}=1`);
    for (let index = 0; index < places; index++) {
      ground.link(['node', `cali${index}`], [`pod${index}`, 'eth0']);
      await ground.exec('node', `ip address add 169.254.1.1/32 dev cali${index}`);
    }
    for (const name of ['out', ...Array.from({ length: places }, (_, index) => `pod${index}`)])
      await this.#listen(`/run/netns/${ground.netns(name)}`);
  }

  async close(): Promise<void> {
    for (const { close } of this.#sockets) close();
    await this.#ground.close();
  }

  /** @param worlds  how many clusters. @returns  how many packets were judged each way */
  async prove(worlds: number, seed: number, write: WriteRuleset): Promise<{ accept: number; drop: number }> {
    const seen = { accept: 0, drop: 0 };
    const samples = fc.sample(world({ policies: 5, policy: anyPolicy }), { numRuns: worlds, seed });
    const netns = `/run/netns/${this.#ground.netns('node')}`;
    for (const [index, all] of samples.entries()) {
      const scene = await this.#settle(all);
      await write(netns, scene.ruleset);
      const tries = triesOf(scene.places);
      const allowed = new Set(tries.filter((each) => isAllowed(scene.cluster, each)).map(nameOf));
      const arrived = await this.#send(tries, allowed);
      seen.accept += allowed.size;
      seen.drop += tries.length - allowed.size;
      const wrong = tries.map(nameOf).filter((name) => allowed.has(name) !== arrived.has(name));
      expect(wrong, `cluster ${index} of seed ${seed}`).toEqual([]);
    }
    return seen;
  }

  /** Gives the pods of the world their places: addresses and routes. */
  async #settle(all: World): Promise<Scene> {
    const { cluster } = snapshotOf(resourcesOf(all));
    const local = all.placed.filter(({ endpoint }) => endpoint !== undefined).slice(0, places);
    const podOf = ({ meta: { name, namespace } }: Pod): Pod | undefined =>
      cluster.pods.find(({ meta }) => meta.name === name && meta.namespace === namespace);
    const pods = local.flatMap(({ pod, endpoint }, index) => {
      const known = podOf(pod);
      return known === undefined || endpoint === undefined
        ? []
        : [{ pod: known, interface: `cali${index}`, addresses: endpoint.addresses }];
    });
    const { ruleset } = compileCluster(cluster, { pods, hosts: [] }, defaultRulesSettings);
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
    return {
      cluster,
      ruleset,
      places: [
        ...pods.map(({ pod, addresses }, index) => ({
          netns: this.#path(`pod${index}`),
          addresses,
          spot: { kind: 'workload', pod, node: 'here' } as const,
        })),
        { netns: this.#path('out'), addresses: strangers },
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
        else senders.get(senderKey(each))?.send(`${round} ${name}`, each.port, formatAddress(each.target));
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

const senderKey = ({ from, source }: Try): string => `${from.netns} ${versionOf(source)}`;

/** With ports nobody had before: nothing is an established connection. */
async function openSenders(tries: readonly Try[]): Promise<ReadonlyMap<string, UdpSocket>> {
  const senders = new Map<string, UdpSocket>();
  for (const each of tries) {
    if (senders.has(senderKey(each))) continue;
    const socket = await udpSocket(each.from.netns, versionOf(each.source) === 4 ? ipv4(0) : ipv6(0n), 0);
    socket.on('error', () => undefined);
    senders.set(senderKey(each), socket);
  }
  return senders;
}

async function connect({ from, target, port }: Try): Promise<boolean> {
  try {
    const socket = await tcpConnect(from.netns, target, port, { timeoutMs: tcpPatienceMs });
    socket.destroy();
    return true;
  } catch {
    return false;
  }
}

function triesOf(all: readonly Place[]): readonly Try[] {
  return all.flatMap((from) =>
    all.flatMap((to) =>
      from === to
        ? []
        : from.addresses.flatMap((source) =>
            to.addresses
              .filter((target) => versionOf(target) === versionOf(source))
              .flatMap((target) =>
                ([tcp, udp] as const).flatMap((protocol) =>
                  ports.map((port) => ({ from, to, source, target, protocol, port })),
                ),
              ),
          ),
    ),
  );
}

const nameOf = ({ source, target, protocol, port }: Try): string =>
  `${formatAddress(source)}>${formatAddress(target)} ${protocol}/${port}`;

/** The source port is one that nobody has a name for. */
const ephemeral = 40_000;

function isAllowed(cluster: Cluster, { from, to, source, target, protocol, port }: Try): boolean {
  const end = ({ spot }: Place, one: Address, own: number): End => ({
    address: one,
    port: own,
    ...(spot === undefined ? {} : { spot }),
  });
  return verdict(cluster, { from: end(from, source, ephemeral), to: end(to, target, port), protocol })
    .allowed;
}
