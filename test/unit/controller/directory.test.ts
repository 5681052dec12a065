/** The controller on a directory of manifests, as the lab runs it: real files and the real clock. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Controller, createController } from '../../../src/controller/controller.ts';
import { registerMetrics } from '../../../src/controller/metrics.ts';
import { realClock } from '../../../src/host/clock.ts';
import { openObjects, openStore } from '../../../src/store/open.ts';
import { eventually } from '../../support/eventually.ts';

let controller: Controller | undefined;
let root = '';
afterEach(async () => {
  await controller?.stop();
  await rm(root, { recursive: true, force: true });
});

const manifests = `
apiVersion: v1
kind: Node
metadata: {name: n1}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: front}
spec: {cidr: 10.9.0.0/24, blockSize: 28, allowedUses: [LoadBalancer]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {type: LoadBalancer, ports: [{port: 80}]}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: tor}
spec: {peerIP: 10.0.0.300, asNumber: 64513}
`;

test('on a directory of manifests conditions and addresses stand below .status, and the manifests stay as they are', async () => {
  root = await mkdtemp(join(tmpdir(), 'tortie-controller-'));
  await writeFile(join(root, 'cluster.yaml'), manifests);
  const doors = { clock: realClock, random: Math.random };
  const [store, objects] = [openStore(`dir:${root}`, doors), openObjects(`dir:${root}`, doors)];
  if (!store.ok || !objects.ok) throw new Error('not a datastore');
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line);
  controller = createController({
    ...{ store: store.value, objects: objects.value, identity: 'only', ...doors },
    lease: { namespace: 'kube-system', name: 'tortie-controller' },
    today: () => new Date(),
    log: { debug: say, info: say, warn: say, error: say },
    rules: { classless: true, assign: 'AllServices' },
    leakGraceMs: 900_000,
    counters: (term) => registerMetrics(new Registry(), term),
  });
  controller.start();
  const statusOf = async (path: string): Promise<unknown> =>
    (parse(await readFile(join(root, '.status', path), 'utf8')) as { readonly status: unknown }).status;
  await eventually(
    async () => {
      expect(await statusOf('BGPPeer/_/tor.yaml'), lines.join('\n')).toMatchObject({
        conditions: [
          { type: 'Accepted', status: 'False' },
          { type: 'Ready', status: 'False' },
        ],
      });
      expect(await statusOf('Service/default/web.yaml'), lines.join('\n')).toMatchObject({
        loadBalancer: { ingress: [{ ip: expect.stringMatching(/^10\.9\.0\./) }] },
      });
    },
    { within: 20_000, every: 100 },
  );
  expect(await readFile(join(root, 'cluster.yaml'), 'utf8')).toBe(manifests);
});
