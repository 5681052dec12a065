/** Running a plugin of this node to ask it something, as a runtime does: VERSION and STATUS. */
import { execFile } from 'node:child_process';
import { isRecord } from './config.ts';

interface Answered {
  readonly isOk: boolean;
  /** Parsed standard output; undefined if there was none that can be read. */
  readonly result: unknown;
  readonly why: string;
}

const patienceMs = 10_000;

export function askPlugin(
  path: string,
  command: 'VERSION' | 'STATUS',
  config: object,
  env: Readonly<Record<string, string>> = {},
): Promise<Answered> {
  return new Promise((resolve) => {
    const environment = { PATH: process.env['PATH'], ...env, CNI_COMMAND: command };
    const child = execFile(path, { env: environment, timeout: patienceMs }, (error, stdout, stderr) => {
      const result = parse(stdout);
      const said = isRecord(result) ? result['msg'] : undefined;
      const why = typeof said === 'string' ? said : stderr.trim() || (error?.message ?? '');
      resolve({ isOk: error === null, result, why });
    });
    child.stdin?.on('error', () => undefined); // one that reads nothing may be gone by now
    child.stdin?.end(JSON.stringify(config));
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** True if it says that it speaks `version`. */
export async function speaks(path: string, version: string): Promise<boolean> {
  const { result } = await askPlugin(path, 'VERSION', { cniVersion: '1.0.0' });
  const versions = isRecord(result) ? result['supportedVersions'] : undefined;
  return Array.isArray(versions) && versions.includes(version);
}
