/** `npm run crds`: writes the CustomResourceDefinitions from the schemas. A test holds the files to them. */
import { writeFileSync } from 'node:fs';
import { crdFiles } from './files.ts';

for (const { path, text } of crdFiles()) {
  writeFileSync(path, text);
  console.log(path);
}
