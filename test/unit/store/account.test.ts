import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readAccount } from '../../../src/store/kubernetes/account.ts';

const env = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' };

/** A pod's folder of its service account, and a home without a kubeconfig. */
function pod(): { readonly folder: string; readonly home: string } {
  const home = mkdtempSync(join(tmpdir(), 'tortie-account-'));
  onTestFinished(() => rmSync(home, { recursive: true }));
  const folder = join(home, 'account');
  mkdirSync(folder);
  writeFileSync(join(folder, 'token'), 'one\n');
  writeFileSync(join(folder, 'ca.crt'), 'authority');
  return { folder, home };
}

test('a pod asks the server of its environment, with its token, and trusts the authority it was given', async () => {
  const account = readAccount({ ...pod(), env });
  expect(account?.getCurrentCluster()).toEqual({ server: 'https://10.96.0.1:443' });
  const options: RequestOptions = { headers: { accept: 'json' } };
  await account?.applyToHTTPSOptions(options);
  expect(options).toEqual({ headers: { accept: 'json', Authorization: 'Bearer one' }, ca: 'authority' });
});

test('credentials that are read anew have the token of now', async () => {
  const place = { ...pod(), env };
  const before = readAccount(place);
  const [first, again, anew]: RequestOptions[] = [{}, {}, {}];
  await before?.applyToHTTPSOptions(first ?? {});
  writeFileSync(join(place.folder, 'token'), 'two');
  await before?.applyToHTTPSOptions(again ?? {});
  await readAccount(place)?.applyToHTTPSOptions(anew ?? {});
  expect([first, again, anew].map((one) => one?.headers)).toEqual(
    ['one', 'one', 'two'].map((token) => ({ Authorization: `Bearer ${token}` })),
  );
});

test.each([
  ['fd00::1', '6443', 'https://[fd00::1]:6443'],
  ['127.0.0.1', '8001', 'http://127.0.0.1:8001'],
])('the server at %s, port %s, is %s', (host, port, server) => {
  const account = readAccount({
    ...pod(),
    env: { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port },
  });
  expect(account?.getCurrentCluster()).toEqual({ server });
});

test('a kubeconfig goes first, by $KUBECONFIG or at home, and without a token there is no account', () => {
  const place = pod();
  expect(readAccount({ ...place, env: { ...env, KUBECONFIG: '/some/file' } })).toBeUndefined();
  expect(readAccount({ ...place, env: {} })).toBeUndefined();
  expect(readAccount({ ...place, env, folder: place.home })).toBeUndefined();
  mkdirSync(join(place.home, '.kube'));
  writeFileSync(join(place.home, '.kube', 'config'), '');
  expect(readAccount({ ...place, env })).toBeUndefined();
});
