/** Neighbours from a range, signed with one key, and who may dial: beside BIRD and FRR. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PeerStatus } from '../../src/model/status.ts';
import { eventually } from '../support/eventually.ts';
import { birdConf, frrConf, type OwnRouter, ownRouter } from '../support/own-router.ts';
import { bgpPeer, createRack, ipPool, isUp, type Rack } from '../support/rack.ts';

/** A machine of CI is slow. */
const soon = 60_000;

const secret = (value: string) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'passwords', namespace: 'tortie' },
  data: { racks: Buffer.from(value).toString('base64') },
});
const range = (name: string, peerRange: string, more: object = {}) => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'BGPPeer',
  metadata: { name },
  spec: { node: 'node1', peerRange, keepaliveTime: '1s', ...more },
});
const signed = { password: { secretKeyRef: { name: 'passwords', key: 'racks' } } };
const us = '172.30.0.11';

let rack: Rack;
let bird: OwnRouter;
let frr: OwnRouter;
let late: OwnRouter;

const peers = async (): Promise<readonly PeerStatus[]> => (await rack.node(1).status()).peers;
const gone = (address: string): Promise<void> =>
  eventually(
    async () => {
      const found = (await peers()).filter((peer) => peer.address === address);
      if (found.length > 0) throw new Error(`${JSON.stringify(found)}\n${rack.node(1).log()}`);
    },
    { within: soon },
  );
const logs = (words: RegExp): Promise<void> =>
  eventually(
    () => {
      if (!words.test(rack.node(1).log())) throw new Error(rack.node(1).log());
    },
    { within: soon },
  );

beforeAll(async () => {
  rack = createRack('dynamic', 1);
  for (const [name, number] of [
    ['bird', 70],
    ['frr', 71],
    ['late', 72],
  ] as const)
    rack.host(name, number);
  rack.put(ipPool('outside', '10.9.0.0/16'), secret('one-key'));
  rack.put(range('racks', '172.30.0.64/28', { peerLimit: 2, ...signed }));
  await rack.node(1).start('--namespace', 'tortie');
});
afterAll(() => rack.close());

test('BIRD and FRR from the range come up, each with its own AS, signed with the key of the range', async () => {
  bird = await ownRouter(rack, 'bird', 'bird', birdConf(us, '172.30.0.70', 'password "one-key";'));
  frr = await ownRouter(
    rack,
    'frr',
    'frr',
    frrConf(us, ['password one-key']).replace('router bgp 65000', 'router bgp 65071'),
  );
  const ofBird = await rack.node(1).peer('172.30.0.70', isUp, soon);
  const ofFrr = await rack.node(1).peer('172.30.0.71', isUp, soon);
  expect([ofBird.peerAsn, ofBird.dynamic, ofBird.resource]).toEqual([65000, 'racks', 'racks']);
  expect([ofFrr.peerAsn, ofFrr.dynamic]).toEqual([65071, 'racks']);
  expect(frr.output()).not.toMatch(/malformed/i);
});

test('one more than the limit is turned away, and the log says why', async () => {
  late = await ownRouter(rack, 'bird', 'late', birdConf(us, '172.30.0.72', 'password "one-key";'));
  await logs(/racks takes 2 neighbours from 172\.30\.0\.64\/28, and has them/);
  expect((await peers()).map(({ address }) => address).sort()).toEqual(['172.30.0.70', '172.30.0.71']);
});

test('one that shuts down is forgotten, its place goes to the next, and we dial nobody', async () => {
  await bird.ask('disable node');
  await gone('172.30.0.70');
  await rack.node(1).peer('172.30.0.72', isUp, soon);
  await bird.ask('enable node');
});

test('RFC 2385: with another key in the Secret nobody comes in until the neighbour has it too', async () => {
  await frr.configure('router bgp 65071\nneighbor 172.30.0.11 shutdown');
  await gone('172.30.0.71');
  rack.put(secret('other-key'));
  await gone('172.30.0.72');
  await frr.configure(
    'router bgp 65071\nneighbor 172.30.0.11 password other-key\nno neighbor 172.30.0.11 shutdown',
  );
  await rack.node(1).peer('172.30.0.71', isUp, soon);
});

test('RFC 9003 §2: the words of its shutdown are in our log, and ours are seen there', async () => {
  await frr.configure('router bgp 65071\nneighbor 172.30.0.11 shutdown message back at ten');
  await gone('172.30.0.71');
  await logs(/administrative shutdown \(6\/2\): .*back at ten/);
  await frr.configure('router bgp 65071\nno neighbor 172.30.0.11 shutdown');
  await rack.node(1).peer('172.30.0.71', isUp, soon);
  rack.drop('BGPPeer', 'racks');
  await gone('172.30.0.71');
  await eventually(
    async () => expect(await frr.ask('show bgp neighbors 172.30.0.11')).toMatch(/Peer De-?configured/i),
    { within: soon },
  );
});

test('RFC 2385: a range of IPv6 is signed as well, and who is in it has to sign', async () => {
  rack.put(range('racks6', 'fd00:30::70/124', signed));
  await late.configure(birdConf('fd00:30::11', 'fd00:30::72', ''));
  await eventually(
    async () => {
      const counters = await rack.ground.exec('node1', 'nstat -asz TcpExtTCPMD5NotFound');
      expect(Number(/NotFound\s+(\d+)/.exec(counters)?.[1])).toBeGreaterThan(0);
    },
    { within: soon },
  );
  expect(await peers()).toEqual([]);
  await late.configure(birdConf('fd00:30::11', 'fd00:30::72', 'password "other-key";'));
  const peer = await rack.node(1).peer('fd00:30::72', isUp, soon);
  expect([peer.dynamic, peer.families]).toEqual(['racks6', ['ipv6-unicast']]);
  rack.drop('BGPPeer', 'racks6');
  await gone('fd00:30::72');
});

test('a peer that is passive is not dialled, and one that is active takes no connection, but both come up', async () => {
  rack.put(bgpPeer('bird', '172.30.0.70', 65000, { node: 'node1', connectMode: 'Passive' }));
  await bird.configure(birdConf(us, '172.30.0.70', ''));
  await rack.node(1).peer('172.30.0.70', isUp, soon);
  const passive = await rack.ground.exec('node1', 'ss -Htn state established sport = :179 dst 172.30.0.70');
  expect(passive.trim()).not.toBe('');
  const { since } = await rack.node(1).peer('172.30.0.70', isUp, soon);
  rack.put(bgpPeer('bird', '172.30.0.70', 65000, { node: 'node1', connectMode: 'Active' }));
  await logs(/connect passive → active/);
  expect((await rack.node(1).peer('172.30.0.70', isUp, soon)).since).toBe(since);
  await bird.ask('restart all');
  await eventually(
    async () => {
      const active = await rack.ground.exec(
        'node1',
        'ss -Htn state established dport = :179 dst 172.30.0.70',
      );
      if (active.trim() === '') throw new Error(rack.node(1).log());
    },
    { within: soon },
  );
  await rack.node(1).peer('172.30.0.70', isUp, soon);
});
