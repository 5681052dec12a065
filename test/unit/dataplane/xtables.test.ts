/** Rules by iptables and ipset when things go wrong: what is refused is closed and told, and nothing stays wrong. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { change, type Graph, putEndpoint, rulesetOf, tick } from '../../../felix/calc/graph.ts';
import { Configured } from '../../../felix/configured.ts';
import { Renderer } from '../../../felix/dataplane/renderer.ts';
import { XtWriter } from '../../../felix/dataplane/xtables.ts';
import type { XtOptions } from '../../../felix/rules/xtables/render.ts';
import { kernelError } from '../../../src/kernel/kernel-error.ts';
import type { XtBackend } from '../../../src/kernel/xtables.ts';
import type { FelixSettings } from '../../../src/model/felix-configuration.ts';
import { virtualClock } from '../../support/clock.ts';
import { createFakeKernel } from '../../support/fake-kernel.ts';
import { type FakeXtables, fakeXtables, looking } from '../../support/fake-xtables.ts';
import { shopEndpoint, shopGraph, shopPod, shopPolicy } from '../../support/shop.ts';
import { xtOptions } from '../../support/world-ruleset.ts';

const usual = xtOptions;
const defaults = new Configured('node1').settings;
let graph: Graph;
let options: XtOptions;
let fake: FakeXtables;
let writer: XtWriter;

beforeEach(() => {
  graph = shopGraph();
  tick(graph);
  options = usual;
  fake = fakeXtables();
  writer = new XtWriter({ graph, programs: fake, render: () => options });
});

/** What another process that starts now would have to write: nothing, if all is right. */
async function missing(): Promise<readonly string[]> {
  const before = fake.scripts.length;
  await new XtWriter({ graph, programs: fake, render: () => options }).settle();
  return fake.scripts.slice(before);
}

const chainOf = (text: string): string => {
  const [name] = [...(fake.tables[4].get('filter') ?? [])].find(
    ([chain, rules]) => chain.startsWith('tortie') && rules.some((rule) => rule.includes(text)),
  ) ?? [''];
  return name;
};
const rulesOf = (chain: string): readonly string[] => fake.tables[4].get('filter')?.get(chain) ?? [];
const isOfSets = (line: string): boolean => /^(create|add) /.test(line);
const aFrontMore = () => {
  change(graph, { kind: 'put', resource: shopPod('front-2', { app: 'front' }, ['10.244.2.8']) });
  return tick(graph);
};
const aPolicyMore = () => {
  const ingress = [{ from: [{ podSelector: { matchLabels: { app: 'late' } } }] }];
  change(graph, { kind: 'put', resource: shopPolicy('late', { podSelector: {}, ingress }) });
  return tick(graph);
};

