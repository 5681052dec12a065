/** The BFD doer in namespaces: deadlines under load, what it takes and sends, and how it ends. */
import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { encodePacket } from '../../bgp/bfd/packet.ts';
import { inNamespace } from '../../src/kernel/netns.ts';
import { udpSocket } from '../../src/kernel/sockets.ts';
import { receiveUdp, sendUdp } from '../../src/kernel/udp.ts';
import { type BfdLab, bfdLab, bfdRouter, ends, soon } from '../support/bfd-lab.ts';
import { captureUdp } from '../support/capture.ts';
import { eventually } from '../support/eventually.ts';
import { address } from '../support/sockets.ts';

const labs: BfdLab[] = [];
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
  for (const lab of labs.splice(0)) await lab.close();
});
const newLab = (prefix: string): BfdLab => {
  const lab = bfdLab(prefix, 'single hop');
  labs.push(lab);
  return lab;
};

const { node, router: own } = ends['single hop'];
const fast = { minTxMs: 50, minRxMs: 50, multiplier: 3 };
const birdAt50 = { node, own, isMultihop: false, minTxMs: 50, minRxMs: 50, multiplier: 3 };

// Once more where the whole machine stood still for 150 ms, which no thread can help.
test('50 ms x 3 holds while the main thread stands still for seconds and every core is busy', {
  retry: 2,
}, async () => {
  const lab = newLab('bfdl');
  const station = lab.station();
  station.peers({ address: own, bfd: fast });
  const bird = await bfdRouter(lab, 'bird', birdAt50);
  await station.is('up');
  const { thread } = await station.show();
  // Without the right to real time an idle core is all that can be asked for.
  const burners = thread.isRealtime ? 4 : 0;
  for (let count = 0; count < burners; count += 1) {
    const burner = spawn('sh', ['-c', 'while :; do :; done']);
    stops.push(() => burner.kill('SIGKILL'));
  }
  for (let round = 0; round < 3; round += 1) station.tell({ kind: 'block', ms: 1000 });
  const before = (await station.show()).views[0]?.report?.sent ?? 0;
  await station.report(({ sent }) => sent > before + 20);
  const shown = await station.show();
  expect(shown.views).toMatchObject([{ downs: 0, report: { state: 'up', transmitUs: 50_000 } }]);
  expect(station.heard().map(({ state }) => state)).toEqual(['up']);
  const output = bird.running.map((one) => one.output()).join('');
  expect(output.match(/changed state from Up/g)).toBeNull();
  if (thread.isRealtime) expect(shown.thread.health?.worstLatenessMs).toBeLessThan(50);
});

test('RFC 5882 §2: BGP sessions with one address share a BFD session, and all hear of it; the shortest wish counts', async () => {
  const lab = newLab('bfds');
  const station = lab.station();
  station.peers(
    { address: own, port: 179, bfd: { minTxMs: 300, minRxMs: 50, multiplier: 5 } },
    { address: own, port: 1790, bfd: { minTxMs: 50, minRxMs: 300, multiplier: 3 } },
  );
  await bfdRouter(lab, 'bird', birdAt50);
  await station.is('up', `${own} 179`);
  await station.is('up', `${own} 1790`);
  const { views } = await station.show();
  expect(views).toHaveLength(1);
  expect(views[0]?.report?.parameters).toEqual({ minTxUs: 50_000, minRxUs: 50_000, multiplier: 3 });
  station.peers(
    { address: own, port: 179, bfd: fast },
    { address: own, port: 1790 },
    { address: own, port: 1791, bfd: fast },
  );
  await station.is('up', `${own} 1791`);
  expect(await station.is('adminDown', `${own} 1790`)).toMatchObject({ why: 'it is no longer configured' });
  expect(station.heard().filter(({ peer, state }) => peer === `${own} 179` && state !== 'up')).toEqual([]);
});

test('RFC 5881 §5: in single hop what comes with a TTL below 255 is not heard, whatever it says', async () => {
  const lab = newLab('bfdt');
  const station = lab.station();
  station.peers({ address: own, bfd: fast });
  await eventually(async () => {
    if ((await station.show()).views[0]?.report === undefined) throw new Error('not reported yet');
  }, soon);
  const there = `/run/netns/${lab.ground.netns('router')}`;
  const packet = encodePacket({
    diagnostic: 0,
    state: 'down',
    poll: false,
    final: false,
    isIndependent: false,
    demand: false,
    multiplier: 3,
    myDiscriminator: 77,
    yourDiscriminator: 0,
    desiredMinTxUs: 1_000_000,
    requiredMinRxUs: 1_000_000,
    requiredMinEchoRxUs: 0,
  });
  const ordinary = await udpSocket(there, address(own), 50_000);
  stops.push(() => ordinary.close());
  ordinary.setTTL(254);
  for (let count = 0; count < 5; count += 1) ordinary.send(packet, 3784, node);
  const dropped = await eventually(async () => {
    const { thread, views } = await station.show();
    if ((thread.health?.dropped ?? 0) < 5) throw new Error(JSON.stringify(thread));
    return views;
  }, soon);
  expect(dropped[0]?.report).toMatchObject({ state: 'down', received: 0 });
  const near = inNamespace(there, () =>
    sendUdp({ to: address(node), port: 3784, source: address(own), sourcePort: 50_001 }),
  );
  stops.push(() => near.close());
  near.send(packet);
  expect(await station.report(({ received }) => received === 1)).toMatchObject({ state: 'init' });
});

