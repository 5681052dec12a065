/** The whole controller over the memory datastore, on a clock of the test's own. */

import { Registry } from 'prom-client';
import { afterEach, describe, expect, test } from 'vitest';
import { type Controller, createController } from '../../../src/controller/controller.ts';
import { registerMetrics } from '../../../src/controller/metrics.ts';
import { emptyBlock, newAffinity } from '../../../src/ipam/block.ts';
import { openLedger } from '../../../src/ledger/open.ts';
import { parsePrefix } from '../../../src/lib/net.ts';
import { seededRandom } from '../../../src/lib/random.ts';
import { startupTaint } from '../../../src/model/node-report.ts';
import type { Manifest, ObjectRef, Objects, WrittenKind } from '../../../src/store/objects.ts';
import { toManifest } from '../../../src/store/schema/write.ts';
import { virtualClock } from '../../support/clock.ts';
import { memoryStore } from '../../support/memory-store.ts';
import { settled } from '../../support/settled.ts';

const start = Date.parse('2026-05-05T00:00:00Z');
const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

function createWorld(...manifests: readonly unknown[]) {
  const store = memoryStore(...manifests);
  const clock = virtualClock();
  const today = (): Date => new Date(start + clock.now());
  const registries = new Map<string, Registry>();
  const controllers: Controller[] = [];

  const controller = (identity: string, objects: Objects = store.objects): Controller => {
    const registry = new Registry();
    registries.set(identity, registry);
    const made = createController({
      ...{ store, objects, identity, clock, today, log: silent },
      random: seededRandom(controllers.length + 1),
      lease: { namespace: 'kube-system', name: 'tortie-controller' },
      rules: { classless: true, assign: 'AllServices' },
      leakGraceMs: 900_000,
      counters: (term) => registerMetrics(registry, term),
    });
    controllers.push(made);
    return made;
  };
  const pass = async (seconds: number, stepMs = 250): Promise<void> => {
    for (let passed = 0; passed < seconds * 1000; passed += stepMs) {
      clock.advance(stepMs);
      await settled();
    }
  };
  const list = async (kind: WrittenKind): Promise<readonly Manifest[]> => {
    const found = await store.objects.list(kind);
    if (!found.ok) throw new Error(found.error.what);
    return found.value.map(({ manifest }) => manifest);
  };
  const get = async (ref: ObjectRef): Promise<Manifest | undefined> => {
    const found = await store.objects.get(ref);
    if (!found.ok) throw new Error(found.error.what);
    return found.value?.manifest;
  };
  return {
    ...{ store, clock, today, controller, pass, list, get },
    metric: async (identity: string, line: string) =>
      ((await registries.get(identity)?.metrics()) ?? '').split('\n').filter((one) => one.startsWith(line)),
    events: async () =>
      (await list('Event')).map(({ reason, type, involvedObject, count, message }) => ({
        ...{ reason, type, count, message },
        of: (involvedObject as { readonly name: string }).name,
      })),
    stop: () => Promise.all(controllers.map((one) => one.stop())),
  };
}
let world = createWorld();
afterEach(async () => {
  // A stop that waits for an answer gets it while time goes on.
  const stopping = world.stop();
  await world.pass(10);
  await stopping;
});

const calico = (kind: string, name: string, spec: object, status?: object) => ({
  apiVersion: 'projectcalico.org/v3',
  kind,
  metadata: { name },
  spec,
  ...(status === undefined ? {} : { status }),
});
const nodeObject = (name: string, over: { taints?: readonly object[]; born?: string } = {}) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, uid: `uid-${name}`, creationTimestamp: over.born ?? '2026-05-04T00:00:00Z' },
  spec: over.taints === undefined ? {} : { taints: over.taints },
});
const serviceObject = (name: string, over: { spec?: object; annotations?: object } = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default', uid: `uid-${name}`, annotations: over.annotations ?? {} },
  spec: { type: 'LoadBalancer', ipFamilies: ['IPv4'], ...over.spec },
});
const frontPool = calico('IPPool', 'front', {
  cidr: '10.9.0.0/24',
  blockSize: 28,
  allowedUses: ['LoadBalancer'],
});

