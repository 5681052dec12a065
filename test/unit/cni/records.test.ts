import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type AttachmentRecord, openRecords } from '../../../src/cni/records.ts';
import { type Address, type Prefix, parseAddress, parsePrefix } from '../../../src/lib/net.ts';

const record: AttachmentRecord = {
  containerId: 'abc',
  ifname: 'eth0',
  netns: '/run/netns/p',
  namespace: 'shop',
  pod: 'web-0',
  interface: 'cali0123456789a',
  addresses: ['10.1.0.5', 'fd00::5'].flatMap((text) => parseAddress(text) ?? []),
  mac: '02:00:00:00:00:01',
  mtu: 1500,
  network: 'pods',
  isForeign: false,
};

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tortie-records-'));
});
afterEach(() => rm(directory, { recursive: true }));

test('what was put is there in the next life, and what was removed is not', async () => {
  const before = openRecords(directory);
  expect(await before.load()).toEqual({ records: [], lastGiven: new Map(), problems: [] });
  await before.put(record);
  await before.put({ ...record, interface: 'calibbbbbbbbbbb' });
  await before.remove('calibbbbbbbbbbb');
  await before.remove('calinever000000');
  expect((await openRecords(directory).load()).records).toEqual([record]);
});

test('the place in the round is kept, and forgotten if it cannot be read', async () => {
  const lastGiven = new Map<Prefix, Address>();
  for (const [cidr, address] of [
    ['10.1.0.0/24', '10.1.0.9'],
    ['fd00::/64', 'fd00::9'],
  ] as const) {
    const prefix = parsePrefix(cidr);
    const parsed = parseAddress(address);
    if (prefix !== undefined && parsed !== undefined) lastGiven.set(prefix, parsed);
  }
  const records = openRecords(directory);
  await records.load();
  await Promise.all([1, 2, 3].map(() => records.putLastGiven(lastGiven)));
  expect((await openRecords(directory).load()).lastGiven).toEqual(lastGiven);
  await writeFile(join(directory, 'cni', 'last-given.json'), '{"10.1');
  expect(await openRecords(directory).load()).toEqual({ records: [], lastGiven: new Map(), problems: [] });
});

test.each([
  ['cut off in the middle', (text: string) => text.slice(0, 40)],
  ['with an address that is none', (text: string) => text.replace('10.1.0.5', '10.1.0.256')],
  ['without a field', (text: string) => text.replace('"netns"', '"nets"')],
  ['of another interface', (text: string) => text.replace('cali0123456789a', 'cali0123456789b')],
])('a record %s is set aside and reported, and the others are read', async (_, damage) => {
  const records = openRecords(directory);
  await records.load();
  await records.put(record);
  await records.put({ ...record, interface: 'calibbbbbbbbbbb' });
  const path = join(directory, 'cni', 'cali0123456789a.json');
  await writeFile(path, damage(await readFile(path, 'utf8')));
  const loaded = await openRecords(directory).load();
  expect(loaded.records.map((one) => one.interface)).toEqual(['calibbbbbbbbbbb']);
  expect(loaded.problems).toEqual([
    {
      where: path,
      what: 'The record of a pod interface cannot be read; it is kept as .broken and rebuilt from what the kernel has.',
      fix: 'Nothing to do if the pod still has its network; else delete the pod so that it is made anew. Check the disk.',
    },
  ]);
  expect(await readdir(join(directory, 'cni'))).toContain('cali0123456789a.json.broken');
  expect((await openRecords(directory).load()).problems).toEqual([]);
});

test('a write that was cut off by a crash leaves the old record and no litter', async () => {
  const records = openRecords(directory);
  await records.load();
  await records.put(record);
  await writeFile(join(directory, 'cni', 'cali0123456789a.json.77.1.tmp'), '{"cont');
  expect((await openRecords(directory).load()).records).toEqual([record]);
  expect(await readdir(join(directory, 'cni'))).toEqual(['cali0123456789a.json']);
});
