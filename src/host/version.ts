/** The version of this build, from package.json: what --version, the status sockets and the CNI server say. */
import { readFileSync } from 'node:fs';

export function tortieVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const found: unknown = JSON.parse(text);
  const hasVersion = typeof found === 'object' && found !== null && 'version' in found;
  return hasVersion ? String(found.version) : 'unknown';
}
