/** GTSM (RFC 5082) beside real routers: who sends with TTL 255 is heard, who is further away is told so. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { birdConf, frrConf, type OwnKind, type OwnRouter, ownRouter } from '../support/own-router.ts';
import { bgpPeer, createRack, isUp, type Rack } from '../support/rack.ts';

const soon = 45_000;

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
  const configuration = (isChecked: boolean): string =>
    kind === 'bird'
      ? birdConf(us, tor, isChecked ? 'ttl security on; direct;' : 'multihop 9;')
      : frrConf(us, isChecked ? ['ttl-security hops 1'] : ['no ttl-security hops 1', 'ebgp-multihop 9']);

  beforeAll(async () => {
    rack = createRack(`gt${kind}${version}`, 1);
    rack.put(bgpPeer('tor', tor, 65000));
    router = await ownRouter(rack, kind, 'tor', configuration(true));
    await rack.node(1).start();
  });
  afterAll(() => rack.close());

  test('a router that checks the TTL takes us without anything said here', async () => {
    await rack.node(1).peer(tor, isUp, soon);
  });

  test('RFC 5082 §3: with ttlSecurity on both sides the session is up, whichever side dialled', async () => {
    const { since } = await rack.node(1).peer(tor, isUp, soon);
    rack.put(bgpPeer('tor', tor, 65000, { ttlSecurity: 1 }));
    await rack.node(1).peer(tor, (peer) => isUp(peer) && peer.since !== since, soon);
  });

  test('RFC 5082 §3: a router that sends with a smaller TTL is refused, and status says with which TTL it came', async () => {
    await router.configure(configuration(false));
    const peer = await rack
      .node(1)
      .peer(tor, ({ state, lastError = '' }) => state !== 'Established' && /TTL/.test(lastError), soon);
    expect(peer.lastError).toMatch(
      /dialled us with TTL \d+, and ttlSecurity 1 takes 255 at least|TTL below 255\) TCP/,
    );
  });

  test('taken for further away, it is heard again', async () => {
    rack.put(bgpPeer('tor', tor, 65000, { ttlSecurity: 250 }));
    await rack.node(1).peer(tor, isUp, soon);
  });
});