describe('what is refused', () => {
  test('a chain with a rule that iptables does not take is closed and told; the rest is written, and it is tried again', async () => {
    fake.refuse = (line) => (line.includes('allow-web ingress rule 2') ? 'no such match' : undefined);
    await writer.settle();
    const [problem] = writer.problems();
    expect(problem?.where).toMatch(/^iptables chain tortie/);
    expect(problem?.what).toContain('no such match');
    expect(writer.isWhole).toBe(false);
    const closed = problem?.where.split(' ')[2] ?? '';
    expect(rulesOf(closed)).toEqual([expect.stringMatching(/-j NFLOG/), expect.stringMatching(/-j DROP$/)]);
    expect(rulesOf('tortie-to-pods').length).toBeGreaterThan(2);
    fake.refuse = () => undefined;
    writer.forgive();
    await writer.settle();
    expect([writer.isWhole, writer.problems()]).toEqual([true, []]);
    expect(await missing()).toEqual([]);
  });

  test('where only the kernel refuses, and the whole table, the chain is found beside all packets, closed and told by its policy', async () => {
    const isBad = (rule: string): boolean => rule.includes('allow-web ingress rule 2');
    fake.refuseTable = (rules) => (rules.some(isBad) ? 'Invalid argument.' : undefined);
    await writer.settle();
    const [problem] = writer.problems();
    expect(writer.problems()).toHaveLength(1);
    expect(problem?.where).toMatch(
      /^iptables chain tortie\S+ \(KubernetesNetworkPolicy shop\/allow-web ingress rule 1\)$/,
    );
    expect(problem?.what).toContain('Invalid argument');
    expect(rulesOf(problem?.where.split(' ')[2] ?? '')).toEqual([
      expect.stringMatching(/-j NFLOG/),
      expect.stringMatching(/-j DROP$/),
    ]);
    expect(fake.ours().join('\n')).not.toContain('trial');
    await writer.change(aPolicyMore());
    expect(writer.problems()).toHaveLength(1);
    fake.refuseTable = () => undefined;
    writer.forgive();
    await writer.settle();
    expect([writer.isWhole, await missing()]).toEqual([true, []]);
  });

  test('a change of which the kernel refuses one chain is written but for that chain', async () => {
    await writer.settle();
    const isBad = (rule: string): boolean => rule.includes('late ingress');
    fake.refuseTable = (rules) => (rules.some(isBad) ? 'Invalid argument.' : undefined);
    await writer.change(aPolicyMore());
    expect(writer.problems().map(({ where }) => where)).toEqual([
      expect.stringMatching(/\(KubernetesNetworkPolicy shop\/late ingress rule 1\)$/),
    ]);
    expect(fake.ours().join('\n')).not.toContain('trial');
  });

  test('a table that the kernel does not take even without ours is nobody’s fault, and nothing is closed', async () => {
    fake.refuseTable = (_, table) => (table === 'filter' ? 'Operation not permitted' : undefined);
    await expect(writer.settle()).rejects.toThrow('Operation not permitted');
    expect(writer.problems()).toEqual([]);
    fake.refuseTable = () => undefined;
    await writer.settle();
    expect(await missing()).toEqual([]);
  });

  test('a chain that everybody’s packets go through is never closed: then nothing is written, and later all', async () => {
    fake.refuse = (line) => (line.startsWith('-A tortie-from-pods') ? 'no such match' : undefined);
    await expect(writer.settle()).rejects.toThrow('no such match');
    expect(fake.ours().filter((line) => line.includes('iptables refused'))).toEqual([]);
    fake.refuse = () => undefined;
    await writer.settle();
    expect(await missing()).toEqual([]);
  });

  test('a set that is full is left out, and each chain that asks it is closed, not open', async () => {
    options = { ...usual, maxSetSize: 1 };
    putEndpoint(graph, shopEndpoint('front', ['10.244.1.9']));
    change(graph, { kind: 'put', resource: shopPod('front', { app: 'db' }, ['10.244.1.9']) });
    tick(graph);
    await writer.settle();
    expect(writer.problems().map(({ where, what }) => `${where} ${what}`)).toContainEqual(
      expect.stringMatching(/^ipset tortie-endpoints4.* Hash is full/),
    );
    const full = writer.problems()[0]?.where.slice('ipset '.length) ?? '';
    expect(fake.sets.has(full)).toBe(false);
    expect(fake.ours().some((line) => line.includes('iptables refused this chain'))).toBe(true);
    options = usual;
    writer.forgive();
    await writer.settle();
    expect(writer.isWhole).toBe(true);
    expect(await missing()).toEqual([]);
  });

  test('a member that a change adds to a full set does not end anything', async () => {
    await writer.settle();
    fake.refuse = (line) =>
      /^add tortie-endpoints4\S* 10\.244\.2\.8/.test(line) ? 'Hash is full' : undefined;
    await writer.change(aFrontMore());
    expect(writer.problems()[0]?.what).toContain('Hash is full');
  });

  test('a change that breaks off half-way is made good by the next comparison', async () => {
    await writer.settle();
    const steps = { left: 3 };
    fake.refuse = (line, program) =>
      program === 'iptables 6' && line.startsWith('*') && steps.left-- > 0 ? 'the lock is held' : undefined;
    await expect(writer.change(aPolicyMore())).rejects.toThrow('the lock is held');
    expect(await writer.settle()).toBeGreaterThan(0);
    expect(await missing()).toEqual([]);
  });

  test('a chain that somebody’s rule leads to stays, empty, until the rule is gone', async () => {
    await writer.settle();
    const chain = chainOf('allow-web ingress rule 1');
    fake.run(4, 'filter', ':theirs');
    fake.run(4, 'filter', `-A theirs -j ${chain}`);
    change(graph, {
      kind: 'delete',
      ref: { kind: 'NetworkPolicy', namespace: 'shop', name: 'allow-web' },
    });
    await writer.change(tick(graph));
    expect(rulesOf(chain)).toEqual([]);
    expect(writer.problems()[0]).toMatchObject({ where: `chain of iptables filter ${chain}` });
    fake.run(4, 'filter', `-D theirs -j ${chain}`);
    writer.forgive();
    await writer.settle();
    expect(fake.tables[4].get('filter')?.has(chain)).toBe(false);
    expect(writer.isWhole).toBe(true);
  });

  test('a set that somebody’s rule asks stays; the next change tries again', async () => {
    await writer.settle();
    await writer.change(aPolicyMore());
    const before = new Set(fake.sets.keys());
    change(graph, { kind: 'delete', ref: { kind: 'NetworkPolicy', namespace: 'shop', name: 'late' } });
    fake.refuse = (line) => (line.startsWith('destroy') ? 'it is in use by a kernel component' : undefined);
    await writer.change(tick(graph));
    expect(new Set(fake.sets.keys())).toEqual(before);
    expect(writer.isWhole).toBe(true);
    fake.refuse = () => undefined;
    await writer.change(aPolicyMore());
    change(graph, { kind: 'delete', ref: { kind: 'NetworkPolicy', namespace: 'shop', name: 'late' } });
    await writer.change(tick(graph));
    expect(fake.sets.size).toBeLessThan(before.size);
    expect(await missing()).toEqual([]);
  });
});

