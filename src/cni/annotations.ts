/**
 * What a Pod and its Namespace ask of the CNI by annotations, under Calico's names. The pod's word beats the namespace's,
 * and both beat the network configuration's.
 */
import type { Address, IpVersion } from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Labels } from '../model/resource.ts';
import { type PoolWish, parseIps, parseMac, parsePools } from './network.ts';

const prefix = 'cni.projectcalico.org/';

export interface PodWishes {
  /** For each family its own: pools of the pod, or of the namespace. */
  readonly pools: PoolWish;
  readonly families?: readonly IpVersion[];
  /** Exactly these, through the IPAM. Empty: any. */
  readonly ips: readonly Address[];
  readonly mac?: string;
}

/** What FelixConfiguration lets pods ask for. */
export interface PodFeatures {
  readonly floatingIPs: boolean;
  readonly allowedSourcePrefixes: boolean;
}

/** Asked for and not to be had: saying nothing would give a pod less than it was promised. */
const refused: Readonly<Record<string, string>> = {
  ipAddrsNoIpam: 'Tortie gives no address past its IPAM; use ipAddrs',
  floatingIPs: 'floatingIPs of FelixConfiguration is Disabled for this node; set it to Enabled',
  allowedSourcePrefixes:
    'workloadSourceSpoofing of FelixConfiguration is Disabled for this node; set it to Any',
};

/** Fails with a sentence that names the annotation. */
export function podWishes(pod: Labels, namespace: Labels, features: PodFeatures): Result<PodWishes> {
  const flaw = unheard(pod, features);
  if (flaw !== undefined) return err(flaw);
  const of = (name: string): string | undefined => pod[prefix + name] ?? namespace[prefix + name];
  const pools = parsePoolLists(of('ipv4pools'), of('ipv6pools'));
  const families = parseFamilies(of('ipFamilies'));
  const ips = parseAddresses(pod[`${prefix}ipAddrs`]);
  const mac = parseHwAddr(pod[`${prefix}hwAddr`]);
  if (!pools.ok) return pools;
  if (!families.ok) return families;
  if (!ips.ok) return ips;
  if (!mac.ok) return mac;
  return ok({
    pools: pools.value,
    ips: ips.value,
    ...(families.value === undefined ? {} : { families: families.value }),
    ...(mac.value === undefined ? {} : { mac: mac.value }),
  });
}

function unheard(pod: Labels, features: PodFeatures): string | undefined {
  const allowed = Object.entries(features).flatMap(([name, is]) => (is ? name : []));
  const isUnheard = (name: string): boolean => pod[prefix + name] !== undefined && !allowed.includes(name);
  const [name, why] = Object.entries(refused).find(([key]) => isUnheard(key)) ?? [];
  return name === undefined
    ? undefined
    : `The annotation ${prefix}${name} of the pod cannot be honoured: ${why}.`;
}

function parsePoolLists(four: string | undefined, six: string | undefined): Result<PoolWish> {
  const lists = [parseList('ipv4pools', four), parseList('ipv6pools', six)] as const;
  if (!lists[0].ok) return lists[0];
  if (!lists[1].ok) return lists[1];
  const pools = parsePools(lists[0].value, lists[1].value);
  return pools.ok ? pools : err(`The annotation ${prefix}${pools.error.replace('_', '')}`);
}

function parseAddresses(text: string | undefined): Result<readonly Address[]> {
  const list = parseList('ipAddrs', text);
  if (!list.ok || list.value === undefined) return list.ok ? ok([]) : list;
  const ips = parseIps(list.value);
  return ips.ok ? ips : err(`The annotation ${prefix}ipAddrs ${ips.error}`);
}

function parseFamilies(text: string | undefined): Result<readonly IpVersion[] | undefined> {
  const list = parseList('ipFamilies', text);
  if (!list.ok || list.value === undefined) return list.ok ? ok(undefined) : list;
  const names: readonly unknown[] = Array.isArray(list.value) ? list.value : [];
  if (names.length > 0 && names.every((name) => name === 'IPv4' || name === 'IPv6')) {
    return ok(([4, 6] as const).filter((version) => names.includes(`IPv${version}`)));
  }
  return err(
    `The annotation ${prefix}ipFamilies is ${JSON.stringify(text)}; write a JSON list of "IPv4" and "IPv6".`,
  );
}

function parseHwAddr(text: string | undefined): Result<string | undefined> {
  const mac = text === undefined ? undefined : parseMac(text);
  if (text === undefined || mac !== undefined) return ok(mac);
  return err(`The annotation ${prefix}hwAddr is ${JSON.stringify(text)}; write a unicast MAC address.`);
}

function parseList(name: string, text: string | undefined): Result<unknown> {
  if (text === undefined || text === '') return ok(undefined);
  try {
    return ok(JSON.parse(text));
  } catch {
    return err(
      `The annotation ${prefix}${name} is ${JSON.stringify(text)}; write a JSON list, e.g. ["one"].`,
    );
  }
}
