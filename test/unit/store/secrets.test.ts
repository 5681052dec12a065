/** Secrets, read by name: of a directory's manifests and of the API; and that a store of resources leaves them alone. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ok } from '../../../src/lib/result.ts';
import { readDocuments } from '../../../src/store/dir/documents.ts';
import type { ObjectRef, Objects } from '../../../src/store/objects.ts';
import { openSecrets } from '../../../src/store/open.ts';
import { refuse } from '../../../src/store/written.ts';

const directory = mkdtempSync(join(tmpdir(), 'tortie-secrets-'));
afterAll(() => rmSync(directory, { recursive: true }));

const manifest = (name: string, namespace: string, rest: string): string =>
  `apiVersion: v1\nkind: Secret\nmetadata: {name: ${name}, namespace: ${namespace}}\n${rest}\n`;
const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString();

const asked: ObjectRef[] = [];
const objects = (get: Objects['get']): Objects => ({ get }) as Partial<Objects> as Objects;
const nobody = objects(() => Promise.reject(new Error('a directory asks nobody')));

test('in a directory the manifest of the name and namespace counts, in base64 or as text', async () => {
  writeFileSync(
    join(directory, 'one.yaml'),
    [
      manifest('bgp', 'other', 'stringData: {tor: wrong}'),
      manifest('bgp', 'tortie', 'data: {tor: cmlnaHQ=}\nstringData: {mesh: plain}'),
    ].join('---\n'),
  );
  const found = await openSecrets(`dir:${directory}`, nobody, 'tortie').read('bgp');
  expect(found.ok && text(found.value?.get('tor'))).toBe('right');
  expect(found.ok && text(found.value?.get('mesh'))).toBe('plain');
  expect(await openSecrets(`dir:${directory}`, nobody, 'tortie').read('none')).toEqual(ok(undefined));
  const any = await openSecrets(`dir:${directory}`, nobody, undefined).read('bgp');
  expect(any.ok && text(any.value?.get('tor'))).toBe('wrong');
});

test('a file that is being written, or a directory that is away, is no answer', async () => {
  writeFileSync(join(directory, 'half.yaml'), 'kind: Secret\ndata: {tor: "cml');
  expect((await openSecrets(`dir:${directory}`, nobody, 'tortie').read('later')).ok).toBe(false);
  expect((await openSecrets(`dir:${directory}/none`, nobody, 'tortie').read('bgp')).ok).toBe(false);
});

test('of the API it gets just the one that is named, in the one namespace', async () => {
  const secrets = openSecrets(
    'kubernetes',
    objects(async (ref) => {
      asked.push(ref);
      return ref.name === 'bgp'
        ? ok({ manifest: { data: { tor: 'cmlnaHQ=' } }, version: '1' })
        : refuse('forbidden', 'it is forbidden.');
    }),
    'tortie',
  );
  const found = await secrets.read('bgp');
  expect(found.ok && text(found.value?.get('tor'))).toBe('right');
  expect(await secrets.read('else')).toEqual({ ok: false, error: 'it is forbidden.' });
  expect(asked).toEqual([
    { kind: 'Secret', namespace: 'tortie', name: 'bgp' },
    { kind: 'Secret', namespace: 'tortie', name: 'else' },
  ]);
});

test('a Secret among the manifests is neither held nor complained of', () => {
  const { documents, broken } = readDocuments('one.yaml', manifest('bgp', 'tortie', 'data: {tor: cmlnaHQ=}'));
  expect([documents, broken]).toEqual([[], []]);
});
