/** The whole agent on a kernel in memory: what the CNI server answers when the world does not play along. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Agent, createAgent } from '../../../felix/agent.ts';
import type { Logger } from '../../../src/host/log.ts';
import { millis } from '../../../src/lib/net.ts';
import { interfaceName } from '../../../src/model/endpoint.ts';
import type { FelixStatus } from '../../../src/model/status.ts';
import { readManifest } from '../../../src/store/schema/manifest.ts';
import type { Batch, Change, Store } from '../../../src/store/store.ts';
import { virtualClock } from '../../support/clock.ts';
import { createFakeNetwork } from '../../support/fake-kernel.ts';
import { namespaceObject, nodeObject, podObject } from '../../support/felix.ts';

let stateDir = '';
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'tortie-agent-'));
});
afterEach(() => rm(stateDir, { recursive: true }));

const home = '/run/netns/node1';
const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const put = (json: object): Change => {
  const read = readManifest(json);
  if (!read.ok) throw new Error(JSON.stringify(read.error));
  return { kind: 'put', resource: read.value };
};
const cluster = [
  nodeObject('node1', '10.1.0.0/30'),
  namespaceObject('x'),
  podObject('x/a', 'node1'),
  podObject('x/b', 'node1'),
];

interface Said {
  readonly status: number;
  readonly code?: number;
  readonly msg?: string;
  readonly body: unknown;
}

type Network = ReturnType<typeof createFakeNetwork>;

/** One life of the agent on `network`; its store says what `tell` is given. */
async function live(network: Network) {
  const clock = virtualClock();
  const fatal: unknown[] = [];
  let onBatch: (batch: Batch) => void = () => {};
  const store: Store = {
    watch: (_, listener) => {
      onBatch = listener;
      return () => {};
    },
    putStatus: async () => {},
  };
  const agent: Agent = createAgent({
    node: 'node1',
    version: '0',
    stateDir,
    store,
    kernel: network.kernel(home),
    inNetns: network.inNetns,
    clock,
    random: () => 0,
    log: silent,
    chainsFreedLate: false,
    reporter: { say: () => {}, stop: () => {} },
    registerMetrics: () => ({ written: () => {}, refused: () => {}, foreign: () => {} }),
    onFatal: (error) => fatal.push(error),
  });
  const ask = async (
    path: string,
    headers: Readonly<Record<string, string>> = {},
    body = '',
  ): Promise<Said> => {
    const endpoint = agent.endpoints[path];
    if (endpoint === undefined) throw new Error(path);
    const answer = await endpoint({ query: new URLSearchParams(), headers, body });
    return { status: answer.status, ...(answer.body as object), body: answer.body };
  };
  return {
    agent,
    clock,
    fatal,
    tell: (objects: readonly object[], inSync = true): void =>
      onBatch({ changes: objects.map(put), inSync, problems: [] }),
    /** Lets time run, quickly, until the promise settles; the disk is real. */
    drive: async <T>(promise: Promise<T>): Promise<T> => {
      let isOver = false;
      const settled = promise.finally(() => {
        isOver = true;
      });
      while (!isOver) {
        clock.advance(50);
        await new Promise((resolve) => setTimeout(resolve));
      }
      return settled;
    },
    cni: (command: string, container: string, pod: string, more: Readonly<Record<string, string>> = {}) => {
      const headers = {
        'cni-command': command,
        'cni-containerid': container,
        'cni-netns': `/run/netns/${pod}`,
        'cni-ifname': 'eth0',
        'cni-args': `K8S_POD_NAMESPACE=x;K8S_POD_NAME=${pod}`,
        ...more,
      };
      return ask('POST /cni', headers, JSON.stringify({ cniVersion: '1.1.0', name: 'pods' }));
    },
    status: async () => (await ask('GET /status')).body as FelixStatus,
  };
}

async function ready(network: Network = networkOf('a', 'b')) {
  const life = await live(network);
  await life.drive(life.agent.run());
  life.tell(cluster);
  return { ...life, network, kernel: network.kernel(home) };
}

function networkOf(...pods: readonly string[]): Network {
  const network = createFakeNetwork();
  network.kernel(home);
  for (const pod of pods) network.kernel(`/run/netns/${pod}`);
  return network;
}

const ipsOf = (said: Said): readonly string[] =>
  (said.body as { readonly ips: readonly { readonly address: string }[] }).ips.map(({ address }) => address);

