/** The journal, resets, MRT and BMP of a running speaker beside a real router. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HistoryEntry } from '../../src/model/history.ts';
import { eventually } from '../support/eventually.ts';
import type { Running } from '../support/namespaces.ts';
import { birdConf, type OwnRouter, ownRouter } from '../support/own-router.ts';
import { pcapOf } from '../support/pcap.ts';
import { bgpPeer, createRack, ipPool, isUp } from '../support/rack.ts';

const rack = createRack('monitor', 1);
const node = rack.node(1);
const soon = 60_000;
const updates = join(rack.directory, 'updates');
const heard = join(rack.directory, 'bmp.bin');
let router: OwnRouter;
let station: Running;

const announce = (...prefixes: readonly string[]): string =>
  `${birdConf('172.30.0.11', '172.30.0.1', '').replace('export none', 'export all')}
protocol static more { ipv4; ${prefixes.map((prefix) => `route ${prefix} blackhole;`).join(' ')} }`;

const ctl = (...words: readonly string[]) =>
  spawnSync(
    new URL('../../src/tortie.sh', import.meta.url).pathname,
    ['ctl', 'bgp', ...words, '--socket', join(rack.directory, 'node1.sock')],
    { encoding: 'utf8' },
  );
const history = (...words: readonly string[]): readonly HistoryEntry[] =>
  ctl('history', '-o', 'json', ...words)
    .stdout.trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as HistoryEntry);
const bgpdump = (file: string): readonly string[] =>
  execFileSync('bgpdump', ['-m', file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    .trimEnd()
    .split('\n');

const startStation = (): Running =>
  rack.ground.start('station', ['socat', '-u', 'TCP-LISTEN:11019,reuseaddr', `OPEN:${heard},creat,append`]);

beforeAll(async () => {
  rack.host('station', 9);
  rack.put(ipPool('pods', '10.244.0.0/16'), bgpPeer('tor', '172.30.0.1', 65000));
  station = startStation();
  router = await ownRouter(rack, 'bird', 'tor', announce('10.244.7.0/24', '192.0.2.0/24'));
  await node.start('--bmp', '172.30.0.9:11019', '--bmp-loc-rib', '--mrt-updates', updates);
  await node.peer('172.30.0.1', (peer) => isUp(peer) && peer.prefixesReceived >= 2, soon);
});
afterAll(() => rack.close());

test('the history says that the session came up, which routes came and what the configuration is', async () => {
  await eventually(
    () => {
      const entries = history();
      expect(entries.map(({ kind }) => kind)).toEqual(
        expect.arrayContaining(['life', 'config', 'session', 'route']),
      );
      expect(entries.find(({ what }) => what.endsWith('→ Established'))).toMatchObject({
        who: 'Global_172_30_0_1',
        address: '172.30.0.1',
      });
      expect(history('--prefix', '10.244.7.0/24')).toMatchObject([
        { what: '10.244.7.0/24: none → 172.30.0.1 of Global_172_30_0_1', why: 'the only path' },
      ]);
    },
    { within: soon },
  );
  expect(ctl('history').stdout).toMatch(/Global_172_30_0_1 +\w+ → Established +agreed on ipv4-unicast/);
  expect(ctl('history', '--since', 'soon')).toMatchObject({ status: 2 });
});

test.each(['history --follow', 'peers --watch'])('"bgp %s" ends with 0 at Ctrl-C', async (words) => {
  const running = spawn(
    new URL('../../src/tortie.sh', import.meta.url).pathname,
    ['ctl', 'bgp', ...words.split(' '), '--socket', join(rack.directory, 'node1.sock')],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ended = once(running, 'exit');
  await once(running.stdout, 'data');
  running.kill('SIGINT');
  expect(await ended).toEqual([0, null]);
});

test('RFC 6396 §4.3: bgpdump reads the table dump, the rejected routes not in it', () => {
  const file = join(rack.directory, 'rib.mrt');
  expect(ctl('mrt', file)).toMatchObject({ status: 0, stderr: '' });
  const lines = bgpdump(file);
  expect(lines).toEqual(
    expect.arrayContaining([
      expect.stringMatching(
        /^TABLE_DUMP2\|\d+\|B\|172\.30\.0\.1\|65000\|10\.244\.7\.0\/24\|65000\|IGP\|172\.30\.0\.1/,
      ),
      expect.stringMatching(/\|64512\|10\.244\.1\.0\/24\|/),
    ]),
  );
  expect(lines.join('\n')).not.toContain('192.0.2.0/24');
});

test('RFC 6396 §4.4: --mrt-updates records what came, also what was rejected, and the states', async () => {
  await eventually(
    () => {
      const lines = readdirSync(updates).flatMap((name) => bgpdump(join(updates, name)));
      expect(lines).toEqual(
        expect.arrayContaining([
          expect.stringMatching(/^BGP4MP\|\d+\|STATE\|172\.30\.0\.1\|65000\|\d\|6$/),
          expect.stringMatching(/^BGP4MP\|\d+\|A\|172\.30\.0\.1\|65000\|192\.0\.2\.0\/24\|65000\|IGP/),
        ]),
      );
    },
    { within: soon },
  );
});

test('routes are picked by prefix, by address and by what became of them, each with its reason', () => {
  const json = (
    ...words: readonly string[]
  ): readonly { readonly prefix: string; readonly reason: string }[] =>
    JSON.parse(ctl('routes', '-o', 'json', ...words).stdout);
  expect(json('10.244.7.9')).toMatchObject([{ prefix: '10.244.7.0/24', reason: 'the only path' }]);
  expect(json('10.244.0.0/16', '--longer').map(({ prefix }) => prefix)).toEqual([
    '10.244.1.0/24',
    '10.244.7.0/24',
  ]);
  expect(json('--received', 'tor', '--rejected')).toMatchObject([
    { prefix: '192.0.2.0/24', reason: expect.stringMatching(/^not accepted: not inside any IP pool/) },
  ]);
  expect(json('--rejected').map(({ prefix }) => prefix)).toEqual(['192.0.2.0/24']);
  expect(json('--advertised', 'tor').map(({ prefix }) => prefix)).toEqual(['10.244.1.0/24']);
  expect(json('--advertised', 'tor', '--rejected').map(({ reason }) => reason)).toEqual([
    'not advertised: learned from this neighbour',
    'not advertised: its address family is not negotiated',
  ]);
  expect(ctl('routes', '--limit', '1').stdout).toContain('There are more: name a prefix, or say --limit 0.');
  expect(ctl('routes', '-o', 'jsonl').stdout.trim().split('\n')).toHaveLength(3);
  expect(ctl('routes', '10.244.0.0/16')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('--longer shows those within it'),
  });
  expect(ctl('routes', 'nonsense')).toMatchObject({ status: 2 });
  expect(ctl('routes', '--received', 'nobody')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('There is no neighbour "nobody". There is: Global_'),
  });
});

/** Of the BMP messages that came: the wanted fields, one line each; tshark reads them as one TCP stream. */
function dissect(...fields: readonly string[]): readonly string[] {
  const bytes = readFileSync(heard);
  const messages: Uint8Array[] = [];
  for (let at = 0; at + 6 <= bytes.byteLength; ) {
    const length = bytes.readUInt32BE(at + 1);
    if (at + length > bytes.byteLength) break;
    messages.push(bytes.subarray(at, at + length));
    at += length;
  }
  const file = join(rack.directory, 'bmp.pcap');
  writeFileSync(file, pcapOf(messages));
  const asked = fields.flatMap((field) => ['-e', field]);
  const args = [
    '-r',
    file,
    '-d',
    'tcp.port==179,bmp',
    '-T',
    'fields',
    '-E',
    'separator=|',
    '-E',
    'aggregator=,',
  ];
  return execFileSync('tshark', [...args, ...asked], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
    .trimEnd()
    .split('\n');
}

test('RFC 7854: the station hears the session and all routes as they came, and nothing malformed', async () => {
  await eventually(
    () => {
      const lines = dissect('bmp.type', 'bmp.peer.type', 'bgp.nlri_prefix');
      expect(lines[0]).toBe('4||');
      expect(lines).toEqual(expect.arrayContaining(['3|0|', '3|3|', '0|3|10.244.7.0']));
      expect(lines.some((line) => /^0\|0\|.*192\.0\.2\.0/.test(line))).toBe(true);
    },
    { within: soon },
  );
  expect(dissect('_ws.malformed').every((line) => line === '')).toBe(true);
});

test('what changes later is heard at once, and a route that goes is withdrawn', async () => {
  await router.configure(announce('10.244.8.0/24', '192.0.2.0/24'));
  await eventually(
    () => {
      const lines = dissect('bmp.type', 'bmp.peer.type', 'bgp.nlri_prefix', 'bgp.withdrawn_prefix');
      expect(lines).toEqual(
        expect.arrayContaining(['0|0|10.244.8.0|', '0|0||10.244.7.0', '0|3||10.244.7.0']),
      );
    },
    { within: soon },
  );
  expect(history('--prefix', '10.244.7.0/24').at(-1)).toMatchObject({ why: 'nobody tells it any more' });
});

test('a station that comes back is told everything anew', async () => {
  await station.end('SIGKILL');
  writeFileSync(heard, '');
  station = startStation();
  await eventually(
    () => {
      const lines = dissect('bmp.type', 'bmp.peer.type', 'bgp.nlri_prefix');
      expect(lines[0]).toBe('4||');
      expect(lines).toContain('3|0|');
      expect(lines.some((line) => /^0\|0\|.*10\.244\.8\.0/.test(line))).toBe(true);
    },
    { within: soon },
  );
});

test('RFC 2918: a soft reset has routes told again without the session ending', async () => {
  const before = JSON.parse(ctl('peer', 'tor', '-o', 'json').stdout).messages;
  expect(ctl('reset', 'tor', '--soft', 'in')).toMatchObject({
    status: 0,
    stdout: 'Global_172_30_0_1: asked to tell its routes again\n',
  });
  await eventually(
    () => {
      const { messages, state } = JSON.parse(ctl('peer', 'tor', '-o', 'json').stdout);
      expect(state).toBe('Established');
      expect(messages.sent.routeRefresh).toBeGreaterThan(before.sent.routeRefresh);
      expect(messages.received.update).toBeGreaterThan(before.received.update);
    },
    { within: soon },
  );
  expect(ctl('reset', 'tor', '--soft', 'out').status).toBe(0);
});

test('RFC 4486: a hard reset says so to the neighbour, and who asked is in log and history', async () => {
  const since = (await node.status()).peers[0]?.since;
  expect(ctl('reset', '172.30.0.1').status).toBe(0);
  await node.peer('172.30.0.1', (peer) => isUp(peer) && peer.since !== since, soon);
  expect(history('--peer', 'tor').map(({ what }) => what)).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^session reset, as \w+ asked$/),
      expect.stringMatching(/^Established → (?!Established)/),
    ]),
  );
  expect(node.log()).toMatch(/session is reset: \w+ asked for it/);
  expect(router.output()).toMatch(/Administrative reset/i);
  expect(ctl('reset', 'nobody')).toMatchObject({ status: 1 });
  expect(ctl('reset')).toMatchObject({ status: 2, stderr: expect.stringContaining('Name one neighbour') });
  await eventually(() => expect(dissect('bmp.peer.down.reason')).toContain('1'), { within: soon });
});

test('RFC 7854 §4.5: the station is told goodbye', async () => {
  await node.stop();
  await eventually(() => expect(dissect('bmp.type').at(-1)).toBe('5'), { within: soon });
});
