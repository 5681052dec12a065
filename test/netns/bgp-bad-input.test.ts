/** What arrives on port 179 and should not: each is answered as RFC 4271 §6 says, explained, and disturbs nobody else. */
import type { Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tcpListen } from '../../src/kernel/sockets.ts';
import { type Address, parseAddress } from '../../src/lib/net.ts';
import { eventually } from '../support/eventually.ts';
import { bgpPeer, createRack, ipPool, isUp } from '../support/rack.ts';
import { dialRaw, keepaliveHex, openHex, type RawPeer } from '../support/raw-peer.ts';
import { messageHex, updateHex } from '../support/wire.ts';

interface Case {
  readonly what: string;
  /** Said as soon as the node's OPEN has come. */
  readonly says: string;
  /** Body of the NOTIFICATION: code, subcode, data. */
  readonly answer: string;
  readonly words: RegExp;
}

const marker = 'ff'.repeat(16);
const cases: readonly Case[] = [
  {
    what: 'RFC 4271 §6.1: a wrong marker is answered by Connection Not Synchronized',
    says: `${'ff'.repeat(15)}fe001304`,
    answer: '0101',
    words: /marker/i,
  },
  {
    what: 'RFC 8654 §4: an OPEN of 5000 octets is answered by Bad Message Length with that length',
    says: `${marker}138801`,
    answer: '01021388',
    words: /5000 octets/,
  },
  {
    what: 'RFC 4271 §6.1: a length of 18 is answered by Bad Message Length with that length',
    says: `${marker}001204`,
    answer: '01020012',
    words: /18 octets/,
  },
  {
    what: 'RFC 4271 §6.1: an OPEN too short to be one is answered by Bad Message Length with its length',
    says: messageHex(1, '04fde8005a'),
    answer: '01020018',
    words: /24 octets/,
  },
  {
    what: 'RFC 4271 §6.1: a message of unknown type is answered by Bad Message Type with that type',
    says: messageHex(9, ''),
    answer: '010309',
    words: /type 9|message type/i,
  },
  {
    what: 'RFC 4271 §6.2: version 3 is answered by Unsupported Version Number with the one we speak',
    says: openHex({ version: '03' }),
    answer: '02010004',
    words: /version 3/i,
  },
  {
    what: 'RFC 4271 §6.2: the wrong AS is answered by Bad Peer AS, and both AS numbers are told',
    says: openHex({ asn: '0000fe4b' }),
    answer: '0202',
    words: /65099.*65000|65000.*65099/,
  },
  {
    what: 'RFC 4271 §6.2: a BGP Identifier of zero is answered by Bad BGP Identifier',
    says: openHex({ id: '00000000' }),
    answer: '0203',
    words: /identifier/i,
  },
  {
    what: 'RFC 4271 §6.2: a hold time of 1 s is answered by Unacceptable Hold Time',
    says: openHex({ holdTime: '0001' }),
    answer: '0206',
    words: /hold time of 1 s/,
  },
  {
    what: 'RFC 6608 §4: an UPDATE before the OPEN is answered by Receive Unexpected Message in OpenSent State',
    says: updateHex({}),
    answer: '0501',
    words: /UPDATE/i,
  },
];

const rack = createRack('bb', 2);
const [node, other] = [rack.node(1), rack.node(2)];
const tor = `/run/netns/${rack.ground.netns('tor')}`;
const sourceOf = (index: number): string => `172.30.0.${101 + index}`;
const wellBehaved = '172.30.0.100';
const stranger = '172.30.0.200';
const connections: RawPeer[] = [];
let squatter: Server;
let meshSince: string;

async function dial(from: string): Promise<RawPeer> {
  const made = await dialRaw(tor, from, node.address.v4);
  connections.push(made);
  return made;
}

