/** The way of pods to the BGP speaker of their node, where the host is closed to them: only where it is wanted. */
import { expect, test } from 'vitest';
import { createGraph, noteAddition, noteSettings, rulesetOf, tick } from '../../../felix/calc/graph.ts';
import type { PodTraffic } from '../../../felix/config/pod.ts';
import { rulesSettingsOf } from '../../../felix/config/rules.ts';
import { Surroundings } from '../../../felix/surroundings.ts';
import { type FelixSettings, felixDefaults } from '../../../src/model/felix-fields.ts';
import { type Resource, refOf } from '../../../src/model/resource.ts';
import { bgpConfiguration, bgpPeer, node } from '../../support/resources.ts';
import { address, v4 } from '../../support/wire.ts';
import { namespace, pod, workloadPeer } from '../../support/workloads.ts';

const own = node('node1', { ips: ['10.0.0.1', 'fd00::1'] });
const router = pod('router', ['10.244.1.5'], { app: 'router' });
const peers = workloadPeer('pods', "app == 'router' && has(pcns.team)");
const attached = [
  {
    interface: 'cali1',
    namespace: 'default',
    pod: 'router',
    addresses: [address('10.244.1.5'), address('fd00::5')],
  },
  { interface: 'cali2', namespace: 'default', pod: 'web', addresses: [address('10.244.1.6')] },
];
const closed: FelixSettings = { ...felixDefaults, defaultEndpointToHostAction: 'Drop' };

/** The chains of the table for this, and what they say of the speaker. */
function chains(surroundings: Surroundings, settings: FelixSettings): readonly string[] {
  const graph = createGraph();
  const { speakerPort } = surroundings;
  noteSettings(graph, {
    ...rulesSettingsOf(settings, 'nftables'),
    ...(speakerPort === undefined ? {} : { speakerPort }),
  });
  const nothing: PodTraffic = { ingress: {}, egress: {}, bandwidth: {}, floating: [], sources: [] };
  noteAddition(
    graph,
    surroundings.addition(settings, attached, () => nothing),
  );
  tick(graph);
  return [...rulesetOf(graph).chains.values()]
    .filter(({ name }) => name.includes('speaker'))
    .map(({ name, rules }) => `${name} ${rules.length}`)
    .sort();
}

function told(...resources: readonly Resource[]): Surroundings {
  const surroundings = new Surroundings('node1');
  for (const resource of resources) surroundings.change({ kind: 'put', resource });
  return surroundings;
}
const all = [own, namespace('default', { team: 'net' }), router, pod('web', ['10.244.1.6']), peers];

test('there is a rule for each address of each neighbour, at the address of its family that it dials', () => {
  expect(chains(told(...all), closed)).toEqual([
    'pods-to-speaker 2',
    expect.stringMatching(/^speaker-policy /),
  ]);
});

test('there is nothing of it where the host is open to pods, no BGPPeer is with pods, or none of this node', () => {
  expect(chains(told(...all), felixDefaults)).toEqual([]);
  expect(chains(told(...all.slice(0, -1), bgpPeer('tor', '192.0.2.1')), closed)).toEqual([]);
  expect(chains(told(...all.slice(0, -1), workloadPeer('pods', 'all()', { node: 'node2' })), closed)).toEqual(
    [],
  );
});

test('what changes nothing of the way is no news: other BGPPeers, other pods, other settings', () => {
  const surroundings = told(...all, bgpConfiguration());
  const news = (resource: Resource): boolean => surroundings.change({ kind: 'put', resource });
  for (const resource of [
    bgpPeer('tor', '192.0.2.1'),
    router,
    pod('elsewhere', ['10.244.2.5'], { app: 'router' }, { nodeName: 'node2' }),
    namespace('other', { team: 'net' }),
    bgpConfiguration({ asNumber: 64999 }),
  ])
    expect(news(resource), resource.kind).toBe(false);
  expect(news(bgpConfiguration({ listenPort: 1790 }))).toBe(true);
  expect(
    news(bgpConfiguration({ listenPort: 1790, more: { workloadPeering: { ipv4: v4('169.254.77.1') } } })),
  ).toBe(true);
  expect(news(namespace('default'))).toBe(true);
  expect(news(namespace('default', { team: 'x' }))).toBe(true);
  expect(surroundings.change({ kind: 'delete', ref: refOf(router) })).toBe(true);
  expect(surroundings.change({ kind: 'delete', ref: refOf(peers) })).toBe(true);
  expect(surroundings.speakerPort).toBeUndefined();
});