describe('what is there already', () => {
  test('sets get another size while rules ask them, also after a process that died in the midst of that', async () => {
    await writer.settle();
    fake.refuse = (line) => (line.startsWith('swap') ? 'killed' : undefined);
    options = { ...usual, maxSetSize: 1024 };
    await expect(writer.settle()).rejects.toThrow('killed');
    expect([...fake.sets.keys()].some((name) => name.startsWith('tortie~'))).toBe(true);
    fake.refuse = () => undefined;
    writer = new XtWriter({ graph, programs: fake, render: () => options });
    await writer.settle();
    expect([...fake.sets].map(([name, { type }]) => `${name} ${type}`).join('\n')).not.toMatch(/~|65536/);
    expect(await missing()).toEqual([]);
  });

  test('a set of our name that is of another kind, which nobody asks, is made anew', async () => {
    await writer.settle();
    const [name = ''] = fake.sets.keys();
    await writer.leave(true);
    fake.sets.set(name, { type: 'bitmap:ip range 10.0.0.0/24', members: new Set(['10.0.0.1']) });
    await writer.settle();
    expect(await missing()).toEqual([]);
  });

  test('rules of others that come between reading and writing stay where they are', async () => {
    await writer.settle();
    fake.run(4, 'filter', '-I FORWARD 1 -s 192.0.2.1 -j DROP');
    let isLate = true;
    fake.refuse = (line) => {
      if (isLate && line.startsWith('-D FORWARD')) {
        isLate = false;
        fake.run(4, 'filter', '-I FORWARD 1 -s 192.0.2.2 -j DROP');
      }
      return undefined;
    };
    await writer.settle();
    await writer.settle();
    const theirs = rulesOf('FORWARD').filter((rule) => !rule.includes('tortie'));
    expect(theirs).toContain('-s 192.0.2.1 -j DROP');
    expect(rulesOf('FORWARD').filter((rule) => rule.includes('tortie-to-pods'))).toHaveLength(1);
  });

  test('a jump to ours that somebody wrote himself into a chain of all is taken out', async () => {
    await writer.settle();
    fake.run(4, 'filter', '-A FORWARD -j tortie-to-pods');
    await writer.settle();
    expect(rulesOf('FORWARD')).not.toContain('-j tortie-to-pods');
  });

  test('it leaves nothing, with sets and without', async () => {
    await writer.settle();
    await writer.leave(false);
    expect(fake.ours().filter((line) => !isOfSets(line))).toEqual([]);
    expect(fake.sets.size).toBeGreaterThan(0);
    await writer.leave(true);
    expect(fake.ours()).toEqual([]);
  });

  test('where the kernel has no IPv6, ip6tables is not asked at all', async () => {
    fake = fakeXtables([4]);
    fake.refuse = (_, program) => (program === 'iptables 6' ? 'cannot initialize' : undefined);
    writer = new XtWriter({ graph, programs: fake, render: () => options });
    await writer.settle();
    await writer.change(aPolicyMore());
    expect(writer.isWhole).toBe(true);
  });

  test('another place among the rules of others is taken at the next wake, though no rule changed', async () => {
    await writer.settle();
    fake.run(4, 'filter', '-A FORWARD -s 192.0.2.1 -j DROP');
    options = { ...usual, insert: 'last' };
    await writer.change(tick(graph));
    expect(rulesOf('FORWARD')[0]).toBe('-s 192.0.2.1 -j DROP');
  });
});

