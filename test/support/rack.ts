/**
 * A rack for tests: nodes with the real `tortie bgp` and whatever routers a test wants, all on one bridge.
 *
 *     tor (the bridge lives here) 172.30.0.1, fd00:30::1 ──┬── node1 172.30.0.11, fd00:30::11, pods 10.244.1.0/24, fd00:244:1::/64
 *     other hosts 172.30.0.N, fd00:30::N ──────────────────┴── node2 172.30.0.12, fd00:30::12, pods 10.244.2.0/24, fd00:244:2::/64
 *
 * The datastore is a directory with a file for each object. Everything is made in namespaces of the test's own.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askSocket } from '../../src/host/socket.ts';
import { tcpConnect } from '../../src/kernel/sockets.ts';
import { ipv4 } from '../../src/lib/net.ts';
import type { BgpStatus, PeerStatus, RouteStatus } from '../../src/model/status.ts';
import { eventually } from './eventually.ts';
import { createPlayground, type Playground, type Running } from './namespaces.ts';

export interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

export interface RackNode {
  readonly name: string;
  readonly address: { readonly v4: string; readonly v6: string };
  readonly cidrs: readonly [v4: string, v6: string];
  readonly manifest: Manifest;
  /** Starts `tortie bgp`; resolves when it answers. */
  start(...more: readonly string[]): Promise<Running>;
  /** Ends the latest life and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** All log lines of all its lives. */
  log(): string;
  status(): Promise<BgpStatus>;
  /** @param query  e.g. "?received=172.30.0.1" */
  routes(query?: string): Promise<readonly RouteStatus[]>;
  /** Its routes of protocol 80, one line each, sorted: "10.244.2.0/24 via 172.30.0.12", "unreachable 10.244.1.0/24". */
  kernel(): Promise<readonly string[]>;
  /** Waits until the kernel has just these routes. */
  forwards(lines: readonly string[], within?: number): Promise<void>;
  /** Waits until the neighbour at `address` is as `check` wants it. */
  peer(address: string, check: (peer: PeerStatus) => boolean, within?: number): Promise<PeerStatus>;
  /** What its probe door answers, e.g. to "/readyz": the whole HTTP response. */
  probe(path: string): Promise<string>;
  /** Runs `ip …` in its namespace. */
  ip(command: string): Promise<string>;
  /** Lines of `ip monitor route` from now on, as they come. */
  monitor(): Promise<Running>;
}

export interface Rack {
  readonly ground: Playground;
  /** Scratch files go here. */
  readonly directory: string;
  readonly nodes: readonly RackNode[];
  node(number: number): RackNode;
  /** Puts a host with the addresses 172.30.0.N and fd00:30::N on the bridge. */
  host(name: string, number: number): void;
  put(...manifests: readonly Manifest[]): void;
  drop(kind: string, name: string): void;
  close(): Promise<void>;
}

export const bgpPeer = (name: string, peerIP: string, asNumber: number, more: object = {}) => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'BGPPeer',
  metadata: { name },
  spec: { peerIP, asNumber, keepaliveTime: '1s', ...more },
});

export const ipPool = (name: string, cidr: string) => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'IPPool',
  metadata: { name },
  spec: { cidr },
});

export const bgpConfiguration = (spec: object) => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'BGPConfiguration',
  metadata: { name: 'default' },
  spec,
});

export const nodeManifest = (name: string, addresses: readonly string[], podCIDRs: readonly string[]) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  spec: { podCIDRs },
  status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
});

export interface RackOptions {
  /** Makes the nodes read the API server that it leads to, instead of the directory; asked for at each start. */
  readonly kubeconfig?: () => string;
}

/** @param prefix  of the namespaces' names, different for each test file */
export function createRack(prefix: string, nodeCount: number, options: RackOptions = {}): Rack {
  const ground = createPlayground(prefix);
  const directory = mkdtempSync(join(tmpdir(), `tortie-${prefix}-`));
  const store = join(directory, 'store');
  mkdirSync(store);

  const inTor = (...argv: readonly string[]): void => {
    execFileSync('ip', ['-n', ground.netns('tor'), ...argv]);
  };
  inTor('link', 'add', 'br0', 'type', 'bridge');
  inTor('address', 'add', '172.30.0.1/24', 'dev', 'br0');
  inTor('address', 'add', 'fd00:30::1/64', 'dev', 'br0', 'nodad');
  inTor('link', 'set', 'br0', 'up');

  const host = (name: string, number: number): void => {
    ground.link([name, 'eth0', `172.30.0.${number}/24`, `fd00:30::${number}/64`], ['tor', `to-${name}`]);
    inTor('link', 'set', `to-${name}`, 'master', 'br0');
  };
  const put = (...manifests: readonly Manifest[]): void => {
    for (const manifest of manifests) {
      writeFileSync(join(directory, 'next'), JSON.stringify(manifest));
      renameSync(join(directory, 'next'), fileOf(manifest.kind, manifest.metadata.name));
    }
  };
  const fileOf = (kind: string, name: string): string => join(store, `${kind}-${name}.yaml`);

  const nodes = Array.from({ length: nodeCount }, (_, index) => {
    const made = createNode(ground, directory, index + 1, options);
    host(made.name, index + 11);
    put(made.manifest);
    return made;
  });

  return {
    ground,
    directory,
    nodes,
    node: (number) => {
      const found = nodes[number - 1];
      if (found === undefined) throw new Error(`there is no node${number}`);
      return found;
    },
    host,
    put,
    drop: (kind, name) => rmSync(fileOf(kind, name)),
    close: async () => {
      await ground.close();
      rmSync(directory, { recursive: true });
    },
  };
}

