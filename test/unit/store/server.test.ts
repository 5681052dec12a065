import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { formatAddress } from '../../../src/lib/net.ts';
import { serverAddresses } from '../../../src/store/kubernetes/server.ts';

const kubeconfig = (server: string): string => {
  const directory = mkdtempSync(join(tmpdir(), 'tortie-server-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'config');
  writeFileSync(
    path,
    JSON.stringify({
      clusters: [{ name: 'c', cluster: { server } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      users: [{ name: 'u', user: {} }],
      'current-context': 'x',
    }),
  );
  return path;
};

test.each([
  ['https://10.96.0.1:443', ['10.96.0.1']],
  ['https://[fd00::7]:6443/', ['fd00::7']],
  ['https://localhost:6443', ['127.0.0.1']],
  ['https://no-such-host.invalid', []],
])('the server of a kubeconfig is %s', async (server, expected) => {
  const found = (await serverAddresses(kubeconfig(server))).map(formatAddress);
  for (const one of expected) expect(found).toContain(one);
  if (expected.length === 0) expect(found).toEqual([]);
});

test('without a kubeconfig that can be read there is none', async () => {
  expect(await serverAddresses('/nonexistent/config')).toEqual([]);
});
