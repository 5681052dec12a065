/** `tortie clean` after the real daemons: the node is as it was, whatever others have on it. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { notDone } from '../../src/clean/daemonset.ts';
import { eventually } from '../support/eventually.ts';
import { createFelixNode, namespaceObject, nodeObject, podObject } from '../support/felix.ts';
import type { Running } from '../support/namespaces.ts';

const node = createFelixNode('cl', 'node1');
const pods = ['shop/web', 'shop/friend'];
const sockets = dirname(node.stateDir);
const emptied = mkdtempSync(join(tmpdir(), 'tortie-cl-sockets-'));

/** All that routing, filtering and links have; counters and what only time changes are not listed. */
const kernel = (): Promise<string> =>
  node.ground.exec(
    'node1',
    'nft -s list ruleset; ip -d route show table all; ip -6 -d route show table all; ip rule; ip -6 rule; ip -br link',
  );

async function clean(
  ...argv: readonly string[]
): Promise<{ readonly code: number | null; readonly said: string }> {
  const running = node.ground.tortie('node1', ['clean', '--state-dir', node.stateDir, ...argv]);
  await eventually(() => expect(running.process.exitCode).not.toBeNull(), { within: 30_000 });
  return { code: running.process.exitCode, said: running.output() };
}

let before = '';
let felix: Running | undefined;

beforeAll(async () => {
  node.store([
    nodeObject('node1', '10.244.1.0/24', 'fd00:1::/64'),
    namespaceObject('shop'),
    ...pods.map((pod) => podObject(pod, 'node1', { labels: {} })),
  ]);
  // A node forwards already, and that stays. Others' work: a table, routes, and an interface called as Calico, too, would call it.
  await node.ground.exec(
    'node1',
    `echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
     nft 'add table inet other; add chain inet other forward { type filter hook forward priority 0; }; add table ip tortie'
     ip link add cali00000000001 type veth peer name other0; ip link set cali00000000001 up; ip link set other0 up
     ip route add 198.51.100.0/24 dev other0 proto static; ip route add blackhole 203.0.113.0/24 proto bird
     ip -6 route add 2001:db8:9::/48 dev other0 table 77 metric 5`,
  );
  await eventually(
    async () => expect(await node.ground.exec('node1', 'ip -6 address')).not.toContain('tentative'),
    {
      within: 15_000,
    },
  );
  before = await kernel();
  felix = await node.start();
  for (const pod of pods) await node.add({ container: `container-of-${pod.slice(5)}`, pod });
  // What `tortie bgp` leaves behind, in any table.
  await node.ground.exec(
    'node1',
    `ip route add 10.244.2.0/24 dev other0 proto 80; ip route add unreachable 10.244.1.0/24 proto 80 metric 9
     ip -6 route add fd00:2::/64 dev other0 proto 80; ip route add blackhole 10.245.0.0/16 proto 80 table 99
     ip route add local 169.254.77.1 dev lo table local proto 82; ip -6 route add local fd00:77::1 dev lo table local proto 82`,
  );
});
afterAll(async () => {
  await node.close();
  rmSync(emptied, { recursive: true });
});

test('nothing is removed while a daemon runs that would put it back', async () => {
  const { code, said } = await clean('--pods', '--socket-dir', sockets, '--patience', '0');
  expect(said).toContain('tortie felix still runs here');
  expect(code).toBe(1);
  expect(await kernel()).toContain('table inet tortie');
});

test('without --pods the pods of this node keep interface and route; policy and learned routes go', async () => {
  await felix?.end();
  const { code, said } = await clean('--socket-dir', sockets);
  expect(said).toContain('removed route 10.244.2.0/24 of protocol 80');
  expect(said).toContain('removed route 169.254.77.1/32 of protocol 82');
  expect(code).toBe(0);
  const now = await kernel();
  expect(now).not.toContain('table inet tortie');
  expect(now).not.toMatch(/proto (bgp-tortie|80) /);
  expect(now.match(/^10\.244\.1\.\d+ dev cali.*proto 81|unicast 10\.244\.1\.\d+ dev cali/gm)).toHaveLength(2);
});

