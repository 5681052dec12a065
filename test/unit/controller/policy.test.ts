import { describe, expect, test } from 'vitest';
import { endpointVerdict, policyVerdict, tierVerdict } from '../../../src/controller/decide/policy.ts';
import { openTierKeeper } from '../../../src/controller/tiers.ts';
import { World } from '../../../src/controller/world.ts';
import type { HostEndpoint, Tier } from '../../../src/model/policy.ts';
import type { Resource } from '../../../src/model/resource.ts';
import { isPolicy } from '../../../src/policy/convert.ts';
import type { Manifest } from '../../../src/store/objects.ts';
import { readManifest } from '../../../src/store/schema/manifest.ts';
import { memoryStore } from '../../support/memory-store.ts';
import { settled } from '../../support/settled.ts';

const calico = (kind: string, name: string, spec: Manifest, metadata: Manifest = {}): Manifest => ({
  apiVersion: 'projectcalico.org/v3',
  kind,
  metadata: { name, ...metadata },
  spec,
});
function read(manifest: Manifest): Resource {
  const found = readManifest(manifest);
  if (!found.ok) throw new Error(JSON.stringify(found.error));
  return found.value;
}
function verdictOf(manifest: Manifest, tiers: readonly string[] = []) {
  const policy = read(manifest);
  if (!isPolicy(policy)) throw new Error('no policy');
  return policyVerdict(policy, new Set(tiers));
}

const cluster = (rule: Manifest): Manifest => ({
  apiVersion: 'policy.networking.k8s.io/v1alpha2',
  kind: 'ClusterNetworkPolicy',
  metadata: { name: 'p' },
  spec: { tier: 'Admin', priority: 1, subject: { namespaces: {} }, egress: [rule] },
});

describe('a policy', () => {
  test('in a tier that somebody wrote, or that is always there, has nothing said of it', () => {
    expect(verdictOf(calico('GlobalNetworkPolicy', 'p', {}))).toBeUndefined();
    expect(verdictOf(calico('GlobalNetworkPolicy', 'p', { tier: 'kube-admin' }))).toBeUndefined();
    expect(verdictOf(calico('NetworkPolicy', 'p', { tier: 'mine' }), ['mine'])).toBeUndefined();
  });

  test('in a tier that is not there says so, and what becomes of it', () => {
    expect(verdictOf(calico('NetworkPolicy', 'p', { tier: 'mine' }))).toMatchObject({
      type: 'Accepted',
      status: 'False',
      reason: 'TierMissing',
      message: expect.stringMatching(/^spec\.tier: there is no Tier mine\./),
    });
  });

  test('with a rule that cannot be done says which, why, and what is done instead', () => {
    const deny = verdictOf(cluster({ action: 'Deny', to: [{ domainNames: ['a.example'] }] }));
    expect(deny).toMatchObject({ reason: 'NotConverted', status: 'False' });
    expect(deny?.message).toMatch(/^spec\.egress\[0\].*domainNames.* It denies everything\.$/);
    const allow = verdictOf(cluster({ action: 'Accept', to: [{ domainNames: ['a.example'] }] }));
    expect(allow?.message).toMatch(/ It allows nothing\.$/);
  });
});

test('a host endpoint of no node, or with a profile that is not there, says so', () => {
  const endpoint = read(
    calico('HostEndpoint', 'h', { node: 'a', interfaceName: '*', profiles: ['x'] }),
  ) as HostEndpoint;
  const known = (node: boolean, profile: boolean) =>
    endpointVerdict(endpoint, { node: () => node, profile: () => profile })?.reason;
  expect(known(false, true)).toBe('NodeMissing');
  expect(known(true, false)).toBe('ProfileMissing');
  expect(known(true, true)).toBeUndefined();
});

