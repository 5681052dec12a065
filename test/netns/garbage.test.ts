/** A megabyte of anything in the manifest directory: felix keeps what it had, goes on with what is new, and names the file. */
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { createFelixNode, namespaceObject, nodeObject, podObject } from '../support/felix.ts';
import type { Running } from '../support/namespaces.ts';

const node = createFelixNode('gb', 'node1');
const path = join(dirname(node.stateDir), 'store', 'garbage.yaml');
const megabyte = 1 << 20;
/** More than any stack has room for. */
const deep = 20_000;
const comment = `#${'x'.repeat(megabyte)}`;
const soon = { within: 60_000 };
let felix: Running;

const policy = (name: string): object => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name, namespace: 'shop' },
  spec: { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] },
});
const store = (...names: readonly string[]): void =>
  node.store([
    nodeObject('node1', '10.244.1.0/24'),
    namespaceObject('shop'),
    podObject('shop/web', 'node1', { ips: ['10.244.1.1'] }),
    ...names.map(policy),
  ]);
const table = (): Promise<string> => node.ground.exec('node1', 'nft list table inet tortie');
const problems = async (): Promise<string> => JSON.stringify((await node.status()).problems);

beforeAll(async () => {
  store('first');
  felix = await node.start();
  await node.add({ container: 'c1', pod: 'shop/web' });
  await node.settled(() => true);
});
afterAll(() => node.close());

test.each<[string, () => string | Buffer]>([
  ['random octets', () => randomBytes(megabyte)],
  ['zeros', () => Buffer.alloc(megabyte)],
  ['one word', () => 'x'.repeat(megabyte)],
  ['lists in lists', () => `${'['.repeat(deep)}\n${comment}`],
  ['objects in objects', () => `${'{"a":'.repeat(deep)}\n${comment}`],
  ['lists by dashes', () => `${'- '.repeat(deep)}\n${comment}`],
  ['documents of nothing', () => `${'---\n'.repeat(deep)}${comment}`],
  ['aliases of aliases', () => `${aliases()}\n${comment}`],
])(
  '%s',
  async (what, garbage) => {
    const name = `beside-${what.replaceAll(' ', '-')}`;
    writeFileSync(path, garbage());
    store('first', name);
    await eventually(async () => expect(await table()).toContain(`shop/${name}`), soon);
    if (what !== 'documents of nothing')
      await eventually(async () => expect(await problems()).toContain('garbage.yaml'), soon);
    expect(await table()).toContain('shop/first');
    expect(felix.process.exitCode).toBeNull();
    rmSync(path);
    await eventually(async () => expect(await problems()).not.toContain('garbage.yaml'), soon);
  },
  120_000,
);

/** Nine levels of nine: a billion words, if they were written out. */
function aliases(): string {
  const level = (index: number): string =>
    `a${index}: &a${index} [${Array.from({ length: 9 }, () => (index === 0 ? 'x' : `*a${index - 1}`)).join()}]`;
  return Array.from({ length: 9 }, (_, index) => level(index)).join('\n');
}