test('with --pods the kernel is byte for byte as it was, and --state leaves no file', async () => {
  writeFileSync(join(emptied, 'left.sock'), '');
  mkdirSync(join(emptied, 'more'));
  const { code, said } = await clean('--pods', '--state', '--socket-dir', emptied);
  expect(said).toMatch(/removed interface cali/);
  expect(code).toBe(0);
  expect(await kernel()).toBe(before);
  expect(existsSync(node.stateDir) && readdirSync(node.stateDir)).toEqual([]);
  expect(readdirSync(emptied)).toEqual([]);
});

test('done again it finds nothing, which is no failure', async () => {
  const { code, said } = await clean('--pods', '--state', '--socket-dir', emptied);
  expect(said).toBe('nothing of Tortie was in the kernel\n');
  expect(code).toBe(0);
});

/** Of both iptables and of ipset. */
const rules = (): Promise<string> =>
  node.ground.exec(
    'node1',
    'for one in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do $one-save; done | grep -v "^#" | sed "s/\\[.*//"; ipset save',
  );

test.each([
  ['NFT', 'nft'],
  ['Legacy', 'legacy'],
])(
  'what felix wrote by iptables (%s) goes with its sets, and what others have there stays',
  async (backend, program) => {
    await node.ground.exec(
      'node1',
      `for one in iptables ip6tables; do for table in raw mangle nat filter; do
       $one-${program} -t $table -A OUTPUT -p tcp -m comment --comment tortie-of-others; done; done`,
    );
    await node.ground.exec('node1', 'ipset -exist create theirs hash:ip');
    const found = await rules();
    const written = await node.start([
      '--set',
      'nftablesMode=Disabled',
      '--set',
      `iptablesBackend=${backend}`,
    ]);
    expect(await rules()).toContain('tortie-to-pods');
    // Before that the agent would put its own house in order.
    await written.end();
    await node.ground.exec(
      'node1',
      `iptables-${program} -A FORWARD -j tortie-to-pods; ipset create tortie-left hash:ip`,
    );
    const { code, said } = await clean('--pods', '--socket-dir', emptied);
    expect(said).toContain(`removed rules and chains of iptables (${program})`);
    expect(said).toContain(`removed rules and chains of ip6tables (${program})`);
    expect(said).toContain('removed ipset tortie-left');
    expect(code).toBe(0);
    expect(await rules()).toBe(found);
    expect((await clean('--pods', '--socket-dir', emptied)).said).toBe(
      'nothing of Tortie was in the kernel\n',
    );
  },
  60_000,
);

test('the older iptables is not asked where it has no tables: asking would make them', async () => {
  const ground = node.ground;
  await ground.exec('fresh', 'true');
  const running = ground.tortie('fresh', ['clean', '--state-dir', emptied, '--socket-dir', emptied]);
  await eventually(() => expect(running.process.exitCode).toBe(0), { within: 30_000 });
  expect(await ground.exec('fresh', 'cat /proc/net/ip_tables_names 2>/dev/null || true')).toBe('');
});

test('a DaemonSet is done when its controller has seen it and every node is ready', () => {
  const of = (seen: number, desired: number, ready: number) =>
    notDone({
      metadata: { generation: 2 },
      status: { observedGeneration: seen, desiredNumberScheduled: desired, numberReady: ready },
    });
  expect(of(2, 3, 3)).toBeUndefined();
  expect(of(2, 0, 0)).toBeUndefined();
  expect(of(2, 3, 2)).toBe('2 of 3 nodes are done');
  expect(of(1, 3, 3)).toBe('it was not looked at yet');
  expect(notDone({})).toBe('it was not looked at yet');
});
