/** `tortie felix --ipam blocks` and the CNI plugin against the real kernel, with a directory as the datastore. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { realClock } from '../../src/host/clock.ts';
import { openObjects } from '../../src/store/open.ts';
import { eventually } from '../support/eventually.ts';
import { createFelixNode, namespaceObject, nodeObject, podObject } from '../support/felix.ts';

const node = createFelixNode('fb', 'node1');
const confDir = (): string => join(node.stateDir, '..', 'net.d');
const pool = (name: string, cidr: string): object => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'IPPool',
  metadata: { name },
  spec: { cidr, ipipMode: 'Never', vxlanMode: 'Never' },
});

/** Handles that stand in the blocks of the datastore. */
async function handles(): Promise<readonly string[]> {
  const store = join(node.stateDir, '..', 'store');
  const objects = openObjects(`dir:${store}`, { clock: realClock, random: Math.random });
  if (!objects.ok) throw new Error(objects.error);
  const blocks = await objects.value.list('IPAMBlock');
  if (!blocks.ok) throw new Error(blocks.error.what);
  const found = blocks.value.map(({ manifest }) => JSON.stringify(manifest));
  return [...new Set(found.join().match(/k8s-pod-network\.[a-z0-9-]+/g) ?? [])];
}

beforeAll(async () => {
  node.store([
    nodeObject('node1'),
    namespaceObject('shop'),
    podObject('shop/web', 'node1'),
    pool('four', '10.7.0.0/24'),
    pool('six', 'fd00:7::/112'),
  ]);
  await node.start(['--ipam', 'blocks', '--cni-conf-dir', confDir(), '--cni-chain', 'none']);
});
afterAll(() => node.close());

test('the configuration is written when pods can be served, and says what the agent does', async () => {
  const text = await eventually(() => readFile(join(confDir(), '10-tortie.conflist'), 'utf8'), {
    within: 15_000,
  });
  expect(JSON.parse(text)).toMatchObject({
    plugins: [{ type: 'tortie', ipam: { type: 'tortie-ipam' } }],
    cniVersions: ['1.0.0', '1.1.0'],
  });
});

test('a pod gets an address of each family out of blocks, routed to it, and gives them back', async () => {
  const call = { container: 'c-web', pod: 'shop/web' };
  const addresses = await node.add(call);
  expect(addresses).toEqual([expect.stringMatching(/^10\.7\.0\./), expect.stringMatching(/^fd00:7::/)]);
  expect(await handles()).toEqual(['k8s-pod-network.c-web']);
  const routes = await node.ground.exec('node1', 'ip route show proto 81');
  expect(routes).toContain(`${addresses[0]} dev cali`);
  expect((await node.call('DEL', call)).code).toBe(0);
  await eventually(async () => expect(await handles()).toEqual([]), { within: 15_000 });
  await eventually(async () => expect(await readdir(join(node.stateDir, 'releases'))).toEqual([]), {
    within: 15_000,
  });
});
