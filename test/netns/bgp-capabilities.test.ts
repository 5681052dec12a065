/** What is agreed on in OPEN, as BIRD and FRR see it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { birdConf, frrConf, type OwnKind, type OwnRouter, ownRouter } from '../support/own-router.ts';
import { bgpPeer, createRack, isUp, type Rack } from '../support/rack.ts';

/** A machine of CI is slow. */
const soon = 60_000;
const [us, tor] = ['172.30.0.11', '172.30.0.1'];

interface Words {
  /** Of the whole, beside a session that asks for everything. */
  readonly all: string;
  /** Its role is peer, strictly. */
  readonly asPeer: string;
  /** Shows what it agreed on. */
  readonly show: string;
  readonly sees: readonly RegExp[];
}
const frr = (role: string): string => frrConf(us, [`local-role ${role}`, 'addpath-tx-all-paths']);
const bird = (role: string): string =>
  birdConf(
    us,
    tor,
    `local role ${role}; long lived graceful restart on; graceful restart on; enable extended messages on;`,
  ).replace('export none;', 'export none; add paths on;');

const words: Readonly<Record<OwnKind, Words>> = {
  frr: {
    all: frr('provider'),
    asPeer: frr('peer'),
    show: `show bgp neighbors ${us}`,
    sees: [
      /4 Byte AS: advertised and received/,
      /Extended Message: advertised and received/,
      /IPv4 Unicast: TX advertised and received/,
      /IPv4 Unicast: RX advertised and received/,
      /N bit: True/,
      /Long-lived Graceful Restart: (advertised and )?received/,
      /Enhanced Route Refresh: advertised and received/,
      /Graceful Restart Capability: advertised and received/,
      /Remote Role: customer/,
    ],
  },
  bird: {
    all: bird('provider'),
    asPeer: bird('peer'),
    show: 'show protocols all node',
    sees: [
      /Neighbor capabilities[\s\S]*Extended message/,
      /Neighbor capabilities[\s\S]*Enhanced refresh/,
      /Neighbor capabilities[\s\S]*ADD-PATH/,
      /Neighbor capabilities[\s\S]*Graceful restart/,
      /Neighbor capabilities[\s\S]*Long-lived graceful restart/,
      /Neighbor capabilities[\s\S]*Role: customer/,
    ],
  },
};

describe.each<OwnKind>(['frr', 'bird'])('%s', (kind) => {
  let rack: Rack;
  let router: OwnRouter;

  beforeAll(async () => {
    rack = createRack(`caps${kind}`, 1);
    const wishes = {
      role: 'customer',
      roleStrict: true,
      addPath: { receive: true, send: 'All' },
      restartMode: 'LongLivedGracefulRestart',
      longLivedStaleTime: '1h',
    };
    rack.put(bgpPeer('tor', tor, 65000, { node: 'node1', ...wishes }));
    await rack.node(1).start();
    router = await ownRouter(rack, kind, 'tor', words[kind].all);
  });
  afterAll(() => rack.close());

  test('sees every capability we offer, and is up with a role across from ours', async () => {
    await rack.node(1).peer(tor, isUp, soon);
    await eventually(
      async () => {
        const text = await router.ask(words[kind].show);
        for (const seen of words[kind].sees) expect(text).toMatch(seen);
      },
      { within: soon },
    );
    expect(router.output()).not.toMatch(/malformed/i);
  });

  test('RFC 9234 §4.2: with a role that does not go with ours it is refused, in words', async () => {
    await router.configure(words[kind].asPeer);
    if (kind === 'frr') await router.ask(`clear bgp ${us}`);
    const peer = await rack.node(1).peer(tor, ({ lastError }) => /role/.test(lastError ?? ''), soon);
    expect(peer.lastError).toMatch(/role mismatch \(2\/11\)/);
    await router.configure(words[kind].all);
    await rack.node(1).peer(tor, isUp, soon);
  });
});
