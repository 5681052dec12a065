/**
 * The root filesystem of the image and the containers of the DaemonSet, run here as near to a cluster's as a chroot comes:
 * node1 has both daemons in containers, node2 a speaker of this checkout to talk to.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { render } from '../../deploy/files.ts';
import { askSocket } from '../../src/host/socket.ts';
import { tcpConnect, tcpListen } from '../../src/kernel/sockets.ts';
import { callCni } from '../../src/lab/cni.ts';
import { ipv4, parseAddress } from '../../src/lib/net.ts';
import type { BgpStatus, FelixStatus } from '../../src/model/status.ts';
import { eventually } from '../support/eventually.ts';
import { namespaceObject, podObject } from '../support/felix.ts';
import type { Running } from '../support/namespaces.ts';
import { bgpConfiguration, bgpPeer, createRack, isUp, type Manifest } from '../support/rack.ts';
import { contain, rootfs, type Spec } from './contain.ts';
import { containersOf, objectsOf } from './tools.ts';

const rack = createRack('ct', 2);
const node2 = rack.node(2);
const soon = { within: 60_000 };
const place = {
  ground: rack.ground,
  node: 'node1',
  directory: join(rack.directory, 'node1'),
  store: join(rack.directory, 'store'),
};

/** The container as the chart has it, but reading manifests from a directory. @param of  the DaemonSet */
function fromChart(name: string, of = 'tortie-node'): Spec {
  const found = objectsOf(render())
    .filter(({ kind, metadata }) => kind === 'DaemonSet' && metadata.name === of)
    .flatMap(containersOf)
    .find((one) => one.name === name);
  if (found === undefined) throw new Error(`${of} has no container ${name}`);
  const args = found.args.map((one) =>
    one.replace('--datastore=kubernetes', '--datastore=dir:/tmp/store').replace('$(NODE_NAME)', 'node1'),
  );
  return { ...found, args };
}

const without = (spec: Spec, capability: string): Spec => {
  const { capabilities } = spec.securityContext;
  const add = (capabilities.add ?? []).filter((one) => one !== capability);
  return { ...spec, securityContext: { ...spec.securityContext, capabilities: { ...capabilities, add } } };
};

async function ask<T>(daemon: string, running: Running): Promise<T> {
  if (running.process.exitCode !== null) throw new Error(`${daemon} ended:\n${running.output()}`);
  const answer = await askSocket(join(place.directory, 'sockets', `${daemon}.sock`), '/status');
  if (!answer.ok) throw new Error(`${answer.error}\n${running.output()}`);
  return answer.value.body as T;
}

async function probe(port: number, path: string): Promise<string> {
  const door = await tcpConnect(`/run/netns/${rack.ground.netns('node1')}`, ipv4(0x7f000001), port);
  door.write(`GET ${path} HTTP/1.0\r\n\r\n`);
  let text = '';
  for await (const chunk of door) text += String(chunk);
  return text;
}

const add = (pod: string): Promise<readonly string[]> =>
  callCni({
    command: 'ADD',
    nodeNetns: rack.ground.netns('node1'),
    socket: join(place.directory, 'sockets', 'felix.sock'),
    containerId: `container-of-${pod}`,
    podNetnsPath: `/run/netns/${rack.ground.netns(`pod-${pod}`)}`,
    namespace: 'shop',
    pod,
    uid: 'any',
  });

const ended = (running: Running): Promise<void> =>
  eventually(() => expect(running.process.exitCode).not.toBeNull(), soon);

let bgp: Running | undefined;
let felix: Running | undefined;

beforeAll(async () => {
  rack.put(
    bgpConfiguration({ asNumber: 64500 }),
    namespaceObject('shop') as Manifest,
    ...['web', 'late'].map((pod) => podObject(`shop/${pod}`, 'node1', { labels: {} }) as Manifest),
  );
  await node2.start();
});
afterAll(() => rack.close());

