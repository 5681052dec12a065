/** A packet that policy denies leaves a record of who, whom and why, whoever writes the rules. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { flowLine } from '../../src/ctl/flows.ts';
import { askSocket } from '../../src/host/socket.ts';
import { udpSocket } from '../../src/kernel/sockets.ts';
import { type Address, ipv4, ipv6, isIpv4, parseAddress } from '../../src/lib/net.ts';
import type { Flows } from '../../src/model/flow.ts';
import { eventually } from '../support/eventually.ts';
import { createFelixNode, namespaceObject, nodeObject, podObject } from '../support/felix.ts';
import type { Running } from '../support/namespaces.ts';

const isolate = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { namespace: 'shop', name: 'isolate' },
  spec: { podSelector: { matchLabels: { app: 'db' } }, policyTypes: ['Ingress'] },
};
let dnsPorts = [53];
const noDns = (): object => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'GlobalNetworkPolicy',
  metadata: { name: 'no-dns' },
  spec: {
    selector: "app == 'front'",
    types: ['Egress'],
    egress: [{ action: 'Deny', protocol: 'UDP', destination: { ports: dnsPorts } }, { action: 'Allow' }],
  },
});

describe.each(['nftables', 'iptables'] as const)('with rules written by %s', (renderer) => {
  const node = createFelixNode(`ob${renderer[0]}`, 'node1');
  const pods = { 'shop/front': 'front', 'shop/db': 'db' } as const;
  const addresses = new Map<string, readonly string[]>();
  let felix: Running;

  const store = (): void =>
    node.store([
      nodeObject('node1', '10.65.1.0/24', 'fd00:65:1::/64'),
      namespaceObject('shop'),
      ...Object.entries(pods).map(([pod, app]) =>
        podObject(pod, 'node1', { labels: { app }, ips: addresses.get(pod) ?? [] }),
      ),
      isolate,
      noDns(),
    ]);

  const socketOf = (): string => /--socket (\S+)/.exec(felix.process.spawnargs.join(' '))?.[1] ?? '';

  async function flows(query: string): Promise<Flows> {
    const answer = await askSocket(socketOf(), `/flows?${query}`);
    if (!answer.ok) throw new Error(answer.error);
    return answer.value.body as Flows;
  }

  /** Sends until a record of it is there. @param from  an address of shop/front, by its network or not */
  async function denied(to: string, port: number, from?: Address): Promise<Flows['flows'][number]> {
    const any = isIpv4(parseAddress(to) ?? ipv4(0)) ? ipv4(0) : ipv6(0n);
    const socket = await udpSocket(node.netns('shop/front'), from ?? any, 0);
    const sending = setInterval(() => socket.send('x', port, to), 100);
    try {
      return await eventually(
        async () => {
          const { flows: found } = await flows('denied');
          const record = found.find(
            ({ destination }) => destination.address === to && destination.port === port,
          );
          if (record === undefined) throw new Error(`no record: ${felix.output()}`);
          return record;
        },
        { within: 20_000 },
      );
    } finally {
      clearInterval(sending);
      socket.close();
    }
  }

  beforeAll(async () => {
    dnsPorts = [53];
    store();
    felix = await node.start(['--set', `nftablesMode=${renderer === 'nftables' ? 'Enabled' : 'Disabled'}`]);
    for (const pod of Object.keys(pods))
      addresses.set(pod, await node.add({ container: `c-${pod.slice(5)}`, pod }));
    store();
    await node.settled(({ endpoints }) => endpoints.length === 2 && endpoints.every(({ ready }) => ready));
  }, 60_000);
  afterAll(() => node.close());

  test.each([0, 1])('a packet that no rule of an isolated pod takes (family %d)', async (family) => {
    const [to = '', from = ''] = ['shop/db', 'shop/front'].map((pod) => addresses.get(pod)?.[family]);
    expect(await denied(to, 5432)).toMatchObject({
      action: 'Deny',
      direction: 'Ingress',
      source: { address: from, who: 'pod shop/front' },
      destination: { address: to, port: 5432, who: 'pod shop/db' },
      protocol: 17,
      tier: 'default',
      isolatedBy: ['KubernetesNetworkPolicy shop/isolate'],
    });
  });

  test.each([0, 1])('a packet that a rule of the sender denies (family %d)', async (family) => {
    const to = addresses.get('shop/db')?.[family] ?? '';
    expect(await denied(to, 53)).toMatchObject({
      direction: 'Egress',
      tier: 'default',
      policy: 'GlobalNetworkPolicy no-dns',
      rule: 1,
    });
  });

  test('a packet from an address that the pod does not have', async () => {
    await node.ground.exec('shop-front', 'ip address add 10.0.0.9/32 dev lo');
    const record = await denied(addresses.get('shop/db')?.[0] ?? '', 7777, parseAddress('10.0.0.9'));
    expect(record).toMatchObject({
      ...{ action: 'Deny', direction: 'Egress', dropped: 'reversePath' },
      source: { address: '10.0.0.9', owner: 'pod shop/front' },
    });
    expect(flowLine(record)).toMatch(
      /denied at shop\/front \(egress\) because shop\/front sent from 10\.0\.0\.9, which is not its address$/,
    );
    expect(
      (await flows('denied&pod=shop/front')).flows.some(({ dropped }) => dropped === 'reversePath'),
    ).toBe(true);
  });

  test('who waits for a record is answered with it', async () => {
    const { next } = await flows('denied');
    const waiting = flows(`denied&after=${next}&wait=4000`);
    await denied(addresses.get('shop/db')?.[0] ?? '', 7878);
    const { flows: found } = await waiting;
    expect(found.length).toBeGreaterThan(0);
    expect(found.every(({ seq }) => seq > next)).toBe(true);
  });

  test('a packet that could pass for a tunnel of the nodes', async () => {
    expect(await denied(addresses.get('shop/db')?.[0] ?? '', 4789)).toMatchObject({ dropped: 'vxlan' });
  });

  /** Of a metric, the series with this in its labels: their sum. */
  async function metric(name: string, ...labels: readonly string[]): Promise<number> {
    const script = "fetch('http://127.0.0.1:9091/metrics').then((answer) => answer.text()).then(console.log)";
    const text = await node.ground.exec('node1', `${process.execPath} -e "${script}"`);
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  test('what a rule counted is told, and is not forgotten when its chain is rewritten', async () => {
    const read = (): Promise<number> =>
      metric('felix_policy_rule_packets_total', 'policy="GlobalNetworkPolicy no-dns"', 'rule="1"');
    const [to = ''] = addresses.get('shop/db') ?? [];
    await denied(to, 53);
    const before = await eventually(
      async () => {
        const count = await read();
        if (count === 0) throw new Error('nothing is counted');
        return count;
      },
      { within: 20_000, every: 500 },
    );
    dnsPorts = [53, 5353];
    store();
    await denied(to, 5353);
    await eventually(async () => expect(await read()).toBeGreaterThan(before), {
      within: 45_000,
      every: 500,
    });
    expect(await metric('felix_denied_packets_total', 'reason="rule"')).toBeGreaterThan(before);
    expect(await metric('felix_denied_packets_total', 'reason="no rule matched"')).toBeGreaterThan(0);
    for (const reason of ['reverse path: a source this pod does not have', 'VXLAN from a pod'])
      expect(await metric('felix_denied_packets_total', `reason="${reason}`)).toBeGreaterThan(0);
    expect(await metric('felix_store_to_kernel_time_seconds_bucket', 'le="+Inf"')).toBeGreaterThan(0);
  }, 120_000);

  test('records are asked for by pod, by namespace, and from where one stopped', async () => {
    const all = await flows('denied');
    expect(all.flows.length).toBeGreaterThan(0);
    expect((await flows('denied&pod=shop/db')).flows.length).toBeGreaterThan(0);
    expect((await flows('namespace=other')).flows).toEqual([]);
    expect((await flows(`after=${all.next}`)).flows.every(({ seq }) => seq > all.next)).toBe(true);
    expect(all.deaf).toBeUndefined();
  });
});