function createNode(
  ground: Playground,
  directory: string,
  number: number,
  { kubeconfig }: RackOptions,
): RackNode {
  const name = `node${number}`;
  const address = { v4: `172.30.0.1${number}`, v6: `fd00:30::1${number}` };
  const cidrs = [`10.244.${number}.0/24`, `fd00:244:${number}::/64`] as const;
  const socket = join(directory, `${name}.sock`);
  const lives: Running[] = [];

  async function ask(path: string): Promise<unknown> {
    const answer = await askSocket(socket, path);
    if (!answer.ok) throw new Error(`${name}: ${answer.error}`);
    if (answer.value.status !== 200) throw new Error(JSON.stringify(answer.value.body));
    return answer.value.body;
  }
  const status = async (): Promise<BgpStatus> => (await ask('/status')) as BgpStatus;
  const log = (): string => lives.map((life) => life.output()).join('');
  const kernel = async (): Promise<readonly string[]> => {
    const both = await ground.exec(name, 'ip -j route show proto 80; ip -6 -j route show proto 80');
    return both
      .trim()
      .split('\n')
      .flatMap((line) => (JSON.parse(line) as IpRoute[]).map(lineOf))
      .sort();
  };

  return {
    name,
    address,
    cidrs,
    manifest: nodeManifest(name, [address.v4, address.v6], cidrs),
    start: async (...more) => {
      const datastore = kubeconfig === undefined ? `dir:${join(directory, 'store')}` : 'kubernetes';
      const life = ground.tortie(
        name,
        [
          ...['bgp', '--datastore', datastore, '--node', name, '--socket', socket],
          ...['--state-dir', join(directory, 'state'), ...more],
        ],
        kubeconfig === undefined ? {} : { env: { KUBECONFIG: kubeconfig() } },
      );
      lives.push(life);
      await eventually(
        async () => {
          if (life.process.exitCode !== null) throw new Error(`tortie bgp ended: ${life.output()}`);
          await status();
        },
        { within: 30_000 },
      );
      return life;
    },
    stop: async (signal) => lives.at(-1)?.end(signal),
    log,
    status,
    routes: async (query = '') => (await ask(`/routes${query}`)) as readonly RouteStatus[],
    kernel,
    forwards: (lines, within = 30_000) =>
      eventually(
        async () => {
          const have = (await kernel()).join('\n');
          const want = [...lines].sort().join('\n');
          if (have !== want)
            throw new Error(
              `${name} has\n${have}\nand not\n${want}\n${JSON.stringify(await status())}\n${log()}`,
            );
        },
        { within },
      ),
    peer: (peerAddress, check, within = 30_000) =>
      eventually(
        async () => {
          const { peers } = await status();
          const found = peers.find((peer) => peer.address === peerAddress);
          if (found === undefined || !check(found))
            throw new Error(`${name}: ${JSON.stringify(peers)}\n${log()}`);
          return found;
        },
        { within },
      ),
    probe: async (path) => {
      const door = await tcpConnect(`/run/netns/${ground.netns(name)}`, localhost, 9092);
      door.write(`GET ${path} HTTP/1.0\r\n\r\n`);
      let text = '';
      for await (const chunk of door) text += String(chunk);
      return text;
    },
    ip: (command) => ground.exec(name, `ip ${command}`),
    monitor: async () => {
      const running = ground.start(name, ['stdbuf', '-oL', 'ip', '-N', 'monitor', 'route']);
      // It listens once it shows a route that comes and goes.
      await eventually(
        async () => {
          await ground.exec(name, 'ip route add 192.0.2.254 dev lo; ip route del 192.0.2.254 dev lo');
          if (!running.output().includes('192.0.2.254')) throw new Error('ip monitor shows nothing yet');
        },
        { within: 30_000 },
      );
      return running;
    },
  };
}

const localhost = ipv4(0x7f000001);

interface IpRoute {
  readonly dst: string;
  readonly type?: string;
  readonly gateway?: string;
  readonly nexthops?: readonly { readonly gateway: string }[];
}

function lineOf({ dst, type, gateway, nexthops }: IpRoute): string {
  if (type !== undefined && type !== 'unicast') return `${type} ${dst}`;
  const hops = nexthops?.map((hop) => hop.gateway) ?? [gateway];
  return `${dst} via ${[...hops].sort().join(' and ')}`;
}

/** What `ip monitor route` said of BGP's own routes (protocol 80). */
export const monitored = (monitor: Running): readonly string[] =>
  monitor
    .output()
    .split('\n')
    .filter((line) => line.includes('proto 80'));

/** The neighbour's session is up and both families are agreed. */
export const isUp = (peer: PeerStatus): boolean => peer.state === 'Established';