describe('where the kernel tells of no change', () => {
  const clock = virtualClock();
  const told = { times: 0 };
  let stop = (): void => undefined;
  beforeEach(async () => {
    writer = new XtWriter({ graph, programs: looking(fake), render: () => options });
    await writer.settle();
    told.times = 0;
    stop = writer.watch(clock, () => {
      told.times += 1;
    });
  });
  afterEach(() => stop());
  const oneMoment = (): number => {
    clock.advance(200);
    return told.times;
  };

  test('a flush of chains of all is seen at the next look, once, and put back by the next change even', async () => {
    expect([oneMoment(), oneMoment()]).toEqual([0, 0]);
    fake.run(4, 'filter', '-F FORWARD');
    expect([oneMoment(), oneMoment(), oneMoment()]).toEqual([1, 1, 1]);
    await writer.change(aPolicyMore());
    expect(rulesOf('FORWARD').length).toBeGreaterThan(0);
    expect(await missing()).toEqual([]);
    expect(oneMoment()).toBe(1);
  });

  test('our own changes are not taken for somebody else’s', async () => {
    await writer.change(aPolicyMore());
    await writer.change(aFrontMore());
    await writer.settle();
    clock.advance(60_000);
    expect(told.times).toBe(0);
  });

  test('so is one of our chains that somebody changes while we write, though after that all looks as we left it', async () => {
    const chain = chainOf('allow-web ingress rule 1');
    let isToCome = true;
    fake.refuse = (line) => {
      if (isToCome && line === '*filter') fake.run(4, 'filter', `-F ${chain}`);
      if (line === '*filter') isToCome = false;
      return undefined;
    };
    await writer.change(aPolicyMore());
    expect(rulesOf(chain)).toEqual([]);
    clock.advance(60_000);
    expect(told.times).toBe(1);
    await writer.settle();
    expect(rulesOf(chain)).not.toEqual([]);
  });

  test('where nobody may look, nothing is told and all is written', async () => {
    stop();
    const look = () => {
      throw kernelError('look', 'EPERM');
    };
    writer = new XtWriter({ graph, programs: { ...fake, look }, render: () => options });
    stop = writer.watch(clock, () => {
      told.times += 1;
    });
    await writer.settle();
    await writer.change(aPolicyMore());
    clock.advance(60_000);
    expect([told.times, await missing()]).toEqual([0, []]);
  });
});

