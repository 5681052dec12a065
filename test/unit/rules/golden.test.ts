import { expect, test } from 'vitest';
import { change, removeEndpoint, rulesetOf, tick } from '../../../felix/calc/graph.ts';
import { renderChange, renderRuleset } from '../../../felix/rules/text.ts';
import { expectGolden } from '../../support/golden.ts';
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
  expect(gone.length).toBe(2);
  for (const name of gone) expect(now).toContain(`flush chain inet tortie ${name}\n`);
  expect(then.trim().split('\n').length).toBe(2);
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
