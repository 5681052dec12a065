/**
 * `tortiectl doctor` on nodes that are namespaces: each fault is planted in a real kernel, found, taken away, and not found
 * any more. The files of the host come from a directory of the test's own.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Diagnosis } from '../../src/ctl/doctor/check.ts';
import { eventually } from '../support/eventually.ts';
import { createPlayground } from '../support/namespaces.ts';

const launcher = new URL('../../src/tortie.ts', import.meta.url).pathname;
const ground = createPlayground('doc');
const host = mkdtempSync(join(tmpdir(), 'doctor-'));
const cniDirectory = join(host, 'etc/cni/net.d');
const ours = {
  cniVersion: '1.1.0',
  name: 'k8s-pod-network',
  plugins: [{ type: 'tortie' }, { type: 'portmap' }],
};
const cniFile = (name: string, content: unknown): void =>
  writeFileSync(join(cniDirectory, name), typeof content === 'string' ? content : JSON.stringify(content));
const uncni = (name: string): void => rmSync(join(cniDirectory, name));
const protocols = (text: string): void =>
  writeFileSync(join(host, 'etc/iproute2/rt_protos.d/tortie.conf'), text);

const on = (command: string): Promise<string> => ground.exec('node', command);
const nft = (script: string): Promise<string> => on(`nft -f - <<'END'\n${script}\nEND`);

function doctor(
  ...more: readonly string[]
): Promise<{ readonly code: number; readonly diagnosis: Diagnosis }> {
  const netns = ground.netns('node');
  const argv = ['ctl', 'doctor', '--scope', 'node', '--host-root', host, '-o', 'json', ...more];
  return new Promise((resolve, reject) => {
    execFile(
      'nsenter',
      [`--net=/run/netns/${netns}`, process.execPath, launcher, ...argv],
      (error, stdout, stderr) => {
        if (stdout === '') return reject(new Error(stderr));
        resolve({
          code: error === null ? 0 : Number(error.code),
          diagnosis: JSON.parse(stdout) as Diagnosis,
        });
      },
    );
  });
}

/** The command that sets a value below net/ipv4 of /proc/sys. */
const set = (path: string, value: number): string => `echo ${value} > /proc/sys/net/ipv4/${path}`;

beforeAll(async () => {
  mkdirSync(cniDirectory, { recursive: true });
  mkdirSync(join(host, 'etc/iproute2/rt_protos.d'), { recursive: true });
  cniFile('10-tortie.conflist', ours);
  protocols('# ours\n80\ttortie-bgp\n81\ttortie-felix\n');
  ground.link(['node', 'eth0', '172.30.0.11/24'], ['rack', 'to-node']);
  ground.link(['node', 'eth1', '172.31.0.11/24'], ['rack', 'to-node1']);
  ground.link(['node', 'cali0', '169.254.1.1/32'], ['pod', 'eth0']);
  await on(
    `${set('ip_forward', 1)}; ${set('conf/all/rp_filter', 0)}; ${set('conf/eth0/rp_filter', 0)}; ${set('conf/eth1/rp_filter', 0)}; ` +
      'ip route add default nexthop via 172.30.0.1 dev eth0 nexthop via 172.31.0.1 dev eth1; ' +
      'ip route add 10.244.2.0/24 via 172.30.0.12 proto 80; ip route add 10.244.1.5/32 dev cali0 proto 81; ' +
      'nft add table inet tortie',
  );
  await nft('table inet tortie { chain forward { type filter hook forward priority 0; policy drop; }; }');
});
afterAll(async () => {
  await ground.close();
  rmSync(host, { recursive: true });
});

const isWell = async (): Promise<void> => {
  const { code, diagnosis } = await doctor();
  expect({ code, ...diagnosis }).toMatchObject({ code: 0, findings: [], skipped: [] });
};

test('of a node that is well nothing is said, its own ruleset included', isWell);

const forward = (rules: string, policy = 'accept'): string =>
  `table inet firewall { chain inner { }; chain forward { type filter hook forward priority 10; policy ${policy}; ${rules} }; }`;
const unforward = 'nft delete table inet firewall';

