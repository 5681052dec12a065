/** What the schema tests share: YAML in, a resource or the flaws as text out. */
import { parse } from 'yaml';
import type { Resource } from '../../../src/model/resource.ts';
import { formatPath } from '../../../src/store/schema/flaw.ts';
import { readManifest } from '../../../src/store/schema/manifest.ts';

export function resource(yaml: string): Resource {
  const result = readManifest(parse(yaml));
  if (!result.ok) throw new Error(flaws(yaml).join('\n'));
  return result.value;
}

export function flaws(yaml: string): readonly string[] {
  const result = readManifest(parse(yaml));
  return result.ok ? [] : result.error.map(({ path, what, fix }) => `${formatPath(path)}: ${what} ${fix}`);
}
