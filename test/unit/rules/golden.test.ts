import { expect, test } from 'vitest';
import { change, removeEndpoint, rulesetOf, tick } from '../../../felix/calc/graph.ts';
import { type HostUse, noHosts } from '../../../felix/rules/host.ts';
import { defaultRulesSettings } from '../../../felix/rules/settings.ts';
import { staticRuleset } from '../../../felix/rules/static.ts';
import { renderChange, renderRuleset } from '../../../felix/rules/text.ts';
import type { Resource } from '../../../src/model/resource.ts';
import { expectGolden } from '../../support/golden.ts';
import { calico, type PolicyScene, pod, policyScene } from '../../support/policy-scene.ts';
import { shopGraph, shopPod, shopPolicy } from '../../support/shop.ts';

test('the whole table reads well', () => {
  const graph = shopGraph();
  tick(graph);
  expectGolden(
    'ruleset.nft',
    'Look for: a pod reaches itself, web is open to front and two blocks only, db is closed, policies share sets.',
    renderRuleset(rulesetOf(graph)),
  );
});

test('a pod that comes is one element, and nothing is said of rules', () => {
  const graph = shopGraph();
  tick(graph);
  change(graph, { kind: 'put', resource: shopPod('front-2', { app: 'front' }, ['10.244.2.8']) });
  expectGolden('pod-added.nft', 'Look for: elements only.', renderChange(tick(graph)).join(''));
});

test('a policy that goes and a pod that goes take their chains and sets along', () => {
  const graph = shopGraph();
  tick(graph);
  change(graph, { kind: 'delete', ref: { kind: 'NetworkPolicy', namespace: 'shop', name: 'allow-web' } });
  change(graph, { kind: 'delete', ref: { kind: 'Pod', namespace: 'shop', name: 'db' } });
  removeEndpoint(graph, 'db');
  expectGolden(
    'policy-removed.nft',
    'Look for: map elements go before chains, chains before the sets they used.',
    renderChange(tick(graph)).join(''),
  );
});

test('kernels that free chains late get a second transaction for them, and the first one empties them', () => {
  const graph = shopGraph();
  tick(graph);
  removeEndpoint(graph, 'db');
  const [now = '', then = '', ...more] = renderChange(tick(graph), { chainsFreedLate: true });
  expect(more).toEqual([]);
  expect(now).not.toContain('delete chain');
  const gone = [...then.matchAll(/^delete chain inet tortie (\S+)$/gm)].map((match) => match[1]);
  expect(gone.map((name) => name?.replace(/-[0-9a-f]{16}$/, ''))).toEqual([
    'from-cali2d7243dcff6',
    'tier-ingress-default',
    'to-cali2d7243dcff6',
  ]);
  for (const name of gone) expect(now).toContain(`flush chain inet tortie ${name}\n`);
  expect(then.trim().split('\n').length).toBe(3);
});

test('no change is no script', () => {
  const graph = shopGraph();
  tick(graph);
  expect(renderChange(tick(graph))).toEqual([]);
  expect(renderChange(tick(graph), { chainsFreedLate: true })).toEqual([]);
});

