/**
 * The NetworkPolicy cases of others, by packets: nine pods of one node, each step put into the datastore of a real
 * `tortie felix`, then every pair on two ports of three protocols, over IPv4 and IPv6.
 *
 * A step is in the kernel when felix shows the marker policy that was stored with it and has nothing pending.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAddress } from '../../src/lib/net.ts';
import { eventually } from './eventually.ts';
import { createFelixNode, namespaceObject, nodeObject, podObject } from './felix.ts';
import { type PolicyStep, readPolicyCases } from './policy-cases.ts';
import { type Cell, cellName, Prober } from './prober.ts';

type Labels = Readonly<Record<string, string>>;

/** Pods have one of these beside each IPv4 address. */
const network6 = 'fd00:1::';

interface World {
  readonly namespaces: Map<string, Labels>;
  readonly pods: Map<string, Labels>;
  readonly policies: Map<string, object>;
}

/** The address of `network6` that stands for one of 10.244.1.0/24, as pods get them in turn. */
const counterpart = (ip: string): string => `${network6}${Number(ip.split('.')[3]).toString(16)}`;

/** What a block of the cases is among our IPv6 addresses: the same pods. */
function block6(cidr: string): string {
  const [ip = '', length] = cidr.split('/');
  if (length === '0') return '::/0';
  if (!ip.startsWith('10.244.1.') || Number(length) < 24) throw new Error(`no counterpart of ${cidr}`);
  return `${counterpart(ip)}/${96 + Number(length)}`;
}

interface Peer {
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}

/** Blocks of the cases are of IPv4: beside each goes the one of IPv6 that holds the same pods. */
function ofBothFamilies(policy: object | undefined): object {
  return JSON.parse(JSON.stringify(policy ?? {}), (key, value: unknown) =>
    (key === 'from' || key === 'to') && Array.isArray(value)
      ? value.flatMap((peer: Peer) => {
          if (peer.ipBlock === undefined) return [peer];
          const { cidr, except } = peer.ipBlock;
          const ipBlock = {
            cidr: block6(cidr),
            ...(except === undefined ? {} : { except: except.map(block6) }),
          };
          return [peer, { ipBlock }];
        })
      : value,
  );
}

function act(world: World, action: PolicyStep['actions'][number]): void {
  const policy = action.CreatePolicy?.Policy ?? action.UpdatePolicy?.Policy;
  const { metadata } = (policy ?? {}) as {
    readonly metadata?: { readonly namespace: string; readonly name: string };
  };
  const namespace = action.CreateNamespace ?? action.SetNamespaceLabels;
  const pod = action.CreatePod ?? action.SetPodLabels;
  if (metadata !== undefined) {
    // Some of the policies leave out what kind they are.
    const whole = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', ...ofBothFamilies(policy) };
    world.policies.set(`${metadata.namespace}/${metadata.name}`, whole);
  } else if (namespace !== undefined) world.namespaces.set(namespace.Namespace, namespace.Labels);
  else if (pod !== undefined) world.pods.set(`${pod.Namespace}/${pod.Pod}`, pod.Labels);
  else if (action.DeletePolicy)
    world.policies.delete(`${action.DeletePolicy.Namespace}/${action.DeletePolicy.Name}`);
  else if (action.DeletePod) world.pods.delete(`${action.DeletePod.Namespace}/${action.DeletePod.Pod}`);
  else if (action.DeleteNamespace) world.namespaces.delete(action.DeleteNamespace.Namespace);
  else throw new Error(`unknown action ${JSON.stringify(action)}`);
}