beforeAll(async () => {
  for (const address of [wellBehaved, stranger, ...cases.map((_, index) => sourceOf(index))])
    await rack.ground.exec('tor', `ip address add ${address}/24 dev br0`);
  rack.put(
    bgpPeer('well', wellBehaved, 65000, { node: 'node1' }),
    ...cases.map((_, index) => bgpPeer(`bad${index}`, sourceOf(index), 65000, { node: 'node1' })),
    ipPool('pool4', '10.244.0.0/16'),
  );
  // Somebody on node2 has our port.
  squatter = await tcpListen('/run/netns/bb-node2', parseAddress('0.0.0.0') as Address, 179, (socket) =>
    socket.destroy(),
  );
  await Promise.all(rack.nodes.map((each) => each.start()));
  meshSince = (await node.peer(other.address.v4, isUp)).since;
});
afterAll(async () => {
  for (const connection of connections) connection.hangUp();
  squatter.close();
  await rack.close();
});

test('while somebody else has port 179 the node says so, and its sessions come up because it dials', async () => {
  const { problems } = await other.status();
  expect(problems).toContainEqual({
    where: 'listening on 0.0.0.0 port 179',
    what: expect.stringMatching(/^Port 179 is owned by .+ \(pid \d+\), so neighbours cannot reach us/),
    fix: expect.stringContaining('ss -ltnp'),
  });
  expect(other.log()).toContain('Port 179 is owned by ');
  await other.peer(node.address.v4, isUp);
  await new Promise((resolve) => squatter.close(resolve));
  await eventually(async () => expect((await other.status()).problems).toEqual([]), { within: 30_000 });
});

describe.each(cases.map((one, index) => ({ ...one, source: sourceOf(index) })))('bad input', (one) => {
  test(one.what, async () => {
    const raw = await dial(one.source);
    await raw.hears(1);
    raw.say(one.says);
    expect((await raw.hears(3)).body).toBe(one.answer);
    await raw.closed();
    const { lastError = '' } = await node.peer(
      one.source,
      ({ lastError }) => lastError?.includes('we closed') === true,
    );
    expect(lastError).toMatch(one.words);
    expect(node.log()).toContain(lastError);
  });
});

test('RFC 7606 §7.1: an UPDATE with a malformed ORIGIN withdraws its routes and keeps the session', async () => {
  const raw = await dial(wellBehaved);
  await raw.hears(1);
  raw.say(openHex());
  await raw.hears(4);
  raw.say(keepaliveHex);
  const attributes = (origin: string): string => `400101${origin} 400206 0201 0000fde8 400304 ac1e0064`;
  raw.say(updateHex({ attributes: attributes('00'), nlri: '180af409' }));
  raw.say(updateHex({ attributes: attributes('00'), nlri: '180af408' }));
  const own = ['unreachable 10.244.1.0/24', 'unreachable fd00:244:1::/64'];
  const mesh = ['10.244.2.0/24 via 172.30.0.12', 'fd00:244:2::/64 via fd00:30::12'];
  const kept = '10.244.8.0/24 via 172.30.0.100';
  await node.forwards([...own, ...mesh, kept, '10.244.9.0/24 via 172.30.0.100']);
  raw.say(updateHex({ attributes: attributes('07'), nlri: '180af409' }));
  await node.forwards([...own, ...mesh, kept]);
  await node.peer(wellBehaved, isUp);
  expect(raw.heard().map(({ type }) => type)).not.toContain(3);
  expect(node.log()).toMatch(/ORIGIN/);
  raw.hangUp();
  await node.forwards([...own, ...mesh]);
  const { lastError } = await node.peer(wellBehaved, (peer) => !isUp(peer));
  expect(lastError).toMatch(/closed|reset/);
});

test('who is no configured neighbour is shut out without a word, and the log says who it was', async () => {
  const raw = await dial(stranger);
  await raw.closed();
  expect(raw.heard()).toEqual([]);
  await eventually(
    () => expect(node.log()).toContain(`${stranger} dialled us but is not a configured neighbour`),
    { within: 15_000 },
  );
});

test('none of all this has disturbed the session with the other node', async () => {
  expect((await node.peer(other.address.v4, isUp)).since).toBe(meshSince);
});
