/**
 * The shop's ruleset under real packets: a node with the pods web and db, and front on another node.
 *
 *   web (10.244.1.2, fd00:1::2) ── cali… ┐
 *   db  (10.244.1.3)            ── cali… ┴ node ── up0 ── front (10.244.2.7, fd00:2::7)
 */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { change, type Graph, removeEndpoint, rulesetOf, tick } from '../../felix/calc/graph.ts';
import { renderChange, renderRuleset } from '../../felix/rules/text.ts';
import type { Resource } from '../../src/model/resource.ts';
import { eventually } from '../support/eventually.ts';
import { createPlayground, type Running } from '../support/namespaces.ts';
import { dbAddresses, shopEndpoint, shopGraph, shopPolicy, webAddresses } from '../support/shop.ts';

const playground = createPlayground('policy');
const sh = (name: string, ...lines: readonly string[]): Promise<string> =>
  playground.exec(name, ['set -e', ...lines].join('\n'));

/** A pod as Calico wires it: the gateway is an address nobody has, and the node answers for it. */
async function plug(pod: string, addresses: readonly string[]): Promise<void> {
  const host = shopEndpoint(pod, addresses).interface;
  playground.link(['node', host], [pod, 'eth0']);
  await sh(
    'node',
    `echo 1 > /proc/sys/net/ipv4/conf/${host}/proxy_arp`,
    `echo 0 > /proc/sys/net/ipv4/neigh/${host}/proxy_delay`,
    `ip address add fe80::1/64 dev ${host} nodad`,
    ...addresses.map((each) => `ip route add ${each} dev ${host}`),
  );
  await sh(
    pod,
    ...addresses.map((each) => `ip address add ${each}/${each.includes(':') ? '128 nodad' : '32'} dev eth0`),
    'ip route add 169.254.1.1 dev eth0 scope link',
    'ip route add default via 169.254.1.1 dev eth0',
    'ip route add default via fe80::1 dev eth0',
    'ip address add 10.99.0.1/32 dev lo', // an address the node routes elsewhere
  );
}

/** Echoes on these ports in both families: one process, which leaves nothing behind. */
const listen = (name: string, ...ports: readonly number[]): Running =>
  playground.start(name, [
    process.execPath,
    '-e',
    `for (const port of ${JSON.stringify(ports)})
       require('net').createServer((s) => s.on('error', () => {}).pipe(s)).listen(port, '::', () => console.log(port))`,
  ]);

/** Says a word every tenth of a second, and prints what comes back. */
const chat = (name: string, host: string, port: number): Running =>
  playground.start(name, [
    process.execPath,
    '-e',
    `let n = 0;
     const s = require('net').connect(${port}, '${host}');
     s.on('data', (d) => process.stdout.write(d));
     setInterval(() => s.write('word ' + n++ + ';'), 100)`,
  ]);