test('the root filesystem has what runs, and neither compiler, package manager nor npm', () => {
  const folders = ['bin', 'sbin', 'usr/bin', 'usr/sbin', 'usr/local/bin', 'opt/tortie/node_modules/.bin'];
  const commands = folders.flatMap((folder) => readdirSync(join(rootfs, folder)));
  expect(commands).toEqual(expect.arrayContaining(['tortie', 'tortiectl', 'node', 'nft', 'sh', 'sleep']));
  expect(
    commands.filter((name) =>
      /^(gcc|cc|ld|as|make|npm|npx|apt.*|dpkg.*|curl|wget|perl|python.*)$/.test(name),
    ),
  ).toEqual([]);
  expect(readdirSync(join(rootfs, 'opt/tortie')).sort()).toEqual(
    ['LICENSE', 'bgp', 'felix', 'node_modules', 'package.json', 'src'].sort(),
  );
  for (const built of ['src/kernel/native/tortie.node', 'src/cni/tortie'])
    expect(existsSync(join(rootfs, 'opt/tortie', built)), built).toBe(true);
});

test('tortie says what it can do with no capability and a root it cannot write', async () => {
  const none = { capabilities: { drop: ['ALL'] } } as unknown as Spec['securityContext'];
  for (const command of ['bgp', 'felix', 'ctl', 'clean']) {
    const running = contain(place, { args: [command, '--help'], volumeMounts: [], securityContext: none });
    await ended(running);
    expect(running.output(), command).toContain('Usage: ');
    expect(running.output(), command).not.toContain('Warning');
    expect(running.process.exitCode, command).toBe(0);
  }
});

test('the init container puts the plugin where the runtime looks, and nothing else', async () => {
  const running = contain(place, fromChart('cni'));
  await ended(running);
  expect(running.process.exitCode, running.output()).toBe(0);
  // Beside it, a note of what was there before, for the uninstall.
  const put = readdirSync(join(place.directory, 'cni-bin')).filter((name) => !name.startsWith('.'));
  expect(put).toEqual(['tortie']);
  expect(statSync(join(place.directory, 'cni-bin', 'tortie')).mode & 0o777).toBe(0o755);
});

test('the speaker of the DaemonSet has its session and its routes', async () => {
  const running = contain(place, fromChart('bgp'));
  bgp = running;
  await eventually(async () => {
    const { peers } = await ask<BgpStatus>('bgp', running);
    expect(peers.map(({ state }) => state)).toEqual(['Established']);
  }, soon);
  await node2.peer(rack.node(1).address.v4, isUp);
  await rack
    .node(1)
    .forwards([
      'unreachable 10.244.1.0/24',
      'unreachable fd00:244:1::/64',
      '10.244.2.0/24 via 172.30.0.12',
      'fd00:244:2::/64 via fd00:30::12',
    ]);
  await eventually(async () => expect(await probe(9092, '/readyz')).toContain('200 OK'), soon);
  expect(await probe(9092, '/livez')).toContain('200 OK');
});

test('the node agent of the DaemonSet gives a pod its network and makes the node a router', async () => {
  const running = contain(place, fromChart('felix'));
  felix = running;
  await eventually(
    async () => expect((await ask<FelixStatus>('felix', running)).dataplane).toBe('in-sync'),
    soon,
  );
  await eventually(async () => expect(await probe(9091, '/readyz')).toContain('200 OK'), soon);
  const conflist = join(place.directory, 'cni-conf', '10-tortie.conflist');
  await eventually(() => expect(readFileSync(conflist, 'utf8')).toContain('"tortie"'), soon);
  const ips = await add('web');
  const address = parseAddress(ips[0] ?? '');
  if (address === undefined) throw new Error(`no address: ${ips.join()}`);
  const inside = `/run/netns/${rack.ground.netns('pod-web')}`;
  const server = await tcpListen(inside, address, 80, (socket) => socket.end('pod here'));
  const socket = await tcpConnect(`/run/netns/${rack.ground.netns('node2')}`, address, 80, {
    timeoutMs: 10_000,
  });
  let said = '';
  for await (const chunk of socket) said += String(chunk);
  expect(said).toBe('pod here');
  server.close();
  const settings = await rack.ground.exec(
    'node1',
    'cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding',
  );
  expect(settings).toBe('1\n1\n');
  expect((await ask<FelixStatus>('felix', running)).problems).toEqual([]);
});