/** @param renderer  who writes the rules */
export function provePolicyByPackets(renderer: 'nftables' | 'iptables'): void {
  const cases = readPolicyCases();
  const node = createFelixNode(`pp${renderer[0]}`, 'node1');
  const prober = new Prober(cases?.ports ?? []);
  const addresses = new Map<string, readonly string[]>();
  const marker = 'marker/m';
  let generation = 0;

  const containerOf = (pod: string): string => `c-${pod.replace('/', '-')}`;

  const ports = (cases?.ports ?? []).flatMap((containerPort) =>
    (cases?.protocols ?? []).map((protocol) => ({
      name: `serve-${containerPort}-${protocol.toLowerCase()}`,
      containerPort,
      protocol,
    })),
  );

  const firstWorld = (): World => ({
    namespaces: new Map(['x', 'y', 'z'].map((name) => [name, { ns: name }])),
    pods: new Map(Object.keys(cases?.podIPs ?? {}).map((pod) => [pod, { pod: pod.slice(2) }])),
    policies: new Map(),
  });

  /** Stores the world and waits until the kernel has it. */
  async function apply(world: World, more: readonly object[] = []): Promise<void> {
    generation += 1;
    const name = `generation-${generation}`;
    node.store([
      nodeObject('node1', '10.244.1.0/24', `${network6}/64`),
      ...[...world.namespaces].map(([namespace, labels]) => namespaceObject(namespace, labels)),
      ...[...world.pods].map(([pod, labels]) =>
        podObject(pod, 'node1', { labels, ports, ips: addresses.get(pod) ?? [] }),
      ),
      ...world.policies.values(),
      namespaceObject('marker'),
      podObject(marker, 'node1'),
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name, namespace: 'marker' },
        spec: { podSelector: {} },
      },
      ...more,
    ]);
    if (!addresses.has(marker)) return;
    await eventually(
      async () => {
        const policies = (await node.policy(marker)).ingress.tiers.flatMap((tier) => tier.policies);
        if (policies.map((policy) => policy.name).join() !== name) throw new Error(`${name} was not read`);
      },
      { within: 30_000, every: 3 },
    );
    await node.settled(() => true);
  }

  async function attach(pod: string): Promise<void> {
    addresses.set(pod, await node.add({ container: containerOf(pod), pod }));
  }

  async function listen(pod: string): Promise<void> {
    const both = addresses.get(pod) ?? [];
    expect(both, `addresses of ${pod}`).toEqual([both[0], counterpart(both[0] ?? '')]);
    const own = both.flatMap((text) => parseAddress(text) ?? []);
    await prober.add(pod, node.netns(pod), own);
  }

  async function detach(pod: string): Promise<void> {
    prober.remove(pod);
    addresses.delete(pod);
    const { code } = await node.call('DEL', { container: containerOf(pod), pod });
    expect(code).toBe(0);
  }

  /** Pods come and go as the world says: what kubelet would do. */
  async function followPods(world: World): Promise<void> {
    for (const pod of prober.hosts) if (!world.pods.has(pod)) await detach(pod);
    const fresh = [...world.pods.keys()].filter((pod) => !addresses.has(pod));
    await apply(world);
    if (fresh.length === 0) return;
    for (const pod of fresh) {
      await attach(pod);
      await listen(pod);
    }
    await apply(world);
  }

  function cellsOf(world: World): readonly Cell[] {
    const pods = [...world.pods.keys()];
    return pods.flatMap((from) =>
      pods.flatMap((to) =>
        (cases?.protocols ?? []).flatMap((protocol) =>
          (cases?.ports ?? []).flatMap((port) =>
            ([4, 6] as const).map((version) => ({ from, to, protocol, port, version })),
          ),
        ),
      ),
    );
  }

  describe.skipIf(cases === undefined)(
    `NetworkPolicy as other projects read it, by packets, written by ${renderer}`,
    () => {
      beforeAll(async () => {
        // The cases name addresses, so pods are attached until each has had its turn; the fillers go again.
        const wanted = new Map(Object.entries(cases?.podIPs ?? {}).map(([pod, ip]) => [ip, pod]));
        const last = Math.max(...[...wanted.keys()].map((ip) => Number(ip.split('.')[3])));
        const order = Array.from(
          { length: last },
          (_, n) => wanted.get(`10.244.1.${n + 1}`) ?? `fill/p${n + 1}`,
        );
        order[0] = marker;
        const fillers = order.filter((pod) => pod.startsWith('fill/'));
        const world = firstWorld();
        await apply(world, [namespaceObject('fill'), ...fillers.map((pod) => podObject(pod, 'node1'))]);
        await node.start(['--set', `nftablesMode=${renderer === 'nftables' ? 'Enabled' : 'Disabled'}`]);
        for (const pod of order) await attach(pod);
        for (const pod of fillers) await detach(pod);
        for (const pod of world.pods.keys()) await listen(pod);
        expect(
          Object.fromEntries([...world.pods.keys()].map((pod) => [pod, addresses.get(pod)?.[0]])),
        ).toEqual(cases?.podIPs);
        await apply(world);
      });
      afterAll(async () => {
        prober.close();
        await node.close();
      });

      test('without a policy every pod reaches every pod', async () => {
        const cells = cellsOf(firstWorld());
        const names = new Set(cells.map(cellName));
        expect((await prober.probe(cells, names)).size).toBe(names.size);
      });

      for (const { id, description, steps } of cases?.cases ?? []) {
        test(`case ${id}: ${description}`, async () => {
          const world = firstWorld();
          for (const step of steps) {
            for (const action of step.actions) act(world, action);
            await followPods(world);
            const cells = cellsOf(world).filter(({ from, to }) => from !== to); // a pod to itself is not judged
            const denied = new Set(step.denied.flatMap((name) => [name, `${name} IPv6`]));
            const must = new Set(cells.map(cellName).filter((name) => !denied.has(name)));
            const arrived = await prober.probe(cells, must);
            expect([...arrived].filter((name) => denied.has(name))).toEqual([]);
            expect([...must].filter((name) => !arrived.has(name))).toEqual([]);
          }
        });
      }
    },
  );
}
