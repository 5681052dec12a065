import { describe, expect, test } from 'vitest';
import { policyText } from '../../../src/ctl/policy.ts';
import { routesText } from '../../../src/ctl/routes.ts';
import { paintFor, plain } from '../../../src/ctl/style.ts';
import { boxTable, columns } from '../../../src/ctl/table.ts';
import type { RouteStatus } from '../../../src/model/status.ts';

describe('tables', () => {
  test('columns are as wide as their widest cell, colours not counted', () => {
    const paint = paintFor({ isTTY: true }, undefined);
    const rows = [
      [{ text: 'ok', tone: 'good' as const }, 'x'],
      ['longer', 'y'],
    ];
    const bare = columns(['A', 'B'], rows);
    expect(bare).toBe('A       B\nok      x\nlonger  y');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what colours are made of
    expect(columns(['A', 'B'], rows, { paint }).replaceAll(/\x1b\[\d+m/g, '')).toBe(bare);
  });

  test('a row may be shorter than the others, and signs outside ASCII take one column', () => {
    expect(boxTable(['a', 'b'], [['✓'], ['·', 'x']])).toBe(
      ['+---+---+', '| A | B |', '+---+---+', '| ✓ |   |', '| · | x |', '+---+---+'].join('\n'),
    );
  });

  test('no colour without a terminal, or with NO_COLOR set', () => {
    expect(paintFor({ isTTY: false }, undefined)('x', 'bad')).toBe('x');
    expect(paintFor({ isTTY: true }, '1')('x', 'bad')).toBe('x');
    expect(paintFor({ isTTY: true }, '')('x', 'bad')).toBe('\x1b[31mx\x1b[0m');
    expect(plain('x', 'good')).toBe('x');
  });
});

const route: RouteStatus = {
  prefix: '10.65.2.0/24',
  nextHop: '172.30.0.12',
  from: 'Mesh_172_30_0_12',
  best: true,
  multipath: false,
  origin: 'IGP',
  asPath: '',
  localPref: 100,
  communities: [],
  reason: 'the only path',
};

test('routes are marked best or used beside it, with the reason of each choice', () => {
  const other = { ...route, nextHop: '172.30.0.1', asPath: '65000', best: false, reason: 'longer AS path' };
  expect(routesText([route, other], false)).toBe(
    [
      '   PREFIX        NEXT HOP     FROM              AS PATH  WHY',
      '*  10.65.2.0/24  172.30.0.12  Mesh_172_30_0_12           the only path',
      '   10.65.2.0/24  172.30.0.1   Mesh_172_30_0_12  65000    longer AS path',
      '',
      '* best, = used beside it',
    ].join('\n'),
  );
});

test('-o wide shows the other attributes too', () => {
  expect(routesText([route], true)).toMatch(
    /ORIGIN +LOCAL PREF +MED +COMMUNITIES +MORE +WHY\n.* IGP +100 +the only path/,
  );
});

test('no route is said in words', () => {
  expect(routesText([], false)).toBe('No routes.');
});

test('what applies to a pod is told tier by tier, in words, with what happens to the rest', () => {
  const kind = 'KubernetesNetworkPolicy';
  const text = policyText({
    namespace: 'shop',
    pod: 'front',
    interface: 'cali1',
    ingress: {
      isolated: true,
      tiers: [
        {
          name: 'security',
          defined: false,
          end: 'pass',
          policies: [
            {
              kind: 'StagedGlobalNetworkPolicy',
              name: 'soon',
              staged: 'Set',
              rules: ['deny everything from anyone'],
            },
          ],
        },
        {
          name: 'default',
          order: 1_000_000,
          defined: true,
          end: 'deny',
          policies: [
            { kind, namespace: 'shop', name: 'default-deny', order: 1000, rules: [] },
            { kind, namespace: 'shop', name: 'web', order: 1000, rules: ['allow TCP 80 from 192.0.2.0/24'] },
          ],
        },
      ],
    },
    egress: { isolated: false, tiers: [] },
  });
  expect(text).toBe(`Pod shop/front

Ingress (to the pod)
  Established connections go on, and the pod reaches itself. Of new ones the first rule that matches decides:
  Tier security (there is no such Tier: last)
    1. StagedGlobalNetworkPolicy soon (staged: Set, not enforced)
         deny everything from anyone
    What none of these decides goes to the next tier.
  Tier default (order 1000000)
    1. KubernetesNetworkPolicy shop/default-deny
         no rules
    2. KubernetesNetworkPolicy shop/web
         allow TCP 80 from 192.0.2.0/24
    What none of these decides is denied.
  What no tier denies is allowed.

Egress (from the pod)
  No policy selects the pod here: everything is allowed.`);
});