type Conditions = readonly {
  readonly type: string;
  readonly status: string;
  readonly [key: string]: unknown;
}[];
const conditionsOf = (manifest: Manifest | undefined): Conditions =>
  ((manifest?.['status'] as { readonly conditions?: Conditions } | undefined)?.conditions ??
    []) as Conditions;
const condition = (manifest: Manifest | undefined, type: string) =>
  conditionsOf(manifest).find((one) => one.type === type);
const ingressOf = (manifest: Manifest | undefined): readonly string[] =>
  (
    (manifest?.['status'] as { loadBalancer?: { ingress?: readonly { ip: string }[] } } | undefined)
      ?.loadBalancer?.ingress ?? []
  ).map(({ ip }) => ip);

const report = (node: string, state: string, over: { sees?: readonly string[]; at?: string } = {}) => {
  const at = over.at ?? '2026-05-05T00:00:00.000Z';
  const session = { name: 'tor', address: '10.0.0.1', type: 'global', asn: 64513, state, since: at };
  return calico(
    'CalicoNodeStatus',
    node,
    { node, classes: ['Agent', 'BGP'], updatePeriodSeconds: 0 },
    {
      tortie: {
        bgp: {
          ...{ version: '1', at, inSync: true, problems: [], originated: [], sees: over.sees ?? [] },
          ...{ sessions: { established: 1, total: 1 }, kernel: { installed: 1, pending: 0 } },
          peers: [{ ...session, received: 1, accepted: 1, advertised: 1, lastError: 'connection refused' }],
        },
        felix: {
          ...{ version: '1', at, inSync: true, problems: [], dataplane: 'in-sync' },
          endpoints: { ready: 0, total: 0 },
        },
      },
    },
  );
};
const peer = (spec: object = {}) =>
  calico('BGPPeer', 'tor', { peerIP: '10.0.0.1', asNumber: 64513, ...spec });

describe('leadership', () => {
  test('one of two does the work; asked to stop, it gives the lease back and the other goes on at once', async () => {
    world = createWorld(nodeObject('n1'), peer());
    const [a, b] = [world.controller('a'), world.controller('b')];
    a.start();
    await world.pass(1);
    b.start();
    await world.pass(20);
    expect(await world.metric('a', 'tortie_controller_leader')).toEqual(['tortie_controller_leader 1']);
    expect(await world.metric('b', 'tortie_controller_leader')).toEqual(['tortie_controller_leader 0']);
    expect([a.health.ready(), b.health.ready()]).toEqual([undefined, undefined]);
    const stopping = a.stop();
    await world.pass(6);
    await stopping;
    expect(await world.metric('b', 'tortie_controller_leader')).toEqual(['tortie_controller_leader 1']);
    const [lease] = await world.list('Lease');
    expect(lease).toMatchObject({
      metadata: { name: 'tortie-controller', namespace: 'kube-system' },
      spec: { holderIdentity: 'b', leaseDurationSeconds: 15, leaseTransitions: 1 },
    });
    expect(lease?.['spec']).toMatchObject({ renewTime: expect.stringMatching(/\.\d{6}Z$/) });
  });

  test('a leader whose datastore is away for ten seconds leads no more, and leads again when it is back', async () => {
    world = createWorld(nodeObject('n1'), peer());
    const only = world.controller('a');
    only.start();
    await world.pass(5);
    world.store.away(true);
    await world.pass(11);
    expect(await world.metric('a', 'tortie_controller_leader')).toEqual(['tortie_controller_leader 0']);
    world.store.away(false);
    await world.pass(25);
    expect(await world.metric('a', 'tortie_controller_leader')).toEqual(['tortie_controller_leader 1']);
  });
});

