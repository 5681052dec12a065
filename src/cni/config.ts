/** The network configuration a CNI call has on stdin, as JSON: its version and what GC says. Its other fields: network.ts. */
import { err, ok, type Result } from '../lib/result.ts';
import { type CniVersion, cniCode, isSupported, supportedVersions, type Wrong } from './spec.ts';

export type Config = Readonly<Record<string, unknown>>;

export interface Attachment {
  readonly containerId: string;
  readonly ifname: string;
}

export function parseConfig(stdin: string): Result<Config, Wrong> {
  const fail = (msg: string): Result<never, Wrong> => err({ code: cniCode.undecodable, msg });
  try {
    const value: unknown = JSON.parse(stdin);
    if (isRecord(value)) return ok(value);
    return fail('The network configuration on stdin is not a JSON object.');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return fail(`The network configuration on stdin is not JSON: ${why}.`);
  }
}

export const isRecord = (value: unknown): value is Config =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function parseVersion(config: Config): Result<CniVersion, Wrong> {
  const version = config['cniVersion'];
  if (typeof version === 'string' && isSupported(version)) return ok(version);
  const what =
    version === undefined
      ? 'has no cniVersion'
      : `has cniVersion ${JSON.stringify(version)}, which tortie does not speak`;
  const msg = `The network configuration ${what}; write one of ${supportedVersions.join(', ')}.`;
  return err({ code: cniCode.incompatibleVersion, msg });
}

/** What GC says is still in use; undefined if it says nothing readable. */
export function parseValid(config: Config): readonly Attachment[] | undefined {
  const list = config['cni.dev/valid-attachments'] ?? config['cni.dev/attachments'];
  if (!Array.isArray(list)) return undefined;
  const valid = list.flatMap((entry: unknown): readonly Attachment[] => {
    const containerId = isRecord(entry) ? entry['containerID'] : undefined;
    const ifname = isRecord(entry) ? entry['ifname'] : undefined;
    return typeof containerId === 'string' && typeof ifname === 'string' ? [{ containerId, ifname }] : [];
  });
  return valid.length === list.length ? valid : undefined;
}
