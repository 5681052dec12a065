/**
 * What becomes of packets in every situation of a row: a node with a real `tortie felix`, its pods, and who is around it. The
 * objects of a row are put into the datastore in place of those of the row before, then everybody asks whom the row names,
 * over IPv4 and over IPv6.
 *
 *     out 192.0.2.9 ──────┐              ┌── web, friend (namespace shop), stranger (namespace other)
 *                    eth0 host          cali…
 *     back 198.51.100.9 ─ eth1           ├── rogue: on a cali interface that nobody gave out
 *                                        └── guest: on an interface that is not ours
 *
 * A row is in the kernel when felix shows the marker policy that was stored with it and has nothing pending.
 */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAddress } from '../../src/lib/net.ts';
import { eventually } from './eventually.ts';
import { createFelixNode, namespaceObject, nodeObject, podObject } from './felix.ts';
import { type Cell, cellName, Prober } from './prober.ts';

export interface Path {
  /** A true sentence. */
  readonly situation: string;
  /** Beside the node, the namespaces and the pods. */
  readonly objects: readonly object[];
  /** "friend > web TCP/80", with " IPv6" or " IPv4" where it is of one family only. */
  readonly passes?: readonly string[];
  readonly fails?: readonly string[];
  /** Connections made before the objects came. TCP. */
  readonly goesOn?: readonly string[];
  /** Command lines to run before it is asked: [namespace, command]. */
  readonly prepare?: readonly (readonly [string, string])[];
}

/** Addresses of each: those that are called first. */
export const addresses = {
  web: ['10.244.1.2', 'fd00:1::2'],
  friend: ['10.244.1.3', 'fd00:1::3'],
  stranger: ['10.244.1.4', 'fd00:1::4'],
  host: ['192.0.2.1', '2001:db8:9::1', '198.51.100.1', '2001:db8:51::1'],
  out: ['192.0.2.9', '2001:db8:9::9'],
  back: ['198.51.100.9', '2001:db8:51::9'],
  rogue: ['10.244.9.1', 'fd00:9::1'],
  guest: ['10.244.9.2', 'fd00:9::2'],
} as const;
type Name = keyof typeof addresses;

const isName = (text: string | undefined): text is Name => text !== undefined && text in addresses;
const marker = 'marker/m';
/** In the order of their addresses. */
const pods = {
  web: {
    pod: 'shop/web',
    labels: { app: 'web' },
    ports: [
      { name: 'http', containerPort: 80 },
      { name: 'talk', containerPort: 80, protocol: 'UDP' },
    ],
  },
  friend: { pod: 'shop/friend', labels: { app: 'friend' }, serviceAccountName: 'buyer' },
  stranger: { pod: 'other/stranger', labels: { app: 'stranger' } },
} as const;

/** Name of the namespace it lives in. */
const placeOf = (name: string): string =>
  Object.entries(pods)
    .find(([own]) => own === name)?.[1]
    .pod.replace('/', '-') ?? name;

type Held = Awaited<ReturnType<Prober['hold']>> & { readonly name: string };

const asked = /^(\w+) > (\w+) (TCP|UDP|SCTP|ICMP)\/(\d+)(?: IPv([46]))?$/;

function cellsOf(text: string): readonly Cell[] {
  const [, from, to, protocol, port, only] = asked.exec(text) ?? [];
  if (!isName(from) || !isName(to) || protocol === undefined)
    throw new Error(`not what one can ask: "${text}"`);
  return ([4, 6] as const)
    .filter((version) => only === undefined || String(version) === only)
    .map((version) => ({ from, to, protocol: protocol as Cell['protocol'], port: Number(port), version }));
}

