/** The environment of a CNI call: its variables, what they may hold, and the pod that CNI_ARGS names. */
import { err, ok, type Result } from '../lib/result.ts';
import { cniCode, type Wrong } from './spec.ts';

/** CNI_COMMAND, CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_ARGS, CNI_PATH. */
export type CniEnvironment = Readonly<Record<string, string>>;

export interface PodName {
  readonly namespace: string;
  readonly name: string;
  /** K8S_POD_UID: metadata.uid, or of a static pod the hash of its manifest. */
  readonly uid?: string;
}

/** The environment as src/cni/tortie.c puts it into HTTP headers; names in lower case. */
export function environmentOf(headers: Readonly<Record<string, string>>): CniEnvironment {
  const names = ['command', 'containerid', 'netns', 'ifname', 'args', 'path'];
  const pairs = names.flatMap((name) => {
    const value = headers[`cni-${name}`];
    return value === undefined ? [] : [[`CNI_${name.toUpperCase()}`, value] as const];
  });
  return Object.fromEntries(pairs);
}

export function missingVariables(needs: readonly string[], environment: CniEnvironment): Wrong | undefined {
  const missing = needs.filter((name) => (environment[name] ?? '') === '');
  if (missing.length === 0) return undefined;
  const verb = missing.length === 1 ? 'is' : 'are';
  const msg = `${missing.join(', ')} ${verb} not set; the container runtime must set ${missing.length === 1 ? 'it' : 'them'}.`;
  return { code: cniCode.badEnvironment, msg };
}

/** Kubernetes names: a DNS subdomain (RFC 1123). */
const podNamePattern = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/** Section 2, "Parameters": what a container ID and an interface name may hold. */
const variables: readonly {
  readonly name: string;
  readonly valid: (text: string) => boolean;
  readonly form: string;
}[] = [
  {
    name: 'CNI_CONTAINERID',
    valid: (text) => /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,199}$/.test(text),
    form: 'letters, digits, "_", "." and "-", at most 200, the first a letter or digit',
  },
  {
    name: 'CNI_IFNAME',
    valid: (text) => text !== '.' && text !== '..' && /^[^\s/:]{1,15}$/.test(text),
    form: 'at most 15 characters without "/", ":" or space',
  },
  { name: 'CNI_NETNS', valid: (text) => text.startsWith('/'), form: 'an absolute path' },
];

export function badVariables(environment: CniEnvironment): Wrong | undefined {
  const wrong = variables.find(({ name, valid }) => {
    const value = environment[name] ?? '';
    return value !== '' && !valid(value);
  });
  if (wrong === undefined) return undefined;
  const msg = `${wrong.name} is ${JSON.stringify(environment[wrong.name])}; it must be ${wrong.form}.`;
  return { code: cniCode.badEnvironment, msg };
}

/** CNI_ARGS is "K=V;K=V"; keys that are not for us are for other plugins of the list. */
export function parsePod(environment: CniEnvironment): Result<PodName, Wrong> {
  const pairs = (environment['CNI_ARGS'] ?? '').split(';').map((pair) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, Math.max(at, 0)), pair.slice(at + 1)] as const;
  });
  const values: ReadonlyMap<string, string> = new Map(pairs);
  for (const key of ['K8S_POD_NAMESPACE', 'K8S_POD_NAME']) {
    const value = values.get(key);
    if (value !== undefined && podNamePattern.test(value)) continue;
    const what =
      value === undefined
        ? `has no ${key}`
        : `has ${key}=${JSON.stringify(value)}, which is no Kubernetes name`;
    const msg = `CNI_ARGS ${what}; tortie attaches Kubernetes pods and must know which.`;
    return err({ code: cniCode.badEnvironment, msg });
  }
  const uid = values.get('K8S_POD_UID') ?? '';
  return ok({
    namespace: values.get('K8S_POD_NAMESPACE') ?? '',
    name: values.get('K8S_POD_NAME') ?? '',
    ...(uid === '' ? {} : { uid }),
  });
}