describe('is found, and once taken away not found any more:', () => {
  test.each<[string, string, RegExp, () => unknown, () => unknown]>([
    [
      'forwarding switched off',
      'forwarding',
      /net\/ipv4\/conf\/eth0\/forwarding is 0/,
      () => on(set('ip_forward', 0)),
      () => on(set('ip_forward', 1)),
    ],
    [
      'a strict reverse path filter on one of two uplinks',
      'rp-filter',
      /eth1\/rp_filter is 1: strict; .* eth0, eth1/,
      () => on(set('conf/eth1/rp_filter', 1)),
      () => on(set('conf/eth1/rp_filter', 0)),
    ],
    [
      'a pod interface larger than the way out',
      'mtu',
      /cali0 has MTU 9000; eth0, by which other machines are reached, has 1500/,
      () => on('ip link set cali0 mtu 9000'),
      () => on('ip link set cali0 mtu 1500'),
    ],
    [
      'uplinks of different MTU',
      'mtu',
      /eth0 has MTU 1500, eth1 has MTU 9000/,
      () => on('ip link set eth1 mtu 9000'),
      () => on('ip link set eth1 mtu 1500'),
    ],
    [
      'an MTU in the CNI configuration that does not fit',
      'mtu',
      /10-tortie\.conflist says "mtu": 9000; eth0 has 1500/,
      () => cniFile('10-tortie.conflist', { ...ours, plugins: [{ type: 'tortie', mtu: 9000 }] }),
      () => cniFile('10-tortie.conflist', ours),
    ],
    [
      'another table whose policy is drop',
      'foreign-rules',
      /its policy at the forward hook is drop/,
      () => nft(forward('', 'drop')),
      () => on(unforward),
    ],
    [
      'a last rule that drops everything',
      'foreign-rules',
      /drops packets of pods/,
      () => nft(forward('ct state established accept; counter drop;')),
      () => on(unforward),
    ],
    [
      'a rule that rejects what pods send',
      'foreign-rules',
      /drops packets of pods/,
      () => nft(forward('iifname "cali*" reject;')),
      () => on(unforward),
    ],
    [
      'a rule against the pods of another node',
      'foreign-rules',
      /drops packets of pods/,
      () => nft(forward('ip daddr 10.244.0.0/16 drop;')),
      () => on(unforward),
    ],
    [
      'a drop in a chain that is jumped to',
      'foreign-rules',
      /drops packets of pods/,
      () => nft(`${forward('iifname "eth0" jump inner;')}\nadd rule inet firewall inner drop`),
      () => on(unforward),
    ],
    [
      'a CNI configuration that comes first by name',
      'cni',
      /holds 05-flannel\.conflist, 10-tortie\.conflist; the first by name .* runs flannel/,
      () => cniFile('05-flannel.conflist', { name: 'cbr0', plugins: [{ type: 'flannel' }] }),
      () => uncni('05-flannel.conflist'),
    ],
    [
      'a CNI configuration that is no JSON',
      'cni',
      /99-junk\.conf is not JSON/,
      () => cniFile('99-junk.conf', '{'),
      () => uncni('99-junk.conf'),
    ],
    [
      'no CNI configuration of ours',
      'cni',
      /holds no configuration, and none of them/,
      () => uncni('10-tortie.conflist'),
      () => cniFile('10-tortie.conflist', ours),
    ],
    [
      'a protocol number of another',
      'rt-protos',
      /calls it other/,
      () => protocols('80 other\n81 tortie-felix\n'),
      () => protocols('80 tortie-bgp\n81 tortie-felix\n'),
    ],
  ])('%s', async (_, check, evidence, plant, takeAway) => {
    await plant();
    const { code, diagnosis } = await doctor();
    expect(diagnosis.findings.map((one) => one.check)).toEqual([check]);
    expect(diagnosis.findings[0]?.evidence).toMatch(evidence);
    expect(code).toBe(1);
    await takeAway();
    await isWell();
  });
});

test.each([
  ['that drops only what it cannot place', 'ct state invalid drop;', 'accept'],
  ['about another interface', 'iifname "docker0" drop;', 'accept'],
  ['about other addresses', 'ip saddr 192.0.2.0/24 drop;', 'accept'],
  ['of policy drop that lets pods pass', 'iifname "cali*" accept; oifname "cali*" accept;', 'drop'],
])('a table %s is not accused', async (_, rules, policy) => {
  await nft(forward(rules, policy));
  await isWell();
  await on(unforward);
});

test('another owner of port 179 is named with its command', async () => {
  const script = "require('node:net').createServer().listen(179, () => console.log('listens'))";
  const other = ground.start('node', [process.execPath, '-e', script]);
  await eventually(() => expect(other.output()).toContain('listens'), { within: 15_000 });
  const { diagnosis } = await doctor('--only', 'bgp-port');
  expect(diagnosis.findings).toMatchObject([
    { check: 'bgp-port', severity: 'error', evidence: expect.stringMatching(/process \d+ \(.*createServer/) },
  ]);
  await other.end();
  await isWell();
});

test('without a name for our routing protocols that is noted, and no failure', async () => {
  protocols('');
  const { code, diagnosis } = await doctor('--only', 'rt-protos');
  expect(diagnosis.findings.map(({ severity }) => severity)).toEqual(['note']);
  expect(code).toBe(0);
  protocols('80 tortie-bgp\n81 tortie-felix\n');
});