test('what a leader began before it lost the lease writes nothing when it leads again', async () => {
  world = createWorld(nodeObject('n1'), frontPool);
  const late: (() => void)[] = [];
  let isSlow = false;
  const { objects } = world.store;
  const slow: Objects = {
    ...objects,
    // A look at a Service takes very long, and what follows from it is to write its status.
    get: async (one) => {
      const found = await objects.get(one);
      if (one.kind === 'Service' && isSlow) await new Promise<void>((resolve) => late.push(resolve));
      return found;
    },
  };
  let writes = 0;
  const seen: Objects = {
    ...slow,
    updateStatus: (manifest, version) => {
      if (manifest['kind'] === 'Service') writes += 1;
      return slow.updateStatus(manifest, version);
    },
  };
  world.controller('a', seen).start();
  await world.pass(10);
  isSlow = true;
  world.store.apply(serviceObject('web'));
  await world.pass(5);
  expect(late).toHaveLength(1);
  world.store.away(true);
  await world.pass(15);
  isSlow = false;
  world.store.away(false);
  await world.pass(30);
  expect(writes).toBe(1);
  for (const resume of late) resume();
  await world.pass(5);
  expect(writes).toBe(1);
});

describe('conditions', () => {
  test('say of a peer what all nodes say, and Events tell of its coming and going, once', async () => {
    world = createWorld(nodeObject('n1'), nodeObject('n2'), peer(), report('n1', 'Established'));
    world.controller('a').start();
    await world.pass(20);
    const ref = { kind: 'BGPPeer', name: 'tor' } as const;
    expect(condition(await world.get(ref), 'Accepted')).toMatchObject({ status: 'True' });
    expect(condition(await world.get(ref), 'Ready')).toMatchObject({
      status: 'Unknown',
      message: 'Established on 1 of 2 nodes; no report from n2',
    });
    world.store.apply(report('n2', 'Established'));
    await world.pass(20);
    expect(condition(await world.get(ref), 'Ready')).toMatchObject({ status: 'True' });
    world.store.apply(report('n2', 'Active'));
    await world.pass(20);
    expect(condition(await world.get(ref), 'Ready')).toMatchObject({
      status: 'False',
      message: 'Established on 1 of 2 nodes; down on n2: connection refused',
    });
    expect(await world.events()).toEqual([
      { of: 'tor', type: 'Normal', reason: 'PeerUp', count: 1, message: 'Established on 2 of 2 nodes' },
      expect.objectContaining({ of: 'tor', type: 'Warning', reason: 'PeerDown', count: 1 }),
    ]);
  });

  test('of a wrong object say what is wrong; mended, it is accepted', async () => {
    world = createWorld(nodeObject('n1'), peer({ peerIP: '10.0.0.300' }));
    world.controller('a').start();
    await world.pass(20);
    const ref = { kind: 'BGPPeer', name: 'tor' } as const;
    expect(condition(await world.get(ref), 'Accepted')).toMatchObject({
      status: 'False',
      reason: 'Invalid',
      message: expect.stringMatching(/^spec\.peerIP: must be an IP address, but is the text "10\.0\.0\.300"/),
    });
    expect(condition(await world.get(ref), 'Ready')).toMatchObject({
      status: 'False',
      reason: 'NotAccepted',
    });
    expect(await world.events()).toMatchObject([{ of: 'tor', type: 'Warning', reason: 'InvalidBGPPeer' }]);
    world.store.apply(peer());
    await world.pass(20);
    expect(condition(await world.get(ref), 'Accepted')).toMatchObject({ status: 'True' });
  });

  test('of a peer that was just made and is not up yet are no Event; its generation is followed', async () => {
    world = createWorld(nodeObject('n1'), report('n1', 'Active'));
    world.controller('a').start();
    await world.pass(10);
    const made = await world.store.objects.create(peer() as unknown as Manifest);
    if (!made.ok) throw new Error(made.error.what);
    await world.pass(20);
    const ref = { kind: 'BGPPeer', name: 'tor' } as const;
    expect(condition(await world.get(ref), 'Ready')).toMatchObject({
      status: 'False',
      observedGeneration: 1,
    });
    expect(await world.events()).toEqual([]);
    const found = await world.store.objects.get(ref);
    if (!found.ok || found.value === undefined) throw new Error('not there');
    const changed = { ...found.value.manifest, ...peer({ asNumber: 64514 }) } as unknown as Manifest;
    const metadata = found.value.manifest['metadata'];
    await world.store.objects.update({ ...changed, metadata } as Manifest, found.value.version);
    await world.pass(20);
    // Nothing it says has changed but of which generation it says so.
    expect(condition(await world.get(ref), 'Ready')).toMatchObject({ observedGeneration: 2 });
    expect(await world.events()).toEqual([]);
  });

  test('of a wrong NetworkPolicy are an Event, since it has no status', async () => {
    world = createWorld({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'web', namespace: 'shop', uid: 'np1' },
      spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/33' } }] }] },
    });
    world.controller('a').start();
    await world.pass(20);
    expect(await world.list('Event')).toMatchObject([
      {
        metadata: { namespace: 'shop' },
        reason: 'InvalidNetworkPolicy',
        involvedObject: { kind: 'NetworkPolicy', name: 'web', namespace: 'shop', uid: 'np1' },
      },
    ]);
  });

  test('of pools name the overlap; each kind that can be wrong has one', async () => {
    world = createWorld(
      calico('IPPool', 'a', { cidr: '10.1.0.0/16' }),
      calico('IPPool', 'b', { cidr: '10.1.2.0/24' }),
      calico('IPPool', 'c', { cidr: '10.2.0.0/16', disabled: true }),
      calico('BGPConfiguration', 'default', {}),
      calico('IPReservation', 'r', { reservedCIDRs: ['10.1.0.0/30'] }),
      calico('IPAMConfiguration', 'default', {}),
    );
    world.controller('a').start();
    await world.pass(20);
    const reason = async (name: string) =>
      condition(await world.get({ kind: 'IPPool', name }), 'Allocatable')?.['reason'];
    expect([await reason('a'), await reason('b'), await reason('c')]).toEqual([
      'OK',
      'CIDROverlap',
      'PoolDisabled',
    ]);
    for (const [kind, name] of [
      ['BGPConfiguration', 'default'],
      ['IPReservation', 'r'],
      ['IPAMConfiguration', 'default'],
    ] as const)
      expect(condition(await world.get({ kind, name }), 'Accepted')).toMatchObject({ status: 'True' });
  });

  test('that say what they should cost no write, also of the next leader', async () => {
    world = createWorld(nodeObject('n1'), peer(), report('n1', 'Established'), frontPool);
    const first = world.controller('a');
    first.start();
    await world.pass(30);
    const versions = async () =>
      (await Promise.all([world.list('BGPPeer'), world.list('IPPool'), world.list('Event')])).flat();
    const before = await versions();
    const stopping = first.stop();
    await world.pass(2);
    await stopping;
    world.controller('b').start();
    // Longer than the recheck of everything, shorter than a report is old.
    await world.pass(700);
    expect(await versions()).toEqual(before);
  });
});

