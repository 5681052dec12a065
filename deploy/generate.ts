/** `npm run manifests`: writes what is made from the chart, and removes what no longer is. Needs test/deploy/setup.sh. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { madeFiles, madeFolders } from './files.ts';

const here = new URL('.', import.meta.url).pathname;
const files = madeFiles();
for (const folder of madeFolders) rmSync(join(here, folder), { recursive: true, force: true });
for (const { path, text } of files) {
  mkdirSync(dirname(join(here, path)), { recursive: true });
  writeFileSync(join(here, path), text);
}
console.log(`${files.length} files made from deploy/chart`);
