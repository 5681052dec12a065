/** Killed with 100,000 routes in the kernel, and back: what BIRD withdrew meanwhile leaves, and nothing else is touched. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { udpSocket } from '../../src/kernel/sockets.ts';
import { type Address, formatPrefix, ipv4, parseAddress, prefix4 } from '../../src/lib/net.ts';
import { eventually } from '../support/eventually.ts';
import { bgpPeer, createRack, ipPool, isUp, monitored } from '../support/rack.ts';
import { type Router, startRouter } from '../support/routers.ts';

const rack = createRack('brm', 1);
const node = rack.node(1);
const many = 100_000;
const gone = 1000;
const patience = { within: 120_000, every: 500 };
const announces = Array.from({ length: many }, (_, index) =>
  formatPrefix(prefix4(ipv4(0x0b00_0000 + index * 64), 26)),
);
let tor: Router;

const count = async (): Promise<number> =>
  Number(await node.ip('route show proto 80 via 172.30.0.1 | wc -l'));

beforeAll(async () => {
  rack.put(bgpPeer('tor', '172.30.0.1', 65000), ipPool('pool4', '11.0.0.0/8'));
  const later = announces.slice(many - gone).map((prefix) => `route ${prefix} blackhole;`);
  tor = await startRouter(rack, 'bird', {
    asn: 65000,
    host: 'tor',
    number: 1,
    announces: announces.slice(0, many - gone),
    more: `protocol static later4 { ipv4; ${later.join(' ')} }`,
  });
  await node.start();
  await eventually(async () => expect(await count()).toBe(many), patience);
}, 240_000);
afterAll(() => rack.close());

test('RFC 4724 §4.1: killed under traffic and started again it loses no packet, deletes what was withdrawn meanwhile, and writes nothing', async () => {
  await rack.ground.exec('tor', 'ip address add 11.0.0.1/32 dev lo');
  const listener = await udpSocket('/run/netns/brm-tor', parseAddress('11.0.0.1') as Address, 9);
  const sender = await udpSocket('/run/netns/brm-node1', parseAddress('172.30.0.11') as Address, 0);
  const heard = new Set<string>();
  listener.on('message', (message) => heard.add(message.toString()));
  let sent = 0;
  const beat = setInterval(() => {
    sender.send(String(sent), 9, '11.0.0.1');
    sent += 1;
  }, 5);
  const monitor = await node.monitor();

  await node.stop('SIGKILL');
  await tor.ask('disable later4');
  expect(await count()).toBe(many);
  await node.start();
  await node.peer('172.30.0.1', isUp);
  await eventually(async () => expect(await count()).toBe(many - gone), patience);
  await eventually(async () => expect(await node.probe('/readyz')).toContain(' 200 OK'), patience);

  clearInterval(beat);
  await eventually(() => expect(heard.size).toBe(sent), { within: 30_000 });
  expect(sent).toBeGreaterThan(100);
  await eventually(() => expect(monitored(monitor)).toHaveLength(gone), { within: 30_000 });
  expect(monitored(monitor).every((line) => line.startsWith('Deleted 11.'))).toBe(true);
  expect((await node.status()).kernel).toMatchObject({ pending: 0 });
  sender.close();
  listener.close();
  await monitor.end();
}, 300_000);
