/** What every datastore must hold for what we write ourselves: see the contract in `src/store/objects.ts`. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Result } from '../../src/lib/result.ts';
import type { Manifest, ObjectRef, Objects, Refusal, Stored } from '../../src/store/objects.ts';
import type { Store } from '../../src/store/store.ts';
import { eventually } from '../support/eventually.ts';
import { follow } from '../support/follower.ts';

export interface ObjectsWorld {
  readonly objects: Objects;
  readonly store: Store;
  close(): Promise<void> | void;
}

const ref: ObjectRef = { kind: 'BlockAffinity', name: 'node1-10-0-0-0-26' };
const affinity = (state: string, name = ref.name, node = 'node1'): Manifest => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'BlockAffinity',
  metadata: { name },
  spec: { state, node, type: 'host', cidr: '10.0.0.0/26', deleted: false },
});
const block = (affinityOf: string, name: string): Manifest => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'IPAMBlock',
  metadata: { name, labels: { of: affinityOf.replace(':', '-') } },
  spec: {
    cidr: '10.0.0.0/30',
    affinity: affinityOf,
    allocations: [0, null, null, null],
    unallocated: [3, 1, 2],
    attributes: [{ handle_id: 'h', secondary: { pod: 'web' } }],
    sequenceNumber: 1,
    sequenceNumberForAllocation: { 0: 0 },
    deleted: false,
    strictAffinity: false,
  },
});
const lease: Manifest = {
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name: 'tortie-controller', namespace: 'default' },
  spec: { holderIdentity: 'a', leaseDurationSeconds: 15 },
};
const event: Manifest = {
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name: 'pods.1', namespace: 'default' },
  involvedObject: { apiVersion: 'projectcalico.org/v3', kind: 'IPPool', name: 'pods', namespace: 'default' },
  reason: 'CIDROverlap',
  message: 'It overlaps another.',
  type: 'Warning',
  count: 1,
};

function must<T>(result: Result<T, Refusal>): T {
  if (!result.ok) throw new Error(`${result.error.kind}: ${result.error.what}`);
  return result.value;
}
const kindOfRefusal = (result: Result<unknown, Refusal>): string => (result.ok ? 'done' : result.error.kind);
const changedTo = ({ manifest }: Stored, state: string): Manifest => ({
  ...manifest,
  spec: { ...(manifest['spec'] as Manifest), state },
});

/** @param within  ms that watchers may take to hear of it */
export function objectsContract(name: string, open: () => Promise<ObjectsWorld>, within = 15_000): void {
  const soon = { within };
  describe(name, () => {
    let world: ObjectsWorld;
    beforeEach(async () => {
      world = await open();
    });
    afterEach(() => world.close());

    test('of two APIs that have a kind of one name each keeps its own', async () => {
      const policy = (apiVersion: string, spec: Manifest): Manifest => ({
        apiVersion,
        kind: 'NetworkPolicy',
        metadata: { name: 'same', namespace: 'default' },
        spec,
      });
      const both = [
        ['NetworkPolicy', 'networking.k8s.io/v1', { podSelector: {} }],
        ['CalicoNetworkPolicy', 'projectcalico.org/v3', { order: 5, tier: 'default' }],
      ] as const;
      for (const [, apiVersion, spec] of both) must(await world.objects.create(policy(apiVersion, spec)));
      for (const [kind, apiVersion, spec] of both) {
        const own = { apiVersion, kind: 'NetworkPolicy', spec };
        const got = must(await world.objects.get({ kind, name: 'same', namespace: 'default' }));
        expect(got?.manifest).toMatchObject(own);
        expect(must(await world.objects.list(kind)).map(({ manifest }) => manifest)).toMatchObject([own]);
      }
      must(await world.objects.delete({ kind: 'CalicoNetworkPolicy', name: 'same', namespace: 'default' }));
      expect(must(await world.objects.list('NetworkPolicy'))).toHaveLength(1);
      expect(must(await world.objects.list('CalicoNetworkPolicy'))).toEqual([]);
    });

    test('what was created is what get and list answer, with uid, version and time of creation', async () => {
      expect(must(await world.objects.get(ref))).toBeUndefined();
      const made = must(await world.objects.create(affinity('pending')));
      expect(made.manifest).toMatchObject(affinity('pending'));
      expect(made.manifest['metadata']).toMatchObject({
        uid: expect.stringMatching(/./),
        resourceVersion: made.version,
        creationTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      });
      expect(must(await world.objects.get(ref))).toEqual(made);
      expect(must(await world.objects.list('BlockAffinity'))).toEqual([made]);
    });

    test('an update replaces all but the status, and nobody else’s change is lost', async () => {
      const made = must(await world.objects.create(affinity('pending')));
      const next = must(await world.objects.update(changedTo(made, 'confirmed'), made.version));
      expect(next.version).not.toBe(made.version);
      expect(next.manifest['spec']).toMatchObject({ state: 'confirmed' });
      const late = await world.objects.update(changedTo(made, 'pendingDeletion'), made.version);
      expect(late).toMatchObject({
        ok: false,
        error: { kind: 'conflict', what: expect.stringMatching(/BlockAffinity\/node1-10-0-0-0-26.*\.$/) },
      });
      expect(must(await world.objects.get(ref))).toEqual(next);
    });

    test('a status is of its own: an update leaves it, and a change of it leaves the rest', async () => {
      const made = must(await world.objects.create({ ...affinity('pending'), status: { conditions: [] } }));
      expect(made.manifest).not.toHaveProperty('status');
      const condition = {
        type: 'Ready',
        status: 'True',
        reason: 'OK',
        message: 'All is well.',
        lastTransitionTime: '2030-01-01T00:00:00Z',
      };
      const withStatus = must(
        await world.objects.updateStatus(
          { ...changedTo(made, 'confirmed'), status: { conditions: [condition] } },
          made.version,
        ),
      );
      expect(withStatus.manifest).toMatchObject({
        spec: { state: 'pending' },
        status: { conditions: [condition] },
      });
      const stale = await world.objects.updateStatus({ ...made.manifest, status: {} }, made.version);
      expect(kindOfRefusal(stale)).toBe('conflict');
      const { status: _, ...bare } = changedTo(withStatus, 'confirmed');
      const next = must(await world.objects.update(bare, withStatus.version));
      expect(next.manifest).toMatchObject({
        spec: { state: 'confirmed' },
        status: { conditions: [condition] },
      });
    });

    test('a change of the spec raises the generation, one of labels or status does not', async () => {
      const generation = ({ manifest }: Stored) => (manifest['metadata'] as Manifest)['generation'];
      const made = must(await world.objects.create(affinity('pending')));
      expect(generation(made)).toBe(1);
      const metadata = { ...(made.manifest['metadata'] as Manifest), labels: { a: 'b' } };
      const labelled = must(await world.objects.update({ ...made.manifest, metadata }, made.version));
      expect(generation(labelled)).toBe(1);
      const changed = must(await world.objects.update(changedTo(labelled, 'confirmed'), labelled.version));
      expect(generation(changed)).toBe(2);
    });

    test('what is there cannot be created, and what is not there can be neither changed nor deleted', async () => {
      const made = must(await world.objects.create(affinity('pending')));
      expect(kindOfRefusal(await world.objects.create(affinity('pending')))).toBe('exists');
      must(await world.objects.delete(ref));
      expect(must(await world.objects.get(ref))).toBeUndefined();
      expect(must(await world.objects.list('BlockAffinity'))).toEqual([]);
      expect(kindOfRefusal(await world.objects.update(made.manifest, made.version))).toMatch(
        /^(gone|conflict)$/,
      );
      expect(kindOfRefusal(await world.objects.updateStatus(made.manifest, made.version))).toMatch(
        /^(gone|conflict)$/,
      );
      expect(kindOfRefusal(await world.objects.delete(ref))).toBe('gone');
      expect(kindOfRefusal(await world.objects.delete(ref, made.version))).toBe('gone');
    });

    test('made again after a deletion it is another object, which an old version does not change', async () => {
      const first = must(await world.objects.create(affinity('pending')));
      must(await world.objects.delete(ref, first.version));
      const second = must(await world.objects.create(affinity('confirmed')));
      expect((second.manifest['metadata'] as Manifest)['uid']).not.toBe(
        (first.manifest['metadata'] as Manifest)['uid'],
      );
      expect(kindOfRefusal(await world.objects.update(first.manifest, first.version))).toBe('conflict');
      expect(kindOfRefusal(await world.objects.delete(ref, first.version))).toBe('conflict');
      expect(must(await world.objects.get(ref))).toEqual(second);
    });

    test('of many who saw the same version one succeeds and the others are told of the conflict', async () => {
      const made = must(await world.objects.create(affinity('pending')));
      const states = ['confirmed', 'pendingDeletion', 'pending', 'confirmed', 'pendingDeletion', 'confirmed'];
      // Each differs from the others: the API server answers a write that changes nothing with what is there.
      const writes = states.map((state, n) => {
        const metadata = { ...(made.manifest['metadata'] as Manifest), labels: { n: String(n) } };
        return world.objects.update({ ...changedTo(made, state), metadata }, made.version);
      });
      const kinds = (await Promise.all(writes)).map(kindOfRefusal);
      expect(kinds.filter((kind) => kind === 'done')).toHaveLength(1);
      expect(kinds.filter((kind) => kind === 'conflict')).toHaveLength(states.length - 1);
    });

    test('of many who create the same one succeeds and the others are told that it exists', async () => {
      const creates = ['a', 'b', 'c', 'd'].map((node) =>
        world.objects.create(affinity('pending', ref.name, node)),
      );
      const kinds = (await Promise.all(creates)).map(kindOfRefusal);
      expect(kinds.sort()).toEqual(['done', 'exists', 'exists', 'exists']);
    });

    test('a block keeps the nulls of its free addresses', async () => {
      must(await world.objects.create(block('host:node1', '10-0-0-0-30')));
      const stored = must(await world.objects.get({ kind: 'IPAMBlock', name: '10-0-0-0-30' }));
      expect(stored?.manifest['spec']).toEqual(block('host:node1', '10-0-0-0-30')['spec']);
    });

    test('a list may be narrowed by fields and labels', async () => {
      for (const n of [1, 2, 3]) must(await world.objects.create(block(`host:node${n}`, `b${n}`)));
      const names = async (scope: Parameters<Objects['list']>[1]) =>
        must(await world.objects.list('IPAMBlock', scope)).map(
          ({ manifest }) => (manifest['metadata'] as Manifest)['name'],
        );
      expect(await names({})).toEqual(['b1', 'b2', 'b3']);
      expect(await names({ fields: { 'spec.affinity': 'host:node2' } })).toEqual(['b2']);
      expect(await names({ labels: { of: 'host-node3' } })).toEqual(['b3']);
      expect(await names({ fields: { 'spec.affinity': 'host:node9' } })).toEqual([]);
    });

    test('Leases and Events are written in their namespace, and never told as resources', async () => {
      const held = must(await world.objects.create(lease));
      must(await world.objects.create(event));
      expect(must(await world.objects.list('Lease', { namespace: 'default' }))).toContainEqual(held);
      expect(must(await world.objects.list('Lease', { namespace: 'elsewhere' }))).toEqual([]);
      const spec = { ...(held.manifest['spec'] as Manifest), holderIdentity: 'b' };
      const next = must(await world.objects.update({ ...held.manifest, spec }, held.version));
      expect(next.manifest).toMatchObject({ spec: { holderIdentity: 'b' } });
      expect(kindOfRefusal(await world.objects.update({ ...held.manifest, spec }, held.version))).toBe(
        'conflict',
      );
      must(
        await world.objects.delete(
          { kind: 'Lease', namespace: 'default', name: 'tortie-controller' },
          next.version,
        ),
      );
      must(await world.objects.delete({ kind: 'Event', namespace: 'default', name: 'pods.1' }));
    });

    test('what is wrong is refused in words', async () => {
      const wrong = await world.objects.create(affinity('mine'));
      expect(wrong).toMatchObject({
        ok: false,
        error: { kind: 'invalid', what: expect.stringContaining('spec.state') },
      });
      const nameless = await world.objects.create({ ...affinity('pending'), metadata: {} });
      expect(kindOfRefusal(nameless)).toBe('invalid');
      expect(kindOfRefusal(await world.objects.create({ ...affinity('pending'), apiVersion: 'v7' }))).toBe(
        'invalid',
      );
    });

    test('watchers hear of what is created, changed and deleted', async () => {
      const follower = follow(world.store, ['BlockAffinity']);
      const made = must(await world.objects.create(affinity('pending')));
      const key = 'BlockAffinity/node1-10-0-0-0-26';
      await eventually(
        () => expect(follower.get(key)).toMatchObject({ state: 'pending', node: 'node1' }),
        soon,
      );
      must(await world.objects.update(changedTo(made, 'confirmed'), made.version));
      await eventually(() => expect(follower.get(key)).toMatchObject({ state: 'confirmed' }), soon);
      must(await world.objects.delete(ref));
      await eventually(() => expect(follower.keys()).toEqual([]), soon);
      follower.stop();
      expect(follower.problems).toEqual([]);
    });

    test('a watcher of one node’s objects hears of no other’s, and loses those that become another’s', async () => {
      must(await world.objects.create(affinity('pending', 'mine')));
      must(await world.objects.create(affinity('pending', 'other', 'node2')));
      const made = must(await world.objects.create(block('host:node1', 'b1')));
      const follower = follow(world.store, [
        { kind: 'BlockAffinity', fields: { 'spec.node': 'node1' } },
        { kind: 'IPAMBlock', fields: { 'spec.affinity': 'host:node1' } },
      ]);
      await eventually(() => expect(follower.keys()).toEqual(['BlockAffinity/mine', 'IPAMBlock/b1']), soon);
      must(
        await world.objects.update(
          { ...made.manifest, spec: { ...(made.manifest['spec'] as Manifest), affinity: 'host:node2' } },
          made.version,
        ),
      );
      must(await world.objects.create(affinity('pending', 'third', 'node3')));
      must(await world.objects.create(affinity('pending', 'mine-too')));
      await eventually(
        () => expect(follower.keys()).toEqual(['BlockAffinity/mine', 'BlockAffinity/mine-too']),
        soon,
      );
      follower.stop();
    });

    test('a status put by Store.putStatus is in what get answers', async () => {
      must(await world.objects.create(affinity('pending')));
      await world.store.putStatus(
        { kind: 'BlockAffinity', name: ref.name },
        { conditions: [], tortie: { a: 1 } },
      );
      await world.store.putStatus({ kind: 'BlockAffinity', name: ref.name }, { tortie: { b: 2 } });
      await eventually(async () => {
        const stored = must(await world.objects.get(ref));
        expect(stored?.manifest['status']).toEqual({ conditions: [], tortie: { a: 1, b: 2 } });
      }, soon);
    });
  });
}