test('RFC 5881 §4: we send from one port of 49152 to 65535 with TTL 255, and Wireshark finds nothing amiss', async () => {
  const lab = newLab('bfdw');
  const capture = captureUdp(lab.ground.netns('router'));
  stops.push(() => capture.close());
  const station = lab.station();
  station.peers({ address: own, bfd: fast });
  const router = await bfdRouter(lab, 'frr', birdAt50);
  await station.is('up');
  station.peers({ address: own, bfd: { ...fast, minTxMs: 200, multiplier: 4 } });
  await station.report(({ transmitUs }) => transmitUs === 200_000);
  await router.disable();
  await station.is('adminDown');
  await router.enable();
  await station.is('up');
  station.tell({ kind: 'stop' });
  await station.is('adminDown');
  const file = join(lab.directory, 'seen.pcap');
  capture.write(file);
  const fields = [
    'ip.ttl',
    'ip.dsfield.dscp',
    'udp.srcport',
    'udp.dstport',
    'udp.length',
    'bfd.version',
    'bfd.sta',
  ];
  const lines = execFileSync(
    'tshark',
    [
      ...['-r', file, '-Y', `ip.src == ${node}`, '-T', 'fields', '-E', 'separator=|'],
      ...[...fields, 'bfd.flags.p', 'bfd.flags.f', '_ws.expert', '_ws.malformed'].flatMap((one) => [
        '-e',
        one,
      ]),
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  )
    .trimEnd()
    .split('\n')
    .map((line) => line.split('|'));
  expect(lines.length).toBeGreaterThan(8);
  const column = (index: number): readonly (string | undefined)[] => [
    ...new Set(lines.map((line) => line[index])),
  ];
  expect([column(0), column(1), column(3), column(4), column(5)]).toEqual([
    ['255'],
    ['48'],
    ['3784'],
    ['32'],
    ['1'],
  ]);
  expect(column(2)).toHaveLength(1);
  expect(Number(column(2)[0])).toBeGreaterThanOrEqual(49_152);
  expect([...column(6)].sort()).toEqual(['0x00', '0x01', '0x02', '0x03']);
  expect([column(9), column(10)]).toEqual([[''], ['']]);
});

test('RFC 5880 §6.8.16: who stops says AdminDown, and goes when the neighbour knows', async () => {
  const lab = newLab('bfde');
  const station = lab.station();
  station.peers({ address: own, bfd: fast });
  const bird = await bfdRouter(lab, 'bird', birdAt50);
  await station.is('up');
  station.tell({ kind: 'stop' });
  await eventually(async () => {
    if ((await bird.session()).isUp) throw new Error(await bird.details());
  }, soon);
  expect(bird.running.map((one) => one.output()).join('')).not.toMatch(/expired/);
  expect(station.heard().map(({ state }) => state)).toEqual(['up', 'adminDown']);
});

test('where another daemon has the BFD port a person is told, and BFD begins when it has gone', async () => {
  const lab = newLab('bfdp');
  const other = inNamespace(`/run/netns/${lab.ground.netns('node')}`, () =>
    receiveUdp({ version: 4, port: 3784, isNear: false }, () => undefined),
  );
  const station = lab.station();
  station.peers({ address: own, bfd: fast });
  await eventually(async () => {
    const { problems } = await station.show();
    expect(problems).toMatchObject([
      { where: 'BFD', what: expect.stringContaining('cannot listen on udp port 3784 (IPv4): EADDRINUSE') },
    ]);
  }, soon);
  other.close();
  await bfdRouter(lab, 'bird', birdAt50);
  await station.is('up');
  await eventually(async () => {
    expect((await station.show()).problems).toEqual([]);
  }, soon);
});

test('a neighbour by its link-local address, as one found on a link has', async () => {
  const lab = newLab('bfdu');
  const linkOf = async (host: string) => {
    // What the filter leaves out is an empty object.
    const links = JSON.parse(
      await lab.ground.exec(host, 'ip -j -6 address show dev eth0 scope link'),
    ) as readonly {
      readonly ifindex: number;
      readonly addr_info?: readonly { readonly local?: string; readonly tentative?: boolean }[];
    }[];
    const link = links.find(({ addr_info }) => addr_info !== undefined);
    const local = link?.addr_info?.find((one) => one.local !== undefined && one.tentative !== true)?.local;
    if (link === undefined || local === undefined) throw new Error(JSON.stringify(links));
    return { ifindex: link.ifindex, local };
  };
  const [here, there] = await eventually(() => Promise.all([linkOf('node'), linkOf('router')]), soon);
  const station = lab.station();
  station.peers({
    address: `${there.local}%${here.ifindex}`,
    localAddress: `${here.local}%${here.ifindex}`,
    bfd: fast,
  });
  const bird = await bfdRouter(lab, 'bird', { ...birdAt50, node: here.local, own: there.local });
  await station.is('up');
  expect((await bird.session()).isUp).toBe(true);
  lab.cut();
  await station.is('down');
});