beforeAll(async () => {
  playground.link(
    ['node', 'up0', '10.0.0.1/24', 'fd00::1/64'],
    ['front', 'eth0', '10.0.0.2/24', 'fd00::2/64'],
  );
  for (const path of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding'])
    await sh('node', `echo 1 > /proc/sys/net/${path}`);
  // Proxy ARP answers only for what the node has a route to by another interface.
  await sh('node', 'ip route add default via 10.0.0.2', 'ip route add fd00:2::7 via fd00::2');
  await sh('front', 'ip address add 10.244.2.7/32 dev lo', 'ip address add fd00:2::7/128 dev lo nodad');
  await sh('front', 'ip route add default via 10.0.0.1 src 10.244.2.7');
  await sh('front', 'ip route add default via fd00::1 src fd00:2::7');
  await plug('web', webAddresses);
  await plug('db', dbAddresses);
  const listeners = [
    listen('web', 443, 8080, 8081),
    listen('db', 5432),
    listen('front', 53, 80),
    listen('node', 53),
  ];
  for (const each of listeners)
    await eventually(() => expect(each.output()).not.toBe(''), { within: 15_000 });
});
afterAll(() => playground.close());

const load = (script: string): void => {
  execFileSync('nsenter', [`--net=/run/netns/${playground.netns('node')}`, 'nft', '-f', '-'], {
    input: script,
  });
};

let graph: Graph;
beforeEach(async () => {
  graph = shopGraph();
  tick(graph);
  load(renderRuleset(rulesetOf(graph)));
});

const apply = (...resources: readonly Resource[]): void => {
  for (const resource of resources) change(graph, { kind: 'put', resource });
  for (const script of renderChange(tick(graph))) load(script);
};

/** Sends a word and wants it back; `from` may be a source address. */
async function answers(name: string, address: string, port: number, from?: string): Promise<boolean> {
  const host = address.includes(':') ? `TCP6:[${address}]:${port}` : `TCP4:${address}:${port}`;
  const options = `connect-timeout=0.6${from === undefined ? '' : `,bind=${from}`}`;
  return (
    (await sh(name, `echo word | timeout 2 socat -t1 - ${host},${options} 2>&1 || true`)).trim() === 'word'
  );
}

/** One answer proves it; none may mean that the machine stood still. */
const isAnswered = (name: string, address: string, port: number): Promise<void> =>
  eventually(async () => expect(await answers(name, address, port)).toBe(true), { within: 30_000 });

const [web4 = '', web6 = ''] = webAddresses;
const [db4 = ''] = dbAddresses;
const allowDb = shopPolicy('allow-db', {
  podSelector: { matchLabels: { app: 'db' } },
  ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }] }],
});

test('a pod is reached by those its policies name, by number and by name, in both families', async () => {
  await isAnswered('front', web4, 443);
  await isAnswered('front', web6, 443);
  await isAnswered('front', web4, 8080);
  expect(await answers('front', web4, 8081)).toBe(false);
  expect(await answers('db', web4, 443)).toBe(false);
});

test('between two pods of one node both must allow it', async () => {
  expect(await answers('web', db4, 5432)).toBe(false); // web may ask, db may not answer
  apply(allowDb);
  await isAnswered('web', db4, 5432);
  apply(shopPolicy('allow-web', { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Egress'] }));
  expect(await answers('web', db4, 5432)).toBe(false); // db may answer, web may not ask
});

test('an established connection keeps flowing when policy turns against it, and no new one begins', async () => {
  const talk = chat('front', web4, 443);
  const heard = (): number => talk.output().split(';').length;
  await eventually(() => expect(heard()).toBeGreaterThan(2), { within: 15_000 });
  apply(shopPolicy('allow-web', { podSelector: { matchLabels: { app: 'web' } } }));
  const soFar = heard();
  expect(await answers('front', web4, 443)).toBe(false);
  await eventually(() => expect(heard()).toBeGreaterThan(soFar + 5), { within: 15_000 });
  await talk.end();
});

test('the host reaches its pods, and a pod its host as far as egress policy lets it', async () => {
  await isAnswered('node', db4, 5432);
  await isAnswered('node', web4, 8081);
  await isAnswered('db', '10.0.0.1', 53); // no egress policy
  expect(await answers('web', '10.0.0.1', 53)).toBe(false); // a host is no pod
});

test('a pod that nothing isolates sends anywhere, but only from its own address', async () => {
  await isAnswered('db', '10.244.2.7', 80);
  await sh(
    'front',
    'nft -f - <<E',
    'table inet seen { chain in { type filter hook input priority 0; ip saddr 10.99.0.1 counter; }; }',
    'E',
  );
  const seen = async (): Promise<number> =>
    Number(/packets (\d+)/.exec(await sh('front', 'nft list table inet seen'))?.[1]);
  await answers('db', '10.244.2.7', 80, '10.99.0.1');
  expect(await seen()).toBe(0);
  await sh('node', 'nft delete table inet tortie'); // and it is the table that held it
  await eventually(
    async () => {
      await answers('db', '10.244.2.7', 80, '10.99.0.1');
      expect(await seen()).toBeGreaterThan(0);
    },
    { within: 30_000 },
  );
});

test('a pod whose endpoint is not known is cut off, and nothing else is', async () => {
  removeEndpoint(graph, 'db');
  apply();
  expect(await answers('db', '10.244.2.7', 80)).toBe(false);
  await isAnswered('web', '10.244.2.7', 53);
});
