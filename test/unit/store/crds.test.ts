import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { crdFiles } from '../../../deploy/crds/files.ts';
import { allKinds, isOwnKind, kinds, ownKinds } from '../../../src/store/kinds.ts';
import { allCrds } from '../../../src/store/schema/crd.ts';

const folder = new URL('../../../deploy/crds/', import.meta.url);

test('the definitions in deploy/crds are what the schemas make: otherwise run `npm run crds`', () => {
  for (const { path, text } of crdFiles()) expect(readFileSync(path, 'utf8')).toBe(text);
  const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  expect(names.sort()).toEqual(
    crdFiles()
      .map(({ path }) => path.slice(folder.pathname.length))
      .sort(),
  );
});

test('every kind of Calico’s group has a definition, and ClusterNetworkPolicy is left to those whose it is', () => {
  expect(
    allCrds()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(ownKinds.map((kind) => `${kinds[kind].plural}.projectcalico.org`).sort());
  expect(allKinds.filter((kind) => kinds[kind].custom && !isOwnKind(kind))).toEqual(['ClusterNetworkPolicy']);
});

test('a field that is refused by name is kept by the API server, so that it can be refused', () => {
  const filters = crdFiles().find(({ path }) => path.includes('ippools'));
  expect(filters?.text).toMatch(
    /vxlanMode:\n\s+description: ["']Not supported[^:]*:[^:]*["']\n\s+x-kubernetes-preserve-unknown-fields: true/,
  );
});