describe('a tier', () => {
  const tier = (deleting: boolean): Tier => ({
    kind: 'Tier',
    meta: { name: 't', labels: {}, annotations: {} },
    defaultAction: 'Deny',
    ...(deleting ? { deleting } : {}),
  });

  test('is ready, unless it is wrong or waits for its policies to go', () => {
    expect(tierVerdict(tier(false), true, ['NetworkPolicy a/b'])).toMatchObject({ status: 'True' });
    expect(tierVerdict(undefined, false, [])).toMatchObject({ status: 'False', reason: 'Invalid' });
    expect(tierVerdict(tier(true), true, ['NetworkPolicy a/b'])).toMatchObject({
      status: 'False',
      reason: 'Terminating',
      message: expect.stringContaining('NetworkPolicy a/b'),
    });
  });
});

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

async function keeperOf(...manifests: readonly Manifest[]) {
  const store = memoryStore(...manifests);
  const world = new World();
  store.watch(
    [
      'Tier',
      'CalicoNetworkPolicy',
      'GlobalNetworkPolicy',
      'StagedNetworkPolicy',
      'StagedGlobalNetworkPolicy',
    ],
    (batch) => world.take(batch),
  );
  await settled();
  const look = openTierKeeper({ objects: store.objects, world, log: silent });
  const finalizersOf = async (name: string): Promise<unknown> => {
    const found = await store.objects.get({ kind: 'Tier', name });
    const metadata = found.ok ? found.value?.manifest['metadata'] : undefined;
    return (metadata as { readonly finalizers?: unknown } | undefined)?.finalizers;
  };
  const run = async (): Promise<void> => {
    await look();
    await settled();
  };
  return { store, run, finalizersOf };
}
const held = ['projectcalico.org/tier-controller'];

describe('the keeper of tiers', () => {
  test('makes the three that every cluster has, and leaves what somebody wrote as it is', async () => {
    const { store, run } = await keeperOf(calico('Tier', 'default', { order: 1_000_000 }));
    await run();
    const listed = await store.objects.list('Tier');
    const specs = listed.ok ? listed.value.map(({ manifest }) => manifest['spec']) : [];
    expect(specs).toEqual([
      { order: 1_000_000 },
      { order: 1000, defaultAction: 'Pass' },
      { order: 10_000_000, defaultAction: 'Pass' },
    ]);
  });

  test('holds a tier while a policy is in it, beside the finalizers of others, and none of the three', async () => {
    const { store, run, finalizersOf } = await keeperOf(
      calico('Tier', 'mine', {}, { finalizers: ['other/x'] }),
      calico('Tier', 'default', { order: 1_000_000 }, { finalizers: held }),
      calico('NetworkPolicy', 'p', { tier: 'mine' }),
      calico('NetworkPolicy', 'q', { tier: 'default' }),
    );
    await run();
    await run();
    expect(await finalizersOf('mine')).toEqual(['other/x', ...held]);
    expect(await finalizersOf('default')).toEqual([]);
    store.remove({ kind: 'CalicoNetworkPolicy', namespace: 'default', name: 'p' });
    await settled();
    await run();
    expect(await finalizersOf('mine')).toEqual(['other/x']);
  });

  test('lets a tier go that is being deleted once no policy is in it, and not before', async () => {
    const going = { finalizers: held, deletionTimestamp: '2026-01-01T00:00:00Z' };
    const { store, run, finalizersOf } = await keeperOf(
      calico('Tier', 'mine', {}, going),
      calico('NetworkPolicy', 'p', { tier: 'mine' }),
    );
    await run();
    expect(await finalizersOf('mine')).toEqual(held);
    store.remove({ kind: 'CalicoNetworkPolicy', namespace: 'default', name: 'p' });
    await settled();
    await run();
    expect(await finalizersOf('mine')).toEqual([]);
  });

  test('adds nothing to a tier that is being deleted, which the API server would refuse', async () => {
    const { run, finalizersOf } = await keeperOf(
      calico('Tier', 'mine', {}, { finalizers: ['other/x'], deletionTimestamp: '2026-01-01T00:00:00Z' }),
      calico('GlobalNetworkPolicy', 'p', { tier: 'mine' }),
    );
    await run();
    expect(await finalizersOf('mine')).toEqual(['other/x']);
  });
});