describe('load balancer addresses', () => {
  const ref = (name: string): ObjectRef => ({ kind: 'Service', namespace: 'default', name });

  test('are given to Services, stand in their status, and come back when a Service goes', async () => {
    world = createWorld(frontPool, serviceObject('web'), serviceObject('api'));
    world.controller('a').start();
    await world.pass(20);
    const [web, api] = [ingressOf(await world.get(ref('web'))), ingressOf(await world.get(ref('api')))];
    expect(web).toHaveLength(1);
    expect(api).toHaveLength(1);
    expect(web).not.toEqual(api);
    expect((await world.events()).map(({ reason, of }) => `${of} ${reason}`).sort()).toEqual([
      'api IPAllocated',
      'web IPAllocated',
    ]);
    expect(await world.metric('a', 'ipam_allocations_in_use')).toEqual([
      'ipam_allocations_in_use{ippool="front",node="load-balancer"} 2',
    ]);
    world.store.remove({ kind: 'Service', namespace: 'default', name: 'web' });
    await world.pass(20);
    expect(await world.metric('a', 'ipam_allocations_in_use')).toEqual([
      'ipam_allocations_in_use{ippool="front",node="load-balancer"} 1',
    ]);
    expect(ingressOf(await world.get(ref('api')))).toEqual(api);
  });

  test('asked for by annotation are given, and changed when another is asked for', async () => {
    const asking = (text: string) =>
      serviceObject('web', { annotations: { 'projectcalico.org/loadBalancerIPs': `["${text}"]` } });
    world = createWorld(frontPool, asking('10.9.0.77'));
    world.controller('a').start();
    await world.pass(20);
    expect(ingressOf(await world.get(ref('web')))).toEqual(['10.9.0.77']);
    world.store.apply({
      ...asking('10.9.0.99'),
      status: { loadBalancer: { ingress: [{ ip: '10.9.0.77' }] } },
    });
    await world.pass(20);
    expect(ingressOf(await world.get(ref('web')))).toEqual(['10.9.0.99']);
  });

  test('that Services show already are kept, if they can be had, though no block knows of them', async () => {
    const showing = (name: string, ip: string) => ({
      ...serviceObject(name),
      status: { loadBalancer: { ingress: [{ ip }] } },
    });
    world = createWorld(
      frontPool,
      showing('a', '10.9.0.42'),
      showing('b', '10.9.0.42'),
      showing('c', '192.0.2.1'),
    );
    world.controller('a').start();
    await world.pass(20);
    const got = await Promise.all(['a', 'b', 'c'].map(async (name) => ingressOf(await world.get(ref(name)))));
    expect(got[0]).toEqual(['10.9.0.42']);
    expect(got.flat().every((ip) => ip.startsWith('10.9.0.'))).toBe(true);
    expect(new Set(got.flat()).size).toBe(3);
  });

  test('are of each family that the Service has', async () => {
    const six = calico('IPPool', 'front6', { cidr: 'fd00:9::/112', allowedUses: ['LoadBalancer'] });
    world = createWorld(frontPool, six, serviceObject('web', { spec: { ipFamilies: ['IPv4', 'IPv6'] } }));
    world.controller('a').start();
    await world.pass(20);
    const ips = ingressOf(await world.get(ref('web')));
    expect(ips.map((ip) => ip.includes(':'))).toEqual([false, true]);
  });

  test('that cannot be had are said on the Service, and had when a pool comes', async () => {
    world = createWorld(calico('IPPool', 'pods', { cidr: '10.244.0.0/16' }), serviceObject('web'));
    world.controller('a').start();
    await world.pass(20);
    expect(ingressOf(await world.get(ref('web')))).toEqual([]);
    expect(await world.events()).toMatchObject([{ of: 'web', type: 'Warning', reason: 'AllocationFailed' }]);
    world.store.apply(frontPool);
    await world.pass(20);
    expect(ingressOf(await world.get(ref('web')))).toHaveLength(1);
  });

  /** Its n-th write is its last: the process dies before it, or after it and before the answer. */
  function mortal(objects: Objects, dies: { readonly at: number; readonly done: boolean }): Objects {
    let writes = 0;
    const write = async <T>(run: () => Promise<T>): Promise<T> => {
      writes += 1;
      if (writes > dies.at || (writes === dies.at && !dies.done)) return new Promise(() => undefined);
      const answer = await run();
      return writes === dies.at ? new Promise(() => undefined) : answer;
    };
    return {
      get: (one) => objects.get(one),
      list: (kind, scope) => objects.list(kind, scope),
      create: (manifest) =>
        manifest['kind'] === 'Lease' ? objects.create(manifest) : write(() => objects.create(manifest)),
      update: (manifest, version) =>
        manifest['kind'] === 'Lease'
          ? writes >= dies.at
            ? new Promise(() => undefined)
            : objects.update(manifest, version)
          : write(() => objects.update(manifest, version)),
      updateStatus: (manifest, version) => write(() => objects.updateStatus(manifest, version)),
      delete: (one, version) => write(() => objects.delete(one, version)),
    };
  }

  test('are right whatever write the leader died at: one for each Service, none twice, none lost', async () => {
    let deaths = 0;
    for (let at = 1; at <= 16; at += 1)
      for (const done of [false, true]) {
        world = createWorld(frontPool, serviceObject('web'), serviceObject('goes'));
        const setUp = world.controller('before');
        setUp.start();
        await world.pass(10);
        const stopping = setUp.stop();
        await world.pass(2);
        await stopping;
        // One goes, one comes and asks for what the first had.
        const [had = ''] = ingressOf(await world.get(ref('goes')));
        world.store.remove({ kind: 'Service', namespace: 'default', name: 'goes' });
        const asks = { 'projectcalico.org/loadBalancerIPs': JSON.stringify([had]) };
        world.store.apply(serviceObject('asks', { annotations: asks }));
        world.store.apply(serviceObject('any'));
        world.controller('mortal', mortal(world.store.objects, { at, done })).start();
        await world.pass(10);
        world.controller('heir').start();
        await world.pass(40);
        const names = ['web', 'asks', 'any'];
        const got = await Promise.all(names.map(async (name) => ingressOf(await world.get(ref(name)))));
        expect(got[1], `died at write ${at}`).toEqual([had]);
        expect(got.map((ips) => ips.length)).toEqual([1, 1, 1]);
        expect(new Set(got.flat()).size).toBe(3);
        const led = await world.metric('heir', 'tortie_controller_leader');
        if (led[0]?.endsWith(' 1')) {
          deaths += 1;
          expect(await world.metric('heir', 'ipam_allocations_in_use')).toEqual([
            'ipam_allocations_in_use{ippool="front",node="load-balancer"} 3',
          ]);
        }
        const ending = world.stop();
        await world.pass(12);
        await ending;
      }
    expect(deaths).toBeGreaterThan(10);
    world = createWorld();
  });

  test('of a pool that is full are an Event on the pool', async () => {
    const small = calico('IPPool', 'small', {
      ...{ cidr: '10.9.0.0/30', blockSize: 30, allowedUses: ['LoadBalancer'] },
    });
    const names = ['a', 'b', 'c', 'd', 'e'];
    world = createWorld(small, ...names.map((name) => serviceObject(name)));
    world.controller('a').start();
    await world.pass(30);
    const got = await Promise.all(names.map(async (name) => ingressOf(await world.get(ref(name)))));
    expect(got.map((ips) => ips.length).sort()).toEqual([0, 1, 1, 1, 1]);
    const events = (await world.events()).map(({ reason, of }) => `${of} ${reason}`);
    expect(events).toContain('small PoolExhausted');
    expect(events.filter((one) => one.endsWith('AllocationFailed'))).toHaveLength(1);
  });

  test('are not given twice by pools that overlap: only the older gives', async () => {
    const pool = (name: string, cidr: string, day: number) => {
      const made = calico('IPPool', name, { cidr, blockSize: 30, allowedUses: ['LoadBalancer'] });
      return { ...made, metadata: { name, creationTimestamp: `2026-01-0${day}T00:00:00Z` } };
    };
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    world = createWorld(
      pool('younger', '10.9.0.0/28', 2),
      pool('older', '10.9.0.0/30', 1),
      ...names.map((name) => serviceObject(name)),
    );
    world.controller('a').start();
    await world.pass(30);
    const got = (await Promise.all(names.map(async (name) => ingressOf(await world.get(ref(name)))))).flat();
    expect([...got].sort()).toEqual(['10.9.0.0', '10.9.0.1', '10.9.0.2', '10.9.0.3']);
  });
});