test('both end on SIGTERM within their grace, and leave rules and routes in the kernel', async () => {
  for (const running of [bgp, felix]) {
    running?.process.kill('SIGTERM');
    if (running !== undefined) await ended(running);
    expect(running?.process.exitCode, running?.output()).toBe(0);
  }
  expect(await rack.node(1).kernel()).toContain('10.244.2.0/24 via 172.30.0.12');
  expect(await rack.ground.exec('node1', 'nft list tables')).toContain('table inet tortie');
});

test('no capability of the speaker can be spared', async () => {
  const unbound = contain(place, without(fromChart('bgp'), 'NET_BIND_SERVICE'));
  await eventually(async () => {
    const { problems } = await ask<BgpStatus>('bgp', unbound);
    expect(JSON.stringify(problems)).toMatch(/may not listen on port 179/);
  }, soon);
  await unbound.end();
  await rack.ground.exec('node1', 'ip route flush proto 80');
  const powerless = contain(place, without(fromChart('bgp'), 'NET_ADMIN'));
  await eventually(async () => {
    const { kernel } = await ask<BgpStatus & { readonly kernel: { readonly pending: number } }>(
      'bgp',
      powerless,
    );
    expect(kernel.pending).toBeGreaterThan(0);
  }, soon);
  expect(await rack.node(1).kernel()).not.toContain('10.244.2.0/24 via 172.30.0.12');
  await powerless.end();
  const bfd = { minimumSendInterval: '50ms', minimumRecvInterval: '50ms' };
  rack.put(bgpPeer('fast', '172.30.0.99', 65000, { bfd }));
  const patient = contain(place, without(fromChart('bgp'), 'SYS_NICE'));
  await eventually(async () => {
    const { problems } = await ask<BgpStatus>('bgp', patient);
    expect(JSON.stringify(problems)).toMatch(/refuses real-time scheduling/);
  }, soon);
  await patient.end();
  rack.drop('BGPPeer', 'fast');
  const onLink = { apiVersion: 'projectcalico.org/v3', kind: 'BGPPeer', metadata: { name: 'near' } };
  const near = { ...onLink, spec: { interface: 'eth0', asNumber: 65000 } };
  rack.put(near);
  const deaf = contain(place, without(fromChart('bgp'), 'NET_RAW'));
  await eventually(async () => {
    const { problems } = await ask<BgpStatus>('bgp', deaf);
    expect(JSON.stringify(problems)).toMatch(/Router Advertisements can be neither sent nor heard/);
  }, soon);
  await deaf.end();
  rack.drop('BGPPeer', 'near');
});

test('no capability of the node agent can be spared', async () => {
  const outside = contain(place, without(fromChart('felix'), 'SYS_ADMIN'));
  await eventually(
    async () => expect((await ask<FelixStatus>('felix', outside)).dataplane).toBe('in-sync'),
    soon,
  );
  await expect(add('late')).rejects.toThrow(/CAP_SYS_ADMIN|EPERM/);
  await outside.end();
  const powerless = contain(place, without(fromChart('felix'), 'NET_ADMIN'));
  await eventually(() => expect(powerless.output()).toMatch(/EPERM|not permitted/i), soon);
  await powerless.end();
});

test('what `helm uninstall` runs on the node leaves nothing of ours', async () => {
  for (const name of ['cni', 'clean']) {
    const running = contain(place, fromChart(name, 'tortie-clean'));
    await ended(running);
    expect(running.process.exitCode, running.output()).toBe(0);
  }
  for (const folder of ['cni-bin', 'cni-conf', 'state', 'sockets'])
    expect(readdirSync(join(place.directory, folder)), folder).toEqual([]);
  expect(
    await rack.ground.exec('node1', 'nft list ruleset; ip route show proto 80; ip route show proto 81'),
  ).toBe('');
  expect(await rack.ground.exec('node1', 'ip -br link')).not.toContain('cali');
});
