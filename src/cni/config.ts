/**
 * The network configuration a CNI call has on stdin: which fields are taken, and what each must look like.
 * An unknown field is refused with its value and what to do (code 2 of the specification), never passed over.
 */
import { type Address, parseAddress } from '../lib/net.ts';
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

const anything = (): undefined => undefined;
const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === false ||
  (isRecord(value) && Object.values(value).every((item) => item === false));

/** The fields of a configuration that are taken, each with what is wrong with a value, if anything. */
const fields: Readonly<Record<string, (value: unknown) => string | undefined>> = {
  cniVersion: anything,
  cniVersions: anything,
  name: anything,
  type: anything,
  args: anything,
  dns: anything,
  prevResult: anything,
  disableCheck: anything,
  disableGC: anything,
  loadOnlyInlinedPlugins: anything,
  'cni.dev/valid-attachments': anything,
  'cni.dev/attachments': anything,
  mtu: anything,
  ipMasq: (value) => (isEmpty(value) ? undefined : 'Tortie does not masquerade pods; leave it out.'),
  capabilities: (value) =>
    isEmpty(value) ? undefined : 'Give capabilities to the plugin that has them, e.g. portmap after tortie.',
  runtimeConfig: (value) =>
    isEmpty(value) ? undefined : 'Give capabilities to the plugin that has them, e.g. portmap after tortie.',
};

/** Of the fields every command but DEL minds. */
export function badConfig(config: Config): Wrong | undefined {
  for (const [key, value] of Object.entries(config)) {
    const remedy = Object.hasOwn(fields, key)
      ? fields[key]?.(value)
      : key === 'ipam'
        ? 'Tortie gives addresses from the pod CIDRs of the Node itself; leave it out.'
        : 'Tortie has no such field; leave it out.';
    if (remedy === undefined) continue;
    return {
      code: cniCode.unsupportedField,
      msg: `The network configuration has ${key} = ${JSON.stringify(value)}. ${remedy}`,
    };
  }
  const { name, mtu } = config;
  if (typeof name !== 'string' || !/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) {
    const what = name === undefined ? 'has no name' : `has name ${JSON.stringify(name)}`;
    const form = 'write letters, digits, "_", "." and "-", the first a letter or digit';
    return { code: cniCode.badConfig, msg: `The network configuration ${what}; ${form}.` };
  }
  if (mtu !== undefined && !(Number.isInteger(mtu) && Number(mtu) >= 576 && Number(mtu) <= 65535)) {
    const msg = `The network configuration has mtu ${JSON.stringify(mtu)}; write a whole number of octets from 576 to 65535.`;
    return { code: cniCode.badConfig, msg };
  }
  return undefined;
}

/** The addresses of a prevResult; undefined if it is none. */
export function parsePrevious(result: unknown): readonly Address[] | undefined {
  const ips = isRecord(result) ? result['ips'] : undefined;
  if (!Array.isArray(ips)) return undefined;
  const addresses = ips.flatMap((ip: unknown) => {
    const text = isRecord(ip) ? ip['address'] : undefined;
    const address = typeof text === 'string' ? parseAddress(text.replace(/\/\d+$/, '')) : undefined;
    return address === undefined ? [] : [address];
  });
  return addresses.length === ips.length ? addresses : undefined;
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