describe('garbage', () => {
  const pool = calico('IPPool', 'pods', { cidr: '10.244.0.0/16', blockSize: 28 });
  const allocate = async (node: string, pod: string): Promise<void> => {
    const ledger = openLedger({
      ...{ objects: world.store.objects, owner: { type: 'host', node }, clock: world.clock },
      wallClock: () => world.today().getTime(),
      facts: () => facts,
      random: seededRandom(7),
    });
    const assigning = ledger.assign({
      handle: `k8s-pod-network.${pod}`,
      attributes: { pod, namespace: 'default', node },
      families: [4],
    });
    await world.pass(2);
    const assigned = await assigning;
    if (!assigned.ok) throw new Error(assigned.error.what);
    ledger.close();
  };
  let facts: Parameters<typeof openLedger>[0]['facts'] extends () => infer F ? F : never;
  const inUse = () => world.metric('a', 'ipam_allocations_in_use');

  async function withPods(...pods: readonly string[]): Promise<void> {
    const { readFacts } = await import('../../../src/ledger/facts.ts');
    const read = await readFacts(world.store.objects);
    if (!read.ok) throw new Error(read.error.what);
    facts = read.value;
    for (const pod of pods) await allocate('n1', pod);
  }
  const podObject = (name: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { nodeName: 'n1', containers: [] },
    status: {},
  });

  test('is an address whose pod is gone for the whole grace period; others stay', async () => {
    world = createWorld(nodeObject('n1'), pool, podObject('lives'));
    await withPods('lives', 'leaks');
    world.controller('a').start();
    await world.pass(20);
    expect(await inUse()).toEqual(['ipam_allocations_in_use{ippool="pods",node="n1"} 2']);
    expect(await world.metric('a', 'ipam_allocations_gc_candidates')).toEqual([
      'ipam_allocations_gc_candidates{node="n1",ippool="pods"} 1',
    ]);
    await world.pass(600, 1000);
    expect(await inUse()).toEqual(['ipam_allocations_in_use{ippool="pods",node="n1"} 2']);
    await world.pass(800, 1000);
    expect(await inUse()).toEqual(['ipam_allocations_in_use{ippool="pods",node="n1"} 1']);
    expect(await world.metric('a', 'ipam_allocations_gc_reclamations{')).toEqual([
      'ipam_allocations_gc_reclamations{node="n1",ippool="pods"} 1',
    ]);
  });

  test('of a node that is gone goes at once, with its blocks and its report', async () => {
    world = createWorld(nodeObject('n1'), nodeObject('n2'), pool, report('n1', 'Established'));
    await withPods('a', 'b');
    world.controller('a').start();
    await world.pass(20);
    expect(await world.list('IPAMBlock')).toHaveLength(1);
    world.store.remove({ kind: 'Node', name: 'n1' });
    await world.pass(60);
    // The second look is what gives an empty block back.
    await world.pass(500, 1000);
    expect(await world.list('IPAMBlock')).toEqual([]);
    expect(await world.list('BlockAffinity')).toEqual([]);
    expect(await world.list('CalicoNodeStatus')).toEqual([]);
  });

  test('a claim that stopped half-way on a node that is there is settled at the second look, not before', async () => {
    world = createWorld(nodeObject('n1'), pool);
    const one = parsePrefix('10.244.0.0/28');
    if (one === undefined) throw new Error('no prefix');
    await world.store.objects.create(toManifest(newAffinity(one, { type: 'host', node: 'n1' })));
    world.controller('a').start();
    await world.pass(20);
    expect(await world.list('BlockAffinity')).toHaveLength(1);
    await world.pass(1000, 1000);
    expect(await world.list('BlockAffinity')).toEqual([]);
  });

  test('blocks of another size than the pool’s are told in an Event, once', async () => {
    world = createWorld(nodeObject('n1'), pool);
    const large = parsePrefix('10.244.4.0/26');
    if (large === undefined) throw new Error('no prefix');
    const owner = { type: 'host', node: 'n1' } as const;
    await world.store.objects.create(toManifest(emptyBlock(large, owner, '2026-05-05T00:00:00Z')));
    world.controller('a').start();
    await world.pass(60);
    const told = (await world.events()).filter(({ reason }) => reason === 'BlockSizeMismatch');
    expect(told).toMatchObject([{ of: 'pods', type: 'Warning' }]);
  });
});

describe('the startup taint', () => {
  const taints = [
    { key: startupTaint, effect: 'NoSchedule' },
    { key: 'dedicated', effect: 'NoExecute' },
  ];

  test('goes only when another node sees the routes; other taints stay, and an Event says so', async () => {
    world = createWorld(nodeObject('n1', { taints }), nodeObject('n2'), report('n1', 'Established'));
    world.controller('a').start();
    await world.pass(30);
    const taintsOf = async () =>
      ((await world.get({ kind: 'Node', name: 'n1' }))?.['spec'] as { taints: readonly object[] } | undefined)
        ?.taints;
    expect(await taintsOf()).toEqual(taints);
    world.store.apply(report('n2', 'Established', { sees: ['n1'] }));
    await world.pass(10);
    expect(await taintsOf()).toEqual([taints[1]]);
    expect(await world.events()).toMatchObject([{ of: 'n1', reason: 'NodeReady', type: 'Normal' }]);
  });
});
