/** FelixConfiguration, pools and annotations at work in a running `tortie felix`: without a restart where the docs say so. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { askSocket } from '../../src/host/socket.ts';
import { openConntrack } from '../../src/kernel/conntrack.ts';
import { udpSocket } from '../../src/kernel/sockets.ts';
import { type Address, ipv4, parseAddress } from '../../src/lib/net.ts';
import { interfaceName } from '../../src/model/endpoint.ts';
import type { ShownFelix } from '../../src/model/felix-shown.ts';
import { eventually } from '../support/eventually.ts';
import { createFelixNode, namespaceObject, nodeObject, podObject } from '../support/felix.ts';
import type { Running } from '../support/namespaces.ts';

const node = createFelixNode('fc', 'node1');
const pod = 'shop/web';
const host = interfaceName('shop', 'web');
const soon = { within: 30_000 };
const address = (text: string): Address => parseAddress(text) ?? ipv4(0);
const calico = (kind: string, name: string, spec: object): object => ({
  apiVersion: 'projectcalico.org/v3',
  kind,
  metadata: { name },
  spec,
});

let felix: Running;
let own = '';

interface World {
  readonly config?: object;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly natOutgoing?: boolean;
}

function store({ config = {}, annotations = {}, natOutgoing = false }: World): void {
  const object = podObject(pod, 'node1', { ips: own === '' ? [] : [own] }) as { readonly metadata: object };
  node.store([
    nodeObject('node1', '10.65.1.0/24'),
    namespaceObject('shop'),
    { ...object, metadata: { ...object.metadata, annotations } },
    calico('IPPool', 'pods', { cidr: '10.65.0.0/16', natOutgoing }),
    calico('FelixConfiguration', 'default', config),
  ]);
}

const inNode = (command: string): Promise<string> => node.ground.exec('node1', command);

/** Whom the outside sees. */
async function seenOutside(port: number): Promise<string> {
  const outside = `/run/netns/${node.ground.netns('outside')}`;
  const server = await udpSocket(outside, ipv4(0), port);
  const client = await udpSocket(node.netns(pod), ipv4(0), 0);
  const seen = new Promise<string>((resolve) => server.once('message', (_, from) => resolve(from.address)));
  const again = setInterval(() => client.send('x', port, '192.0.2.2'), 50);
  const found = await seen;
  clearInterval(again);
  server.close();
  client.close();
  return found;
}

const holds = (check: () => Promise<void>): Promise<void> => eventually(check, soon);

beforeAll(async () => {
  node.ground.link(['node1', 'eth0', '192.0.2.1/24'], ['outside', 'eth0', '192.0.2.2/24']);
  await node.ground.exec('outside', 'ip route add 10.65.0.0/16 via 192.0.2.1');
  await inNode('ip link set eth0 mtu 1444');
  await inNode('ip route add default via 192.0.2.2');
  store({});
  felix = await node.start(['--set', 'denyLogGroup=77']);
  [own = ''] = await node.add({ container: 'c1', pod });
  store({});
});
afterAll(() => node.close());

describe('FelixConfiguration', () => {
  test('pods get the MTU of the interface that mtuIfacePattern names', async () => {
    expect(await inNode(`ip link show ${host}`)).toContain('mtu 1444');
  });

  test('natOutgoing of a pool comes and goes while felix runs', async () => {
    expect(await seenOutside(6000)).toBe(own);
    store({ natOutgoing: true });
    await holds(async () => expect(await inNode('nft list table inet tortie')).toContain('masquerade'));
    expect(await seenOutside(6001)).toBe('192.0.2.1');
    store({});
    await holds(async () => expect(await inNode('nft list table inet tortie')).not.toContain('masquerade'));
    expect(await seenOutside(6002)).toBe(own);
  });

  test('settings of rules change in the kernel without a restart, and go back', async () => {
    store({ config: { nftablesFilterDenyAction: 'Reject', disableConntrackInvalidCheck: true } });
    await holds(async () =>
      expect(await inNode('nft list table inet tortie')).not.toContain('ct state invalid'),
    );
    store({});
    await holds(async () => expect(await inNode('nft list table inet tortie')).toContain('ct state invalid'));
    expect(felix.process.exitCode).toBeNull();
  });

  test('bandwidth follows the annotations of the pod', async () => {
    store({
      annotations: {
        'qos.projectcalico.org/ingressBandwidth': '10M',
        'qos.projectcalico.org/egressBandwidth': '20M',
      },
    });
    await holds(async () => {
      const qdiscs = await inNode('tc qdisc show');
      expect(qdiscs).toMatch(new RegExp(`tbf 1: dev ${host} root .*rate 10Mbit`));
      expect(qdiscs).toMatch(/tbf 1: dev ifb[0-9a-f]{11} root .*rate 20Mbit/);
    });
    store({});
    await holds(async () => expect(await inNode('tc qdisc show')).not.toContain('tbf'));
  });

  test('a floating address leads to the pod while floatingIPs is Enabled', async () => {
    const annotations = { 'cni.projectcalico.org/floatingIPs': '["198.51.100.9"]' };
    store({ annotations, config: { floatingIPs: 'Enabled' } });
    await holds(async () => {
      expect(await inNode('ip route show proto 81')).toContain('198.51.100.9');
      expect(await inNode('nft list table inet tortie')).toContain(`198.51.100.9 : ${own}`);
    });
    store({ annotations });
    await holds(async () => {
      expect(await inNode('ip route show proto 81')).not.toContain('198.51.100.9');
      expect(await inNode('nft list table inet tortie')).not.toContain('198.51.100.9');
    });
  });

  test('a pod that may send from elsewhere passes our check and the kernel’s', async () => {
    const annotations = { 'cni.projectcalico.org/allowedSourcePrefixes': '["203.0.113.0/24"]' };
    store({ annotations, config: { workloadSourceSpoofing: 'Any' } });
    await holds(async () => {
      expect(await inNode('nft list chain inet tortie allowed-sources')).toContain('203.0.113.0/24');
      expect(await inNode(`cat /proc/sys/net/ipv4/conf/${host}/rp_filter`)).toBe('0\n');
    });
    store({ annotations });
    await holds(async () => {
      expect(await inNode('nft list table inet tortie')).not.toContain('allowed-sources');
      expect(await inNode(`cat /proc/sys/net/ipv4/conf/${host}/rp_filter`)).toBe('1\n');
    });
  });

  test('the agent says what holds and where it is from', async () => {
    const socket = /--socket (\S+)/.exec(felix.process.spawnargs.join(' '))?.[1] ?? '';
    const answer = await askSocket(socket, '/configuration');
    const { fields } = (answer.ok ? answer.value.body : undefined) as ShownFelix;
    expect(fields.find(({ field }) => field === 'denyLogGroup')).toMatchObject({
      value: 77,
      from: 'command line',
    });
  });

  test('of a pod that is deleted no connection is left', async () => {
    await seenOutside(6003);
    const conntrack = openConntrack(`/run/netns/${node.ground.netns('node1')}`);
    const filter = { direction: 'original', side: 'source', address: address(own) } as const;
    expect(await conntrack.dump(filter)).not.toEqual([]);
    await node.call('DEL', { container: 'c1', pod });
    expect(await conntrack.dump(filter)).toEqual([]);
    conntrack.close();
  });

  test('what is taken only at the start ends the process with code 129', async () => {
    store({ config: { maxIpsetSize: 4 } });
    await felix.ended;
    expect(felix.process.exitCode).toBe(129);
    expect(felix.output()).toContain('maxIpsetSize');
  });
});
