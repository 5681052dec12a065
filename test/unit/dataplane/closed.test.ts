/** What stands in iptables for a chain that it refused. */
import { expect, test } from 'vitest';
import { droppedByTag } from '../../../felix/rules/dropped.ts';
import { refusedEnd } from '../../../felix/rules/refused.ts';
import type { RulesSettings } from '../../../felix/rules/settings.ts';
import { withoutRefused, type XtRefused } from '../../../felix/rules/xtables/closed.ts';
import { modelName, xtChainName } from '../../../felix/rules/xtables/name.ts';
import { renderXtables, type XtOptions } from '../../../felix/rules/xtables/render.ts';
import { calico, pod, podInterface, policyScene } from '../../support/policy-scene.ts';

const endpoint = calico('HostEndpoint', 'here', { node: 'here', interfaceName: 'eth0' });
const early = calico('GlobalNetworkPolicy', 'u', {
  ...{ selector: 'all()', doNotTrack: true, applyOnForward: true, types: ['Ingress', 'Egress'] },
  ingress: [{ action: 'Allow', protocol: 'TCP', destination: { ports: [80] } }],
});
const options: XtOptions = {
  ...{ maxSetSize: 65_536, insert: 'first', workloadPrefixes: ['cali'], rejectedMark: 0x2_0000 },
};
const rendered = renderXtables(policyScene([endpoint, early]).ruleset, options);
const web = pod('web', {}, ['10.244.1.2']);
/** Table, then what stands there, of a chain that was refused. */
function standIns(chain: string): readonly string[] {
  if (!rendered.ok) throw new Error(rendered.error);
  const tables = [...rendered.value.families[4].values()];
  const names = [true, false]
    .map((isOuter) => xtChainName(chain, isOuter))
    .filter((name) => tables.some(({ chains }) => chains.has(name)));
  const refused: XtRefused = { chains: new Set(names), sets: new Set(), kept: new Set() };
  const closed = withoutRefused(rendered.value, refused);
  return names.flatMap((name) =>
    [...(closed?.families[4] ?? [])].flatMap(([table, { chains }]) => {
      const rules = chains.get(name);
      return rules === undefined
        ? []
        : [`${table} ${rules.map(({ text }) => / -[jg] (\S+)$/.exec(` ${text}`)?.[1]).join()}`];
    }),
  );
}

test('what is dropped there is reported where denied packets are, by the direction that the chain judges', () => {
  const closing = calico('GlobalNetworkPolicy', 'g', { selector: 'all()', types: ['Egress'] });
  const { ruleset } = policyScene([closing, web]);
  const tables = renderXtables(ruleset, options);
  if (!tables.ok) throw new Error(tables.error);
  const name = xtChainName(`from-${podInterface('web')}`, true);
  const refused: XtRefused = { chains: new Set([name]), sets: new Set(), kept: new Set() };
  const of = (denied?: RulesSettings['denied']): readonly string[] => {
    const closed = [...(withoutRefused(tables.value, refused, denied)?.families[4].values() ?? [])];
    return [...new Set(closed.flatMap(({ chains }) => (chains.get(name) ?? []).map(({ text }) => text)))];
  };
  const [report, drop, ...none] = of({ group: 81, rate: { perSecond: 10, burst: 5 } });
  expect(none).toEqual([]);
  expect(drop).toMatch(/ -j DROP$/);
  const tag = /-m limit --limit 10\/sec.* -j NFLOG --nflog-group 81 --nflog-prefix "(\S+)"$/.exec(
    report ?? '',
  )?.[1];
  expect(droppedByTag(tag ?? '')).toMatchObject({ dropped: 'refused', direction: 'Egress' });
  expect(of()).toEqual([expect.stringMatching(/ -j DROP$/)]);
});

test.each([
  ['tier-ingress-default-0123456789abcdef', 'Ingress'],
  ['egress-shop/a-long-name-0123456789abcdef', 'Egress'],
  ['from-host-forward-eth0', 'Ingress'],
  ['to-host-untracked-eth0', 'Egress'],
  ['from-cali0123456789a', 'Egress'],
  ['nat-outgoing', undefined],
])('of %s that is %s, however much of its name iptables keeps', (chain, direction) => {
  const [said] = refusedEnd(modelName(xtChainName(chain, true)), {
    group: 1,
    rate: { perSecond: 1, burst: 1 },
  }).flatMap(({ statements = [] }) => statements);
  expect(said?.kind === 'nflog' ? droppedByTag(said.prefix)?.direction : undefined).toBe(direction);
});

test.each([
  ['from-host-eth0', ['filter tortie.failsafe-in,DROP']],
  ['to-host-eth0', ['mangle tortie.failsafe-out,DROP', 'filter tortie.failsafe-out,DROP']],
  ['from-host-forward-eth0', ['mangle DROP']],
  ['failsafe-in', ['filter ']],
])('%s: all but failsafe ports is dropped; of those themselves nothing', (chain, expected) => {
  expect(standIns(chain)).toEqual(expected);
});
