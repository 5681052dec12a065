/** `tortiectl bgp peers` and `bgp peer` beside a real router: what was agreed, what passed, and why a session is down. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PeerDetail } from '../../src/model/status.ts';
import { birdConf, ownRouter } from '../support/own-router.ts';
import { bgpPeer, createRack, isUp } from '../support/rack.ts';

const rack = createRack('peers', 1);
const [node] = rack.nodes;
const soon = 45_000;

const ctl = (...words: readonly string[]) => {
  const script = new URL('../../src/tortie.sh', import.meta.url).pathname;
  const socket = join(rack.directory, 'node1.sock');
  const { status, stdout, stderr } = spawnSync(script, ['ctl', 'bgp', ...words, '--socket', socket], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
};

beforeAll(async () => {
  rack.host('mute', 9);
  rack.put(bgpPeer('tor', '172.30.0.1', 65000), bgpPeer('mute', '172.30.0.9', 65009));
  await ownRouter(rack, 'bird', 'tor', birdConf('172.30.0.11', '172.30.0.1', ''));
  await node?.start();
  await node?.peer('172.30.0.1', isUp, soon);
});
afterAll(() => rack.close());

test('of a session that is up: the capabilities of both, the timers, the messages', () => {
  const { status, stdout } = ctl('peer', '172.30.0.1', '-o', 'json');
  expect(status).toBe(0);
  const peer = JSON.parse(stdout) as PeerDetail;
  expect(peer.openSent).toMatchObject({ asn: 64512, routerId: '172.30.0.11' });
  expect(peer.openReceived).toMatchObject({ asn: 65000, routerId: '172.30.0.1', holdTimeSeconds: 9 });
  expect(peer.openReceived?.capabilities).toEqual(
    expect.arrayContaining(['ipv4-unicast', 'route refresh', 'four-octet AS 65000']),
  );
  expect(peer.messages.received).toMatchObject({ notification: 0 });
  expect(peer.messages.received.keepalive).toBeGreaterThan(0);
  expect(peer.timers.map(({ name }) => name.replace(/-.*/, ''))).toEqual(
    expect.arrayContaining(['hold', 'keepalive']),
  );
  expect(ctl('peer', 'tor').stdout).toMatch(/^Global_172_30_0_1, 172\.30\.0\.1: Established since /);
  expect(ctl('peer', 'nobody')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('There is no neighbour "nobody". There is: Global_'),
  });
});

test('its routes are asked for by the name of its BGPPeer too', () => {
  expect(ctl('routes', '--advertised', 'tor')).toEqual(ctl('routes', '--advertised', '172.30.0.1'));
  expect(ctl('routes', '--advertised', 'tor')).toMatchObject({ status: 0, stderr: '' });
});

test('a neighbour that refuses, and one with another AS, are told apart in words', async () => {
  await node?.peer('172.30.0.9', ({ lastError = '' }) => lastError.includes('refuses connections'), soon);
  rack.put(bgpPeer('tor', '172.30.0.1', 65001));
  await node?.peer('172.30.0.1', ({ lastError = '' }) => /says it is AS 65000/.test(lastError), soon);
  const all = ctl('peers');
  expect(all.status).toBe(1);
  expect(all.stdout).toMatch(/172\.30\.0\.9 is down: .*refuses connections/);
  expect(all.stdout).toMatch(/172\.30\.0\.1 is down: .*says it is AS 65000/);
  const one = ctl('peer', '172.30.0.1');
  expect(one.stdout).toMatch(/last NOTIFICATION sent +OPEN message error, bad peer AS \(2\/2\)/);
});