test('a comment nft could not quote, or too long for the kernel, is made fit', () => {
  const graph = shopGraph();
  change(graph, { kind: 'put', resource: shopPolicy('n'.repeat(200), { podSelector: {}, ingress: [{}] }) });
  tick(graph);
  const text = renderRuleset(rulesetOf(graph));
  const comments = [...text.matchAll(/comment "([^"]*)"/g)].map((match) => match[1] ?? '');
  expect(comments.some((each) => each.endsWith('... ingress rule 1'))).toBe(true);
  for (const each of comments) expect(each.length).toBeLessThanOrEqual(127);
  for (const [, name = ''] of text.matchAll(/^ {2}(?:chain|set|map) (\S+) \{$/gm))
    expect(name).toMatch(/^[a-z][\w/.-]{0,127}$/);
});

/** What policies and endpoints make of it, without the part that is always there. */
function written({ ruleset }: PolicyScene, hosts: HostUse = noHosts): string {
  const fixed = staticRuleset(defaultRulesSettings, hosts);
  const isFixed = (name: string): boolean =>
    [...fixed.chains, ...fixed.sets].some((each) => each.name === name);
  return renderRuleset({
    chains: new Map([...ruleset.chains].filter(([name]) => !isFixed(name))),
    sets: new Map([...ruleset.sets].filter(([name]) => !isFixed(name))),
  });
}

const web = pod('web', { app: 'web' }, ['10.244.1.2', 'fd00:1::2'], {
  ports: [{ name: 'http', containerPort: 8080 }],
});

test('tiers in order: one that passes is copied into its tier, one that is staged is not there', () => {
  const scene = policyScene([
    web,
    calico('Tier', 'security', { order: 100, defaultAction: 'Pass' }),
    calico('GlobalNetworkPolicy', 'quarantine', {
      tier: 'security',
      order: 10,
      selector: 'has(app)',
      types: ['Ingress'],
      ingress: [
        { action: 'Log', source: { selector: 'quarantined == "yes"' } },
        { action: 'Deny', source: { selector: 'quarantined == "yes"' } },
        { action: 'Pass', source: { nets: ['10.0.0.0/8'] } },
      ],
    }),
    calico('GlobalNetworkPolicy', 'scanners', {
      tier: 'security',
      order: 20,
      types: ['Ingress'],
      ingress: [{ action: 'Allow', protocol: 'ICMP', icmp: { type: 8 }, source: { nets: ['192.0.2.9/32'] } }],
    }),
    calico('StagedNetworkPolicy', 'shop/later', {
      selector: 'app == "web"',
      types: ['Ingress'],
      ingress: [{ action: 'Deny' }],
    }),
    calico('NetworkPolicy', 'shop/web', {
      selector: 'app == "web"',
      types: ['Ingress'],
      ingress: [
        {
          action: 'Allow',
          protocol: 'TCP',
          destination: { ports: [443] },
          metadata: { annotations: { name: 'tls' } },
        },
      ],
    }),
  ]);
  expectGolden(
    'tiers.nft',
    'Look for: Pass is return, and its policy is in the chain of its tier; a tier that passes at its end has no drop there.',
    written(scene),
  );
});

test('neighbours among policies that are met by few ports each are found by the port', () => {
  const open = (order: number, name: string, ...ports: readonly number[]): Resource =>
    calico('NetworkPolicy', `shop/${name}`, {
      ...{ order, selector: 'app == "web"', types: ['Ingress'] },
      ingress: [
        {
          action: 'Allow',
          protocol: 'TCP',
          source: { selector: `app == "${name}"` },
          destination: { ports },
        },
      ],
    });
  const scene = policyScene([
    web,
    open(1, 'front', 80, 443),
    open(2, 'scraper', 9090),
    open(3, 'admin', 80),
    calico('NetworkPolicy', 'shop/neighbours', {
      ...{ order: 4, selector: 'app == "web"', types: ['Ingress'] },
      ingress: [{ action: 'Allow', source: { nets: ['10.244.0.0/16'] } }],
    }),
    open(5, 'backup', 22),
  ]);
  expectGolden(
    'doors.nft',
    'Look for: 443 and 9090 lead to the one policy that is met there, 80 to a chain of two; who has no port is asked always.',
    written(scene),
  );
});

test('everything that one rule can say is one rule for each way to meet it, whatever is in its lists', () => {
  const scene = policyScene([
    web,
    calico(
      'GlobalNetworkSet',
      'partners',
      { nets: ['198.51.100.0/24', '203.0.113.7/32'] },
      { role: 'partner' },
    ),
    calico('GlobalNetworkPolicy', 'everything', {
      types: ['Ingress'],
      ingress: [
        {
          action: 'Deny',
          protocol: 'TCP',
          source: {
            nets: ['198.51.0.0/16', '203.0.113.0/24'],
            notNets: ['198.51.100.128/25'],
            selector: 'role == "partner"',
            notSelector: 'role == "banned"',
            notPorts: ['1:1023'],
          },
          destination: {
            namespaceSelector: 'team == "a"',
            ports: ['http', 80, 443, '8000:8100', '8101:8200'],
            notPorts: ['admin', 8150],
          },
        },
      ],
    }),
  ]);
  expectGolden(
    'everything.nft',
    'Look for: nets less notNets are one interval set, ports that touch one range, negations stand in the same rule; twice for the selector (addresses, networks), twice for the ports (numbers, name), no rule for IPv6.',
    written(scene),
  );
});

test('a host endpoint is found by its interface in every stage', () => {
  const scene = policyScene([
    calico(
      'HostEndpoint',
      'here-eth0',
      {
        node: 'here',
        interfaceName: 'eth0',
        expectedIPs: ['172.16.0.1'],
        profiles: ['projectcalico-default-allow'],
      },
      { role: 'node' },
    ),
    calico('GlobalNetworkPolicy', 'no-tracking', {
      selector: 'role == "node"',
      doNotTrack: true,
      applyOnForward: true,
      types: ['Ingress', 'Egress'],
      ingress: [{ action: 'Allow', protocol: 'UDP', destination: { ports: [53] } }],
      egress: [{ action: 'Allow', protocol: 'UDP', source: { ports: [53] } }],
    }),
    calico('GlobalNetworkPolicy', 'node-ports', {
      selector: 'role == "node"',
      preDNAT: true,
      applyOnForward: true,
      types: ['Ingress'],
      ingress: [
        {
          action: 'Allow',
          protocol: 'TCP',
          source: { nets: ['192.0.2.0/24'] },
          destination: { ports: ['30000:32767'] },
        },
        { action: 'Deny', protocol: 'TCP', destination: { ports: ['30000:32767'] } },
      ],
    }),
    calico('GlobalNetworkPolicy', 'ssh', {
      selector: 'role == "node"',
      types: ['Ingress'],
      ingress: [
        {
          action: 'Allow',
          protocol: 'TCP',
          source: { nets: ['192.0.2.0/24'] },
          destination: { ports: [22] },
        },
      ],
    }),
  ]);
  expectGolden(
    'host-endpoint.nft',
    'Look for: failsafe ports come before policy, a mark only where an early stage allows, what was translated is judged in postrouting.',
    renderRuleset(scene.ruleset),
  );
});
