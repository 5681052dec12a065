/** The speaker ends, well or badly, and comes back: what the neighbours hear, and that no packet finds a wrong route meanwhile. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { udpSocket } from '../../src/kernel/sockets.ts';
import { type Address, parseAddress } from '../../src/lib/net.ts';
import { eventually } from '../support/eventually.ts';
import { bgpPeer, createRack, ipPool, isUp, monitored } from '../support/rack.ts';
import { type Router, startRouter } from '../support/routers.ts';

const rack = createRack('bs', 2);
const [node, other] = [rack.node(1), rack.node(2)];
const everything = [
  'unreachable 10.244.1.0/24',
  'unreachable fd00:244:1::/64',
  '10.244.2.0/24 via 172.30.0.12',
  'fd00:244:2::/64 via fd00:30::12',
  '10.244.9.0/24 via 172.30.0.1',
  'fd00:244:9::/64 via fd00:30::1',
];
const onOther = [
  'unreachable 10.244.2.0/24',
  'unreachable fd00:244:2::/64',
  '10.244.1.0/24 via 172.30.0.11',
  'fd00:244:1::/64 via fd00:30::11',
  '10.244.9.0/24 via 172.30.0.1',
  'fd00:244:9::/64 via fd00:30::1',
];
let tor: Router;

beforeAll(async () => {
  rack.put(
    bgpPeer('tor', '172.30.0.1', 65000),
    ipPool('pool4', '10.244.0.0/16'),
    ipPool('pool6', 'fd00:244::/32'),
  );
  tor = await startRouter(rack, 'bird', {
    asn: 65000,
    host: 'tor',
    number: 1,
    announces: ['10.244.9.0/24', 'fd00:244:9::/64'],
  });
  await Promise.all(rack.nodes.map((each) => each.start()));
  await Promise.all([node.forwards(everything), other.forwards(onOther)]);
});
afterAll(() => rack.close());

/** Until every session is up, the routes are there and the start is over: what was left over has been swept. */
async function settled(): Promise<void> {
  await Promise.all(['172.30.0.1', '172.30.0.12'].map((address) => node.peer(address, isUp)));
  await node.forwards(everything);
  await other.forwards(onOther);
  await eventually(
    async () => {
      expect(await node.probe('/readyz')).toContain(' 200 OK');
    },
    { within: 30_000 },
  );
}

/** A datagram each millisecond or so from node1 to a pod address of node2; resolves with how many were sent and not heard. */
async function underTraffic(run: () => Promise<void>): Promise<{ sent: number; lost: number }> {
  await other.ip('address replace 10.244.2.1/32 dev lo');
  const pod = parseAddress('10.244.2.1') as Address;
  const listener = await udpSocket('/run/netns/bs-node2', pod, 9);
  const sender = await udpSocket('/run/netns/bs-node1', parseAddress('172.30.0.11') as Address, 0);
  const heard = new Set<string>();
  let refused = 0;
  listener.on('message', (message) => heard.add(message.toString()));
  sender.on('error', () => {
    refused += 1;
  });
  let sent = 0;
  const beat = setInterval(() => {
    sender.send(String(sent), 9, '10.244.2.1', (error) => {
      if (error !== null) refused += 1;
    });
    sent += 1;
  }, 1);
  try {
    await run();
  } finally {
    clearInterval(beat);
  }
  await eventually(
    () => {
      if (heard.size + refused < sent) throw new Error('some are still on their way');
    },
    { within: 30_000 },
  ).catch(() => undefined);
  sender.close();
  listener.close();
  return { sent, lost: sent - heard.size };
}

test('SIGTERM tells every neighbour of an administrative shutdown and leaves the kernel routes', async () => {
  await node.stop('SIGTERM');
  await eventually(
    async () =>
      expect(await tor.ask('show protocols all node1')).toContain('Received: Administrative shutdown'),
    { within: 30_000 },
  );
  const { lastError } = await other.peer('172.30.0.11', ({ state }) => state !== 'Established');
  expect(lastError).toContain('administrative shutdown (6/2)');
  expect([...(await node.kernel())].sort()).toEqual([...everything].sort());
  expect(node.log()).toContain('stopped; routes stay in the kernel');
});

test('the next start takes its routes over without touching one, and sweeps only what nobody confirmed', async () => {
  await node.ip('route add 10.244.77.0/24 via 172.30.0.12 metric 1024 proto 80');
  await node.ip('-6 route add fd00:244:77::/64 via fd00:30::12 metric 1024 proto 80');
  const monitor = await node.monitor();
  const { sent, lost } = await underTraffic(async () => {
    await node.start();
    await settled();
  });
  await eventually(() => expect(monitored(monitor)).toHaveLength(2), { within: 30_000 });
  for (const line of monitored(monitor))
    expect(line).toMatch(/^Deleted \S+:77:?[:.\d]*\/|^Deleted 10\.244\.77\.0\/24/);
  expect(sent).toBeGreaterThan(50);
  expect(lost).toBe(0);
  await monitor.end();
});

test('killed by SIGKILL and started again under traffic, it changes no route of its own and loses no packet', async () => {
  const monitor = await node.monitor();
  const theirs = await other.monitor();
  const { sent, lost } = await underTraffic(async () => {
    await node.stop('SIGKILL');
    await other.peer('172.30.0.11', ({ state }) => state !== 'Established');
    await node.start();
    await settled();
  });
  expect(monitored(monitor)).toEqual([]);
  // Graceful restart: the others keep the killed node's routes until it is back and has told all again.
  expect(monitored(theirs)).toEqual([]);
  expect(sent).toBeGreaterThan(50);
  expect(lost).toBe(0);
  await Promise.all([monitor.end(), theirs.end()]);
});

test('a second one started by mistake ends with a sentence and disturbs neither a session nor a route', async () => {
  const monitor = await node.monitor();
  const { since } = await node.peer('172.30.0.1', isUp);
  const second = rack.ground.tortie('node1', [
    ...['bgp', '--datastore', `dir:${rack.directory}/store`, '--node', 'node1'],
    ...['--socket', `${rack.directory}/node1.sock`],
  ]);
  await eventually(() => expect(second.process.exitCode).toBe(1), { within: 30_000 });
  expect(second.output()).toContain('is in use: another tortie answers there');
  expect(second.output()).not.toContain('session');
  expect((await node.peer('172.30.0.1', isUp)).since).toBe(since);
  expect(monitored(monitor)).toEqual([]);
  await monitor.end();
});

test('it is ready only when the neighbours have told all they know', async () => {
  await node.stop('SIGTERM');
  rack.put(bgpPeer('silent', '172.30.0.99', 65099));
  await node.start();
  await Promise.all(['172.30.0.1', '172.30.0.12'].map((address) => node.peer(address, isUp)));
  expect(await node.probe('/readyz')).toContain('neighbours have not told all their routes yet');
  expect(await node.probe('/livez')).toContain(' 200 OK');
  rack.drop('BGPPeer', 'silent');
  await settled();
});
