/** Sessions signed with a password (RFC 2385) beside real routers: right and wrong keys, and keys that change while all runs. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { birdConf, frrConf, type OwnKind, type OwnRouter, ownRouter } from '../support/own-router.ts';
import { bgpConfiguration, bgpPeer, createRack, isUp, type Rack } from '../support/rack.ts';

const secret = (values: Readonly<Record<string, string>>) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'passwords', namespace: 'tortie' },
  data: Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
  ),
});
const password = (key: string) => ({ password: { secretKeyRef: { name: 'passwords', key } } });

/** A machine of CI is slow. */
const soon = 60_000;
const down = (words: RegExp) => (peer: { readonly state: string; readonly lastError?: string }) =>
  peer.state !== 'Established' && words.test(peer.lastError ?? '');

describe.each<[OwnKind, 4 | 6]>([
  ['bird', 4],
  ['bird', 6],
  ['frr', 4],
  ['frr', 6],
])('beside %s over IPv%i', (kind, version) => {
  let rack: Rack;
  let router: OwnRouter;
  const tor = version === 4 ? '172.30.0.1' : 'fd00:30::1';
  const us = version === 4 ? '172.30.0.11' : 'fd00:30::11';
  const signed = (key: string): string =>
    kind === 'bird' ? birdConf(us, tor, `password "${key}";`) : frrConf(us, [`password ${key}`]);

  beforeAll(async () => {
    rack = createRack(`sg${kind}${version}`, 2);
    rack.put(bgpPeer('tor', tor, 65000, { node: 'node1', ...password('tor') }));
    await rack.node(1).start('--namespace', 'tortie');
    await rack.node(2).start('--namespace', 'tortie');
    router = await ownRouter(rack, kind, 'tor', signed('first-one'));
  });
  afterAll(() => rack.close());

  test('without its Secret the peer is not started and says so; the mesh is up meanwhile', async () => {
    const peer = await rack
      .node(1)
      .peer(tor, down(/Secret tortie\/passwords in .* is not there, and it is not started/), soon);
    expect(peer.state).toBe('Idle');
    await rack.node(1).peer('172.30.0.12', isUp, soon);
    const { problems } = await rack.node(1).status();
    expect(problems.map(({ where }) => where)).toEqual(['BGPPeer/tor spec.password']);
  });

  test('RFC 2385: with the right key it comes up, and with the key gone it goes down with a reason', async () => {
    rack.put(secret({ tor: 'first-one' }));
    await rack.node(1).peer(tor, isUp, soon);
    expect((await rack.node(1).status()).problems).toEqual([]);
    rack.put(secret({ other: 'first-one' }));
    await rack.node(1).peer(tor, down(/has no key tor/), soon);
    rack.put(secret({ tor: 'first-one' }));
    await rack.node(1).peer(tor, isUp, soon);
  });

  test('RFC 2385: a key changed here only is told as a wrong one by what the kernel counts; changed there too it is up again, and the mesh never went down', async () => {
    const { since } = await rack.node(1).peer('172.30.0.12', isUp);
    rack.put(secret({ tor: 'second-one' }));
    const peer = await rack
      .node(1)
      .peer(
        tor,
        down(/TCPMD5Failure\).* its password is another than that in tor of Secret passwords/),
        soon,
      );
    expect(peer.state).not.toBe('Established');
    await router.configure(signed('second-one'));
    await rack.node(1).peer(tor, isUp, soon);
    expect((await rack.node(1).peer('172.30.0.12', isUp)).since).toBe(since);
  });

  test('no key stands in a log, the status, or a file', async () => {
    const texts = [rack.node(1).log(), JSON.stringify(await rack.node(1).status())];
    const state = join(rack.directory, 'state');
    for (const name of readdirSync(rack.directory).includes('state') ? readdirSync(state) : [])
      texts.push(readFileSync(join(state, name), 'utf8'));
    for (const key of ['first-one', 'second-one'])
      for (const form of [key, Buffer.from(key).toString('base64')])
        expect(texts.filter((text) => text.includes(form))).toEqual([]);
  });
});

describe('RFC 2385: the mesh', () => {
  const rack = createRack('sgmesh', 3);
  afterAll(() => rack.close());

  const all = async (): Promise<void> => {
    for (const node of rack.nodes)
      for (const other of rack.nodes.filter((one) => one !== node))
        await node.peer(other.address.v4, isUp, soon);
  };

  test('signs with nodeMeshPassword, and changes it on all nodes without help', async () => {
    const mesh = bgpConfiguration({ nodeMeshPassword: { secretKeyRef: { name: 'passwords', key: 'mesh' } } });
    rack.put(secret({ mesh: 'one' }), mesh);
    for (const node of rack.nodes) await node.start();
    await all();
    const before = await rack.node(1).peer('172.30.0.12', isUp);
    rack.put(secret({ mesh: 'two' }));
    await rack.node(1).peer('172.30.0.12', (peer) => isUp(peer) && peer.since !== before.since, soon);
    await all();
  });

  test('without nodeMeshPassword it comes up unsigned', async () => {
    const before = await rack.node(1).peer('172.30.0.12', isUp);
    rack.put(bgpConfiguration({}));
    await rack.node(1).peer('172.30.0.12', (peer) => isUp(peer) && peer.since !== before.since, soon);
    await all();
  });
});
