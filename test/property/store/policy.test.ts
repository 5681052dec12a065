import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PolicyResource } from '../../../src/model/policy.ts';
import type { NetworkPolicy, Resource } from '../../../src/model/resource.ts';
import { isObject } from '../../../src/store/json.ts';
import { readManifest } from '../../../src/store/schema/manifest.ts';
import { anyPolicy, resourcesOf, world } from '../../support/arbitrary-policy.ts';
import { policyManifest } from '../../support/policy-manifest.ts';

const others: ReadonlySet<string> = new Set(['Node', 'Pod', 'Namespace', 'EndpointSlice', 'IPPool']);
const isPolicyKind = (resource: Resource): resource is PolicyResource | NetworkPolicy =>
  !others.has(resource.kind);

const asksNothing = (name: string, value: unknown): boolean =>
  ((name === 'peers' || name === 'ports') && Array.isArray(value) && value.length === 0) ||
  (name === 'serviceAccounts' && JSON.stringify(value) === '{"names":[]}');

const isSet = (name: string, field: unknown): field is unknown[] =>
  ['nets', 'notNets', 'networks'].includes(name) && Array.isArray(field);

/** Prefixes once each, and without the lists that ask for nothing, which as they are read are not there. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, field]) => !(asksNothing(name, field) && !('kind' in value)))
      .map(([name, field]) => [name, isSet(name, field) ? [...new Set(field)] : canonical(field)]),
  );
}

/** Of Kubernetes' rules the arbitrary ones have what its API refuses too. */
const mayBeRefused = ({ kind }: Resource): boolean =>
  kind === 'NetworkPolicy' || kind === 'StagedKubernetesNetworkPolicy';

function expectSame(resource: PolicyResource | NetworkPolicy): void {
  const read = readManifest(policyManifest(resource));
  if (read.ok || !mayBeRefused(resource)) expect(read).toEqual({ ok: true, value: canonical(resource) });
}

test('a policy of any kind that was written is read as what it was', () => {
  fc.assert(fc.property(anyPolicy, expectSame), { numRuns: 400 });
});

test('so are tiers, network sets, host endpoints, profiles and service accounts', () => {
  fc.assert(
    fc.property(world({ hosts: true }), (all) => {
      for (const resource of resourcesOf(all).filter(isPolicyKind)) expectSame(resource);
    }),
    { numRuns: 40 },
  );
});
