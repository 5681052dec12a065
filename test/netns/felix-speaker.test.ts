/** A running `tortie felix` on a node that is closed to its pods: a pod that is a BGP neighbour of its node reaches the speaker. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tcpConnect, tcpListen } from '../../src/kernel/sockets.ts';
import { interfaceName } from '../../src/model/endpoint.ts';
import { eventually } from '../support/eventually.ts';
import { createFelixNode, namespaceObject, nodeObject, podObject } from '../support/felix.ts';
import { address } from '../support/wire.ts';

const node = createFelixNode('fs', 'node1');
const pod = 'edge/router';
const peering = '169.254.77.1';
const soon = { within: 30_000 };
const calico = (kind: string, name: string, spec: object): object => ({
  apiVersion: 'projectcalico.org/v3',
  kind,
  metadata: { name },
  spec,
});
let own = '';
let server: { close(): void };

/** @param selector  of the BGPPeer; absent: there is none */
function store(selector?: string): void {
  node.store([
    nodeObject('node1', '10.65.1.0/24'),
    namespaceObject('edge', { team: 'net' }),
    podObject(pod, 'node1', { labels: { app: 'router' }, ips: own === '' ? [] : [own] }),
    calico('BGPConfiguration', 'default', { localWorkloadPeeringIPV4: peering }),
    calico('FelixConfiguration', 'default', { defaultEndpointToHostAction: 'Drop' }),
    ...(selector === undefined
      ? []
      : [calico('BGPPeer', 'routers', { localWorkloadSelector: selector, asNumber: 64600 })]),
  ]);
}

const table = (): Promise<string> => node.ground.exec('node1', 'nft list table inet tortie');
const connects = (timeoutMs: number): Promise<boolean> =>
  tcpConnect(node.netns(pod), address(peering), 179, { timeoutMs }).then(
    (socket) => {
      socket.destroy();
      return true;
    },
    () => false,
  );

beforeAll(async () => {
  store();
  await node.start();
  [own = ''] = await node.add({ container: 'c1', pod });
  store();
  await node.ground.exec('node1', `ip route add local ${peering} dev lo table local proto 82`);
  const path = `/run/netns/${node.ground.netns('node1')}`;
  server = await tcpListen(path, address('0.0.0.0'), 179, (socket) => socket.resume());
});
afterAll(async () => {
  server.close();
  await node.close();
});

test('without a BGPPeer with pods it does not, and the table knows nothing of the speaker', async () => {
  await eventually(async () => expect(await table()).toContain('defaultEndpointToHostAction'), soon);
  expect(await table()).not.toContain('speaker');
  expect(await connects(700)).toBe(false);
});

test('with one that selects it by its namespace it does, and with one that selects others it does not any more', async () => {
  store("app == 'router' && pcns.team == 'net'");
  await eventually(async () => expect(await table()).toContain(interfaceName('edge', 'router')), soon);
  await eventually(async () => expect(await connects(5000)).toBe(true), soon);
  const rule = new RegExp(
    `iifname "${interfaceName('edge', 'router')}" ip saddr ${own} ip daddr ${peering} `,
  );
  expect(await table()).toMatch(rule);
  store("app == 'other'");
  await eventually(async () => expect(await table()).not.toMatch(rule), soon);
  expect(await connects(700)).toBe(false);
  store();
  await eventually(async () => expect(await table()).not.toContain('speaker'), soon);
});
