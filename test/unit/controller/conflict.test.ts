import { describe, expect, test } from 'vitest';
import { conflictsOf } from '../../../src/controller/decide/conflict.ts';
import { judge, noticesOf } from '../../../src/controller/judge.ts';
import { World } from '../../../src/controller/world.ts';
import type { BgpPeer, Resource } from '../../../src/model/resource.ts';
import {
  bgpConfiguration,
  bgpPeer,
  linkPeer,
  node,
  nodeConfiguration,
  nodePeer,
  rangePeer,
} from '../../support/resources.ts';

const nodes = [1, 2, 3, 4, 5, 6, 7].map((number) =>
  node(`node${number}`, { ips: [`10.0.0.${number}`], labels: { rack: number < 3 ? 'a' : 'b' } }),
);
const said = (...peers: BgpPeer[]): string[] =>
  [...conflictsOf({ peers, nodes, configurations: [] })]
    .map(([name, { status, reason }]) => `${name} ${status} ${reason}`)
    .sort();
const tor = (name: string, more: Partial<BgpPeer> = {}, over: object = {}): BgpPeer =>
  bgpPeer(name, '192.0.2.1', { ...over, more });

describe('BGPPeers that describe one neighbour differently', () => {
  test('both say so: the longer-standing that it is in force, the other that it is not, where and why', () => {
    const elder = tor('elder', { created: '2030-01-01T00:00:00Z' });
    const younger = tor(
      'younger',
      { created: '2031-01-01T00:00:00Z', holdTimeMs: 9000 },
      { nodeSelector: "rack == 'a'" },
    );
    const global = tor('global', { created: '2032-01-01T00:00:00Z', holdTimeMs: 3000 });
    const found = conflictsOf({ peers: [younger, elder], nodes, configurations: [] });
    expect(found.get('younger')).toEqual({
      type: 'Accepted',
      status: 'False',
      reason: 'Conflict',
      message:
        'Not in force on node1, node2: BGPPeer/elder describes the same neighbour, 192.0.2.1 port 179, differently and counts there: a global one counts before one for some nodes, then the longer-standing, then the first by name. Delete one of the two, or make them agree in all but node and nodeSelector.',
    });
    expect(found.get('elder')).toMatchObject({
      status: 'True',
      reason: 'Conflict',
      message: expect.stringMatching(
        /^In force, although BGPPeer\/younger describes .* not in force on node1, node2:/,
      ),
    });
    expect(
      conflictsOf({ peers: [elder, global], nodes, configurations: [] }).get('global')?.message,
    ).toContain('Not in force on node1, node2, node3, node4, node5 and 2 more');
  });

  test('say nothing where they agree, are of different nodes or ports, or one is the other side of another', () => {
    expect(said(tor('a'), tor('b'))).toEqual([]);
    expect(
      said(
        tor('a', { holdTimeMs: 9000 }, { nodeSelector: "rack == 'a'" }),
        tor('b', {}, { nodeSelector: "rack == 'b'" }),
      ),
    ).toEqual([]);
    expect(said(tor('a'), tor('b', { holdTimeMs: 9000 }, { port: 1790 }))).toEqual([]);
    expect(
      said(
        bgpPeer('a', '10.0.0.2', { asNumber: 64512, node: 'node1' }),
        bgpPeer('b', '10.0.0.1', { asNumber: 64512, node: 'node2', more: { holdTimeMs: 9000 } }),
      ),
    ).toEqual([]);
  });

  test('are found whatever they call it: nodes by selector, overlapping ranges, one link', () => {
    const differs = { holdTimeMs: 9000 };
    expect(
      said(
        bgpPeer('a', '10.0.0.2', { asNumber: 64512, node: 'node1', more: differs }),
        nodePeer('b', 'all()', { node: 'node1' }),
      ),
    ).toEqual(['a True Conflict', 'b False Conflict']);
    expect(said(rangePeer('a', '10.9.0.0/16'), rangePeer('b', '10.9.1.0/24'))).toEqual([
      'a True Conflict',
      'b False Conflict',
    ]);
    expect(said(rangePeer('a', '10.8.0.0/16'), rangePeer('b', '10.9.1.0/24'))).toEqual([]);
    expect(said(linkPeer('a', 'eth1'), linkPeer('b', 'eth1', differs))).toEqual([
      'a True Conflict',
      'b False Conflict',
    ]);
  });
});

describe('conditions', () => {
  const acceptedOf = (resources: readonly Resource[], key: string) => {
    const world = new World();
    world.take({
      changes: resources.map((resource) => ({ kind: 'put', resource })),
      inSync: true,
      problems: [],
    });
    return judge(world, 0)
      .get(key)
      ?.verdicts.find(({ type }) => type === 'Accepted');
  };

  test('a BGPPeer that names a BGPFilter which is not there is not accepted, and an Event says so', () => {
    const peer = tor('tor', {}, { filters: ['gone'] });
    const verdict = acceptedOf([peer, ...nodes], 'BGPPeer/tor');
    expect(verdict).toMatchObject({ status: 'False', reason: 'FilterMissing' });
    expect(verdict?.message).toContain('There is no BGPFilter/gone');
    if (verdict === undefined) throw new Error('no verdict');
    expect(noticesOf({ kind: 'BGPPeer', name: 'tor' }, [verdict], undefined)).toMatchObject([
      { type: 'Warning', reason: 'FilterMissing' },
    ]);
    const filter: Resource = {
      kind: 'BGPFilter',
      meta: { name: 'gone', labels: {}, annotations: {} },
      ...{ exportV4: [], importV4: [], exportV6: [], importV6: [] },
    };
    expect(acceptedOf([peer, filter, ...nodes], 'BGPPeer/tor')).toMatchObject({
      status: 'True',
      reason: 'Accepted',
    });
  });

  test('a BGPConfiguration for a node that is not there says that it is in force nowhere', () => {
    const own = nodeConfiguration('node9', { listenPort: 1790 });
    expect(acceptedOf([own, ...nodes], 'BGPConfiguration/node.node9')).toMatchObject({
      status: 'True',
      reason: 'NoNode',
    });
    expect(
      acceptedOf([nodeConfiguration('node1', {}), ...nodes], 'BGPConfiguration/node.node1'),
    ).toMatchObject({ reason: 'Accepted' });
    expect(acceptedOf([bgpConfiguration()], 'BGPConfiguration/default')).toMatchObject({
      reason: 'Accepted',
    });
  });

  test('conflicting BGPPeers carry theirs', () => {
    const resources = [tor('a'), tor('b', { holdTimeMs: 9000 }), ...nodes];
    expect(acceptedOf(resources, 'BGPPeer/a')).toMatchObject({ status: 'True', reason: 'Conflict' });
    expect(acceptedOf(resources, 'BGPPeer/b')).toMatchObject({ status: 'False', reason: 'Conflict' });
  });
});
