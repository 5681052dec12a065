import { describe, expect, test, vi } from 'vitest';
import { conflictsOf, mismatchesOf } from '../../../src/controller/decide/conflict.ts';
import { judge, noticesOf } from '../../../src/controller/judge.ts';
import { World } from '../../../src/controller/world.ts';
import type { BgpPeer, Node, Resource } from '../../../src/model/resource.ts';
import {
  bgpConfiguration,
  bgpPeer,
  linkPeer,
  node,
  nodeConfiguration,
  nodePeer,
  rangePeer,
} from '../../support/resources.ts';
import { as } from '../../support/wire.ts';

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

describe('the two ends of a session between nodes', () => {
  const ends = (peers: readonly BgpPeer[], among: readonly Node[] = nodes): string[] =>
    [...mismatchesOf({ peers, nodes: among, configurations: [] })]
      .map(([name, { status, reason, message }]) => `${name} ${status} ${reason}: ${message}`)
      .sort();
  const there = (more: Partial<BgpPeer> = {}): BgpPeer =>
    bgpPeer('there', '10.0.0.2', {
      asNumber: 64512,
      node: 'node1',
      more: { reversePeering: 'Manual', ...more },
    });
  const back = (more: Partial<BgpPeer> = {}): BgpPeer =>
    bgpPeer('back', '10.0.0.1', {
      asNumber: 64512,
      node: 'node2',
      more: { reversePeering: 'Manual', ...more },
    });

  test('that do not fit say so, each with the name of the other', () => {
    expect(ends([there({ localAsNumber: as(65001) }), back()])).toEqual([
      expect.stringMatching(
        /^back True Mismatch: By it Node\/node2, and by BGPPeer\/there Node\/node1, .* AS 65001/,
      ),
      expect.stringMatching(
        /^there True Mismatch: By it Node\/node1, and by BGPPeer\/back Node\/node2, .* AS 65001/,
      ),
    ]);
    expect(ends([there({ connectMode: 'Passive' }), back({ connectMode: 'Passive' })])).toHaveLength(2);
    expect(ends([there(), back()])).toEqual([]);
    expect(ends([nodePeer('all', 'all()')])).toEqual([]);
  });

  test('of reflectors with one cluster id and different clients are told at the BGPPeer that makes the client', () => {
    const cluster = { 'projectcalico.org/RouteReflectorClusterID': '244.0.0.1' };
    const reflectors = [8, 9].map((id) =>
      node(`rr${id}`, { ips: [`10.0.0.${id}`], labels: { rr: String(id) }, annotations: cluster }),
    );
    const left = nodePeer('left', "rr == '8'", { nodeSelector: "rack == 'a'" });
    const right = nodePeer('right', "rr == '9'", { nodeSelector: "rack == 'b'" });
    expect(ends([left, right], [...nodes, ...reflectors])).toEqual([
      expect.stringMatching(
        /^left True Mismatch: It has the cluster id 244\.0\.0\.1, and so has Node\/rr9, but Node\/node1/,
      ),
      expect.stringMatching(
        /^right True Mismatch: It has the cluster id 244\.0\.0\.1, and so has Node\/rr8, but Node\/node3/,
      ),
    ]);
    const both = nodePeer('both', 'has(rr)', { nodeSelector: '!has(rr)' });
    expect(ends([both], [...nodes, ...reflectors])).toEqual([]);
  });

  test('are in the condition of a BGPPeer that is no conflict', () => {
    const world = new World();
    const resources: readonly Resource[] = [there({ localAsNumber: as(65001) }), back(), ...nodes];
    world.take({
      changes: resources.map((resource) => ({ kind: 'put', resource })),
      inSync: true,
      problems: [],
    });
    expect(judge(world, 0).get('BGPPeer/back')?.verdicts[0]).toMatchObject({
      status: 'True',
      reason: 'Mismatch',
    });
  });

  test('are looked at in time that grows with the sessions, not with the pairs of nodes', () => {
    const many = Array.from({ length: 3000 }, (_, id) =>
      node(`n${id}`, { ips: [`10.1.${id >> 8}.${id & 255}`], labels: id < 2 ? { rr: 'true' } : {} }),
    );
    const peers = [
      nodePeer('to-rr', 'has(rr)', { nodeSelector: '!has(rr)' }),
      nodePeer('rr-mesh', 'has(rr)', { nodeSelector: 'has(rr)' }),
    ];
    const labels = vi.fn();
    const watched = many.map((one) => ({
      ...one,
      meta: {
        ...one.meta,
        labels: new Proxy(one.meta.labels, {
          has: (target, key) => {
            labels();
            return Reflect.has(target, key);
          },
          getOwnPropertyDescriptor: (target, key) => {
            labels();
            return Reflect.getOwnPropertyDescriptor(target, key);
          },
        }),
      },
    }));
    expect(ends(peers, watched)).toEqual([]);
    expect(labels.mock.calls.length).toBeGreaterThan(3000);
    expect(labels.mock.calls.length).toBeLessThan(200 * 3000);
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