describe('which of them writes', () => {
  const programs: Record<XtBackend, FakeXtables> = { nft: fakeXtables(), legacy: fakeXtables() };
  const told: string[] = [];
  let isLegacy = false;
  beforeEach(() => {
    const sets: FakeXtables['sets'] = new Map();
    programs.nft = fakeXtables([4, 6], sets);
    programs.legacy = fakeXtables([4, 6], sets);
    told.length = 0;
    isLegacy = false;
  });
  const log = {
    info: (what: string) => void told.push(what),
    warn: (what: string) => void told.push(`! ${what}`),
  };
  const renderer = (settings: Partial<FelixSettings>, kernel = createFakeKernel()): Renderer =>
    new Renderer({
      ...{ graph, kernel, log, chainsFreedLate: false, workloadPrefixes: ['cali'] },
      settings: () => ({ ...defaults, ...settings }),
      xtables: { open: (backend) => programs[backend], inUse: () => (isLegacy ? 'legacy' : 'nft') },
      onChosen: () => undefined,
    });
  const filled = (): readonly XtBackend[] =>
    (['nft', 'legacy'] as const).filter((backend) =>
      programs[backend].ours().some((line) => !isOfSets(line)),
    );

  test.each<[Partial<FelixSettings>, readonly XtBackend[]]>([
    [{ nftablesMode: 'Auto' }, []],
    [{ nftablesMode: 'Enabled' }, []],
    // The older one's tables are in use.
    [{ nftablesMode: 'Disabled' }, ['legacy']],
    [{ nftablesMode: 'Disabled', iptablesBackend: 'Legacy' }, ['legacy']],
    [{ nftablesMode: 'Disabled', iptablesBackend: 'NFT' }, ['nft']],
  ])('after %j only that one has rules, whoever had them before', async (settings, wanted) => {
    const kernel = createFakeKernel();
    isLegacy = true;
    await renderer({ nftablesMode: 'Enabled' }, kernel).settle();
    for (const iptablesBackend of ['NFT', 'Legacy'] as const)
      await renderer({ nftablesMode: 'Disabled', iptablesBackend }).settle();
    await renderer(settings, kernel).settle();
    expect(filled()).toEqual(wanted);
    expect(programs.nft.sets.size > 0).toBe(wanted.length > 0);
    expect((await kernel.nftTable('tortie')) === undefined).toBe(settings.nftablesMode === 'Disabled');
    expect(told.filter((what) => what.startsWith('!'))).toEqual([]);
  });

  test('a kernel without nf_tables gets iptables, and is not warned of', async () => {
    isLegacy = true;
    const nftTable = () => Promise.reject(kernelError('list', 'EPROTONOSUPPORT'));
    programs.nft.save = () => Promise.reject(kernelError('save', 'EINVAL'));
    const one = renderer({}, { ...createFakeKernel(), nftTable });
    await one.settle();
    expect(one.backend).toBe('iptables');
    expect(filled()).toEqual(['legacy']);
    expect(told.filter((what) => what.startsWith('!'))).toEqual([]);
  });

  test('what cannot be taken out yet is told, and taken out at the next comparison', async () => {
    await renderer({ nftablesMode: 'Disabled' }).settle();
    programs.nft.refuse = () => 'the lock is held';
    const one = renderer({ nftablesMode: 'Enabled' });
    await one.settle();
    expect(told.at(-1)).toMatch(/^!/);
    programs.nft.refuse = () => undefined;
    await one.settle();
    expect(filled()).toEqual([]);
  });

  test('the bit for what is rejected is the second of iptablesMarkMask; without one it is dropped', async () => {
    await renderer({ nftablesMode: 'Disabled', iptablesMarkMask: 0xc0 }).settle();
    expect(programs.nft.ours().join('\n')).toContain('--mark 0x80/0x80');
    await renderer({ nftablesMode: 'Disabled', iptablesMarkMask: 0x40 }).settle();
    expect(programs.nft.ours().join('\n')).not.toContain('denied by policy');
  });
});

test('the ruleset under all this is one with sets, chains and both families', () => {
  const { chains, sets } = rulesetOf(graph);
  expect([chains.size > 10, sets.size > 3]).toEqual([true, true]);
});
