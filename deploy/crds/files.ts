/** What the files of this folder must say. */
import { stringify } from 'yaml';
import { allCrds } from '../../src/store/schema/crd.ts';

export interface CrdFile {
  readonly path: string;
  readonly text: string;
}

const header = '# Made by `npm run crds` from src/store/schema; do not edit.\n';

export const crdFiles = (): readonly CrdFile[] =>
  allCrds().map(({ name, manifest }) => ({
    path: new URL(`${name}.yaml`, import.meta.url).pathname,
    text: `${header}${stringify(manifest, { lineWidth: 110, aliasDuplicateObjects: false })}`,
  }));