/** @param renderer  who writes the rules */
export function provePaths(renderer: 'nftables' | 'iptables', paths: readonly Path[]): void {
  const node = createFelixNode(`pt${renderer[0]}`, 'host');
  const { ground } = node;
  const prober = new Prober([22, 80, 81, 179, 4789, 4790]);
  let generation = 0;
  let attached = false;

  /** Stores the objects and waits until the kernel has them. */
  async function apply(objects: readonly object[]): Promise<void> {
    generation += 1;
    const name = `generation-${generation}`;
    node.store([
      nodeObject('host', '10.244.1.0/24', 'fd00:1::/64'),
      namespaceObject('shop', { team: 'a' }),
      namespaceObject('other', { team: 'b' }),
      namespaceObject('marker'),
      podObject(marker, 'host'),
      ...Object.entries(pods).map(([own, { pod, ...more }]) =>
        podObject(pod, 'host', { ...more, ips: isName(own) ? addresses[own] : [] }),
      ),
      {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { name: 'buyer', namespace: 'shop', labels: { role: 'buyer' } },
      },
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name, namespace: 'marker' },
        spec: { podSelector: {} },
      },
      ...objects,
    ]);
    if (!attached) return;
    await eventually(
      async () => {
        const policies = (await node.policy(marker)).ingress.tiers.flatMap((tier) => tier.policies);
        if (!policies.some((policy) => policy.name === name)) throw new Error(`${name} was not read`);
      },
      { within: 30_000, every: 3 },
    );
    await node.settled(() => true);
  }

  /** Somebody behind an interface of the host, who sends everything to it. */
  async function guest(name: Name, hostInterface: string): Promise<void> {
    ground.link(['host', hostInterface], [name, 'eth0']);
    const [four, six] = addresses[name];
    await ground.exec(
      'host',
      `ip address add 169.254.1.1/32 dev ${hostInterface}; ip address add fe80::1/64 dev ${hostInterface} nodad; ip route add ${four} dev ${hostInterface}; ip route add ${six} dev ${hostInterface}`,
    );
    await ground.exec(
      name,
      `ip address add ${four}/32 dev eth0; ip address add ${six}/128 dev eth0 nodad; ip route add 169.254.1.1 dev eth0; ip route add default via 169.254.1.1; ip route add default via fe80::1 dev eth0`,
    );
  }

  async function build(): Promise<void> {
    const on = (name: 'host' | 'out' | 'back', index: number): readonly [string, string] => [
      `${addresses[name][index]}/24`,
      `${addresses[name][index + 1]}/64`,
    ];
    ground.link(['host', 'eth0', ...on('host', 0)], ['out', 'eth0', ...on('out', 0)]);
    ground.link(['host', 'eth1', ...on('host', 2)], ['back', 'eth0', ...on('back', 0)]);
    for (const [name, index] of [
      ['out', 0],
      ['back', 2],
    ] as const)
      await ground.exec(
        name,
        `ip route add default via ${addresses.host[index]}; ip route add default via ${addresses.host[index + 1]}`,
      );
    await ground.exec('host', 'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1');
    await guest('rogue', 'cali0rogue');
    await guest('guest', 'guest0');
    // A Service of somebody else.
    const [four, six] = addresses.web;
    execFileSync('nsenter', [`--net=/run/netns/${ground.netns('host')}`, 'nft', '-f', '-'], {
      input: `table inet services { chain in { type nat hook prerouting priority -100;
        meta nfproto ipv4 tcp dport 30080 dnat ip to ${four}:80
        meta nfproto ipv6 tcp dport 30080 dnat ip6 to [${six}]:80
      }; }`,
    });
  }

  async function attach(pod: string): Promise<readonly string[]> {
    return await node.add({ container: `c-${pod.replace('/', '-')}`, pod });
  }

  async function listen(): Promise<void> {
    for (const [name, own] of Object.entries(addresses))
      await prober.add(
        name,
        node.netns(placeOf(name)),
        own.flatMap((text) => parseAddress(text) ?? []),
      );
  }

  const hold = (asked: readonly string[] = []): Promise<readonly Held[]> =>
    Promise.all(
      asked.flatMap(cellsOf).map(async (cell) => ({ name: cellName(cell), ...(await prober.hold(cell)) })),
    );

  async function probe({ passes = [], fails = [] }: Path): Promise<void> {
    const [pass, fail] = [passes, fails].map((asked) => asked.flatMap(cellsOf));
    const must = new Set(pass?.map(cellName));
    const arrived = await prober.probe([...(pass ?? []), ...(fail ?? [])], must);
    expect({
      missing: [...must].filter((name) => !arrived.has(name)),
      wrong: fail?.map(cellName).filter((name) => arrived.has(name)),
    }).toEqual({ missing: [], wrong: [] });
  }

  async function prove(path: Path): Promise<void> {
    // What the row before forbade must be open to be held.
    if (path.goesOn !== undefined) await apply([]);
    const held = await hold(path.goesOn);
    await apply(path.objects);
    for (const [name, command] of path.prepare ?? []) await ground.exec(placeOf(name), command);
    await probe(path);
    for (const { name, echoes } of held) expect(await echoes(15_000), `${name} goes on`).toBe(true);
    for (const { close } of held) close();
  }

  describe(`packets, where ${renderer} writes the rules`, () => {
    beforeAll(async () => {
      await build();
      await apply([]);
      await node.start(['--set', `nftablesMode=${renderer === 'nftables' ? 'Enabled' : 'Disabled'}`]);
      await attach(marker);
      attached = true;
      for (const [name, { pod }] of Object.entries(pods))
        expect(await attach(pod)).toEqual(isName(name) ? addresses[name] : []);
      await listen();
      await apply([]);
    });
    afterAll(async () => {
      prober.close();
      await node.close();
    });

    test.each(paths.map((path) => [path.situation, path] as const))('%s', (_, path) => prove(path));
  });
}