describe('ADD', () => {
  test('answers once route and policy are in the kernel, and everything of it is there', async () => {
    const { drive, cni, kernel, status } = await ready();
    const said = await drive(cni('ADD', 'c1', 'a'));
    expect(ipsOf(said)).toEqual(['10.1.0.1/32']);
    expect(kernel.transactions.at(-1)).toContain(interfaceName('x', 'a'));
    expect((await kernel.routes({ version: 4, protocol: 81 })).length).toBe(1);
    expect((await status()).endpoints).toEqual([
      { namespace: 'x', pod: 'a', interface: interfaceName('x', 'a'), addresses: ['10.1.0.1'], ready: true },
    ]);
  });

  test('before in-sync waits, then says so, and touches nothing', async () => {
    const network = networkOf('a');
    const life = await live(network);
    await life.drive(life.agent.run());
    life.tell(cluster, false);
    const said = await life.drive(life.cni('ADD', 'c1', 'a'));
    expect([said.code, said.msg]).toEqual([
      11,
      'tortie felix has not read the whole cluster yet; see that it can reach the datastore. It is tried again.',
    ]);
    expect(life.clock.now()).toBeGreaterThanOrEqual(20_000);
    expect((await network.kernel(home).links()).map(({ name }) => name)).toEqual(['lo']);
    expect(network.kernel(home).transactions).toEqual([]);
  });

  test('of a pod the datastore does not show waits for it', async () => {
    const { drive, cni, tell, clock, network } = await ready();
    network.kernel('/run/netns/new');
    const adding = cni('ADD', 'c1', 'new');
    clock.after(millis(3000), () => tell([podObject('x/new', 'node1')]));
    expect((await drive(adding)).status).toBe(200);
  });

  test('of a pod that never comes fails, and gives back the address and the interface', async () => {
    const { drive, cni, kernel, network, status } = await ready();
    network.kernel('/run/netns/ghost');
    const said = await drive(cni('ADD', 'c1', 'ghost'));
    expect([said.code, said.msg]).toEqual([
      11,
      'The datastore does not show pod x/ghost on node node1 after 20 s; see that felix can reach it and that the pod exists.',
    ]);
    expect((await kernel.links()).map(({ name }) => name)).toEqual(['lo']);
    expect((await status()).endpoints).toEqual([]);
  });

  test('says how full the pod CIDR is when it is, and works again after a DEL and the cool-down', async () => {
    const { drive, cni, tell, clock, network } = await ready();
    network.kernel('/run/netns/third');
    tell([podObject('x/third', 'node1')]);
    for (const pod of ['a', 'b']) await drive(cni('ADD', `c-${pod}`, pod));
    const full = await drive(cni('ADD', 'c3', 'third'));
    expect([full.code, full.msg]).toEqual([
      101,
      'No IPv4 address is free in 10.1.0.0/30: 2 of 2 are in use. Give Node node1 a larger spec.podCIDRs, or run fewer pods there.',
    ]);
    await drive(cni('DEL', 'c-a', 'a'));
    expect((await drive(cni('ADD', 'c3', 'third'))).code).toBe(11);
    clock.advance(30_000);
    expect(ipsOf(await drive(cni('ADD', 'c3', 'third')))).toEqual(['10.1.0.1/32']);
  });

  test('on a node without pod CIDRs says how to get some', async () => {
    const { drive, cni, tell } = await ready();
    tell([{ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node1' }, spec: {} }]);
    const said = await drive(cni('ADD', 'c1', 'a'));
    expect([said.code, said.msg]).toEqual([
      11,
      'Node node1 has no spec.podCIDRs in the datastore, so pods can get no address. Set them, or let kube-controller-manager do it (--allocate-node-cidrs).',
    ]);
  });

  test('whose ruleset the kernel refuses fails with its words and leaves nothing', async () => {
    const { drive, cni, kernel } = await ready();
    await drive(cni('STATUS', 'c', 'a').then(() => cni('ADD', 'c0', 'b')));
    kernel.refuseNft('line 7: No space left on device');
    const said = await drive(cni('ADD', 'c1', 'a'));
    expect(said.code).toBe(11);
    expect(said.msg).toContain('line 7: No space left on device');
    expect((await kernel.links()).map(({ name }) => name)).toEqual(['lo', interfaceName('x', 'b')]);
  });

  test('whose route the kernel refuses fails with its words and leaves nothing', async () => {
    const { drive, cni, kernel } = await ready();
    kernel.refuseRoutes((op) => (op.route.protocol === 81 ? 'ENOMEM' : undefined));
    const said = await drive(cni('ADD', 'c1', 'a'));
    expect([said.code, said.msg]).toEqual([102, expect.stringContaining('ENOMEM')]);
    expect((await kernel.links()).map(({ name }) => name)).toEqual(['lo']);
  });

  test('into a namespace that has the interface already, or is none, changes nothing', async () => {
    const { drive, cni, kernel, network } = await ready();
    network.kernel('/run/netns/a').addLink({ name: 'eth0' });
    const taken = await drive(cni('ADD', 'c1', 'a'));
    expect([taken.code, taken.msg]).toEqual([
      102,
      '/run/netns/a has an interface eth0 already; CNI_IFNAME must be free.',
    ]);
    expect((await drive(cni('ADD', 'c1', 'b', { 'cni-netns': '/run/netns/none' }))).code).toBe(3);
    expect((await kernel.links()).map(({ name }) => name)).toEqual(['lo']);
  });

  test('twice at the same time gives one interface and one address', async () => {
    const { drive, cni } = await ready();
    const [first, second] = await drive(Promise.all([cni('ADD', 'c1', 'a'), cni('ADD', 'c1', 'a')]));
    expect([ipsOf(first), ipsOf(second)]).toEqual([['10.1.0.1/32'], ['10.1.0.1/32']]);
  });
});

describe('another life', () => {
  test('keeps what is there, drops what is gone, and DEL works before the datastore does', async () => {
    const first = await ready();
    for (const pod of ['a', 'b']) await first.drive(first.cni('ADD', `c-${pod}`, pod));
    first.agent.stop();
    first.kernel.foreignDeleteLink(interfaceName('x', 'b'));
    const second = await live(first.network);
    await second.drive(second.agent.run());
    expect((await second.status()).endpoints.map(({ pod, addresses }) => [pod, addresses])).toEqual([
      ['a', ['10.1.0.1']],
    ]);
    expect((await second.drive(second.cni('DEL', 'c-a', 'a'))).status).toBe(204);
    expect((await first.kernel.links()).map(({ name }) => name)).toEqual(['lo']);
  });

  test('recognises an interface whose record is lost, and only its own sandbox can DEL it', async () => {
    const first = await ready();
    await first.drive(first.cni('ADD', 'c-a', 'a'));
    first.agent.stop();
    await rm(join(stateDir, 'cni'), { recursive: true });
    const second = await ready(first.network);
    await second.drive(second.cni('ADD', 'c-b', 'b'));
    expect(
      (await second.status()).endpoints.map(({ pod, addresses, ready: is }) => [pod, addresses, is]),
    ).toEqual([
      ['a', ['10.1.0.1'], true],
      ['b', ['10.1.0.2'], true],
    ]);
    first.network.kernel('/run/netns/older');
    await second.drive(second.cni('DEL', 'older', 'a', { 'cni-netns': '/run/netns/older' }));
    expect((await second.status()).endpoints.map(({ pod }) => pod)).toEqual(['a', 'b']);
    await second.drive(second.cni('DEL', 'c-a', 'a'));
    expect((await second.status()).endpoints.map(({ pod }) => pod)).toEqual(['b']);
  });
});

test('an interface that goes away without DEL takes its policy and route along; DEL then gives the address back', async () => {
  const { drive, cni, kernel, status, clock } = await ready();
  await drive(cni('ADD', 'c-a', 'a'));
  kernel.foreignDeleteLink(interfaceName('x', 'a'));
  await drive(new Promise<void>((resolve) => clock.after(millis(500), resolve)));
  expect(kernel.transactions.at(-1)).toContain(
    `delete element inet tortie from-endpoint { "${interfaceName('x', 'a')}"`,
  );
  expect((await status()).endpoints[0]?.ready).toBe(false);
  expect((await drive(cni('DEL', 'c-a', 'a'))).status).toBe(204);
  expect((await status()).endpoints).toEqual([]);
});

test('/readyz says what is missing until the ruleset is in the kernel', async () => {
  const life = await live(networkOf());
  await life.drive(life.agent.run());
  expect(life.agent.health.ready()).toBe('The datastore has not been read whole yet.');
  life.tell(cluster);
  expect(life.agent.health.ready()).toBe('The ruleset is not in the kernel yet.');
  await life.drive(new Promise<void>((resolve) => life.clock.after(millis(100), resolve)));
  expect(life.agent.health.ready()).toBeUndefined();
  expect(life.fatal).toEqual([]);
});
