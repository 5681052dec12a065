/** What a network configuration asks of us, parsed: MTU, the way addresses are given, what the runtime wishes for one pod. */
import { type Address, type IpVersion, parseAddress, parsePrefix, versionOf } from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { type Config, isRecord } from './config.ts';
import { foreignField } from './fields.ts';
import { cniCode, type Wrong } from './spec.ts';

/** Where pods' addresses come from: the Node's spec.podCIDRs, or blocks of the cluster's IPPools. */
export type IpamMode = 'pod-cidrs' | 'blocks';

/** For each family the pools to choose from, names or CIDRs; undefined: every pool that may be used. */
export type PoolWish = Readonly<Record<IpVersion, readonly string[] | undefined>>;

export interface IpamConf {
  readonly mode: IpamMode;
  /** ipam.type as written, for messages. */
  readonly type: string;
  /** Undefined: every family there is something to give of. */
  readonly families: readonly IpVersion[] | undefined;
  readonly pools: PoolWish;
}

export interface Network {
  readonly name: string;
  /** Octets; absent: the node's. */
  readonly mtu?: number;
  readonly nodename?: string;
  /** Another plugin makes the interface, we enforce its policy. */
  readonly policyOnly: boolean;
  /** Absent: as the node agent was started. */
  readonly ipam?: IpamConf;
  /** runtimeConfig.ips: the pod gets exactly these. */
  readonly ips: readonly Address[];
  /** runtimeConfig.mac, lower case. */
  readonly mac?: string;
}

const bad = (msg: string): Result<never, Wrong> => err({ code: cniCode.badConfig, msg });
const unsupported = (field: string, value: unknown, remedy: string): Result<never, Wrong> =>
  err({
    code: cniCode.unsupportedField,
    msg: `The network configuration has ${field} = ${JSON.stringify(value)}. ${remedy}`,
  });

/** Every command but DEL minds the whole configuration. */
export function parseNetwork(config: Config): Result<Network, Wrong> {
  const foreign = foreignField(config);
  if (foreign !== undefined) return err({ code: cniCode.unsupportedField, msg: foreign });
  const { name, mtu, nodename, policyOnly = false } = config;
  if (typeof name !== 'string' || !/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) {
    const what = name === undefined ? 'has no name' : `has name ${JSON.stringify(name)}`;
    const form = 'write letters, digits, "_", "." and "-", the first a letter or digit';
    return bad(`The network configuration ${what}; ${form}.`);
  }
  if (!(mtu === undefined || mtu === 0 || isMtu(mtu))) {
    return bad(
      `The network configuration has mtu ${JSON.stringify(mtu)}; write a whole number of octets from 576 to 65535.`,
    );
  }
  if (typeof policyOnly !== 'boolean') {
    return bad(
      `The network configuration has policyOnly ${JSON.stringify(policyOnly)}; write true or false.`,
    );
  }
  const ipam = parseIpam(config['ipam']);
  if (!ipam.ok) return ipam;
  const runtime = parseRuntime(config['runtimeConfig']);
  if (!runtime.ok) return runtime;
  return ok({
    name,
    policyOnly,
    ...(isMtu(mtu) ? { mtu } : {}),
    ...(typeof nodename === 'string' && nodename !== '' ? { nodename } : {}),
    ...(ipam.value === undefined ? {} : { ipam: ipam.value }),
    ...runtime.value,
  });
}

const isMtu = (mtu: unknown): mtu is number =>
  typeof mtu === 'number' && Number.isInteger(mtu) && mtu >= 576 && mtu <= 65535;

const everyPool: PoolWish = { 4: undefined, 6: undefined };

function parseIpam(ipam: unknown): Result<IpamConf | undefined, Wrong> {
  if (ipam === undefined || (isRecord(ipam) && Object.keys(ipam).length === 0)) return ok(undefined);
  const type = isRecord(ipam) ? ipam['type'] : undefined;
  if (!isRecord(ipam) || typeof type !== 'string') {
    return bad(
      `The network configuration has ipam = ${JSON.stringify(ipam)}; write {"type": "calico-ipam"}.`,
    );
  }
  switch (type) {
    case 'calico-ipam':
    case 'tortie-ipam':
      return parseBlocks(type, ipam);
    case 'host-local':
      return parseHostLocal(ipam);
    default:
      return unsupported(
        'ipam.type',
        type,
        'Tortie gives addresses itself; write "calico-ipam" (blocks of the IPPools), or "host-local" with subnet "usePodCidr".',
      );
  }
}

const blockFields = ['type', 'assign_ipv4', 'assign_ipv6', 'ipv4_pools', 'ipv6_pools', 'subnet'];

/** Calico's defaults for its own type: IPv4 yes, IPv6 no. Ours gives each family that has a pool. */
function parseBlocks(type: string, ipam: Config): Result<IpamConf, Wrong> {
  for (const [key, value] of Object.entries(ipam)) {
    if (!blockFields.includes(key)) return unsupported(`ipam.${key}`, value, 'Leave it out.');
  }
  if (ipam['subnet'] !== undefined) {
    return unsupported('ipam.subnet', ipam['subnet'], `It is for host-local; ${type} takes ipv4_pools.`);
  }
  const assign4 = parseSwitch(ipam['assign_ipv4'], type === 'calico-ipam' ? true : undefined);
  const assign6 = parseSwitch(ipam['assign_ipv6'], type === 'calico-ipam' ? false : undefined);
  for (const key of ['assign_ipv4', 'assign_ipv6']) {
    if (parseSwitch(ipam[key], undefined) === 'unreadable') {
      return bad(`ipam.${key} is ${JSON.stringify(ipam[key])}; write "true" or "false".`);
    }
  }
  const pools = parsePools(ipam['ipv4_pools'], ipam['ipv6_pools']);
  if (!pools.ok) return bad(`ipam.${pools.error}`);
  if (assign4 === false && assign6 === false) {
    return bad('ipam has assign_ipv4 and assign_ipv6 "false": pods would get no address. Set one to "true".');
  }
  const families = ([4, 6] as const).filter((version) => (version === 4 ? assign4 : assign6) !== false);
  const isFree = assign4 === undefined && assign6 === undefined;
  return ok({ mode: 'blocks', type, families: isFree ? undefined : families, pools: pools.value });
}

function parseSwitch<Default>(value: unknown, absent: Default): boolean | Default | 'unreadable' {
  if (value === undefined) return absent;
  const text = String(value).toLowerCase();
  return text === 'true' || (text === 'false' ? false : 'unreadable');
}

/** Lists of pools as ipam and the annotations have them. Fails with the rest of a sentence that starts with the field. */
export function parsePools(four: unknown, six: unknown): Result<PoolWish> {
  const lists: Record<IpVersion, readonly string[] | undefined> = { ...everyPool };
  for (const [version, key, value] of [
    [4, 'ipv4_pools', four],
    [6, 'ipv6_pools', six],
  ] as const) {
    if (value === undefined) continue;
    if (!Array.isArray(value) || value.some((item) => typeof item !== 'string' || item === '')) {
      return err(`${key} is ${JSON.stringify(value)}; write a list of names or CIDRs of IPPools.`);
    }
    const names = value.map(String);
    const other = names.find((name) => isOfFamily(name, version === 4 ? 6 : 4));
    if (other !== undefined)
      return err(`${key} has ${other}, which is not IPv${version}; put it in the other list.`);
    if (names.length > 0) lists[version] = names;
  }
  return ok(lists);
}

function isOfFamily(pool: string, version: IpVersion): boolean {
  const cidr = parsePrefix(pool);
  return cidr !== undefined && versionOf(cidr) === version;
}

/** What the CNI project's host-local has besides, which asks for nothing here. */
const hostLocalFields = ['type', 'subnet', 'ranges', 'routes', 'dataDir'];
const podCidrWords: Readonly<Record<string, IpVersion>> = { usePodCidr: 4, usePodCidrIPv6: 6 };

function parseHostLocal(ipam: Config): Result<IpamConf, Wrong> {
  for (const [key, value] of Object.entries(ipam)) {
    if (!hostLocalFields.includes(key)) return unsupported(`ipam.${key}`, value, 'Leave it out.');
  }
  const { routes, subnet, ranges } = ipam;
  const isDefault = (route: unknown): boolean =>
    isRecord(route) && (route['dst'] === '0.0.0.0/0' || route['dst'] === '::/0') && route['gw'] === undefined;
  if (routes !== undefined && !(Array.isArray(routes) && routes.every(isDefault))) {
    return unsupported('ipam.routes', routes, 'A pod gets default routes and no others; leave it out.');
  }
  const subnets = subnetsOf(subnet, ranges);
  const families = subnets.map((text) => podCidrWords[text]);
  if (families.length === 0 || families.includes(undefined)) {
    return unsupported(
      'ipam',
      ipam,
      'Tortie gives addresses of the Node’s spec.podCIDRs only; write "subnet": "usePodCidr" (and "usePodCidrIPv6" in ranges).',
    );
  }
  const versions = ([4, 6] as const).filter((version) => families.includes(version));
  return ok({ mode: 'pod-cidrs', type: 'host-local', families: versions, pools: everyPool });
}

function subnetsOf(subnet: unknown, ranges: unknown): readonly string[] {
  const nested: readonly unknown[] = Array.isArray(ranges) ? ranges.flat() : [];
  const inRanges = nested.map((range) => (isRecord(range) ? String(range['subnet']) : ''));
  return [...(subnet === undefined ? [] : [String(subnet)]), ...inRanges];
}

/** What a runtime fills in for the capabilities declared; what belongs to other plugins is theirs. */
function parseRuntime(value: unknown): Result<Pick<Network, 'ips' | 'mac'>, Wrong> {
  if (value === undefined || value === null) return ok({ ips: [] });
  if (!isRecord(value)) return bad(`runtimeConfig is ${JSON.stringify(value)}; it must be an object.`);
  const { ips, mac } = value;
  const list = ips === undefined ? ok<readonly Address[]>([]) : parseIps(ips);
  if (!list.ok) return bad(`runtimeConfig.ips ${list.error}`);
  if (mac === undefined || mac === '') return ok({ ips: list.value });
  const parsed = parseMac(mac);
  if (parsed === undefined)
    return bad(`runtimeConfig.mac is ${JSON.stringify(mac)}; write a unicast MAC address.`);
  return ok({ ips: list.value, mac: parsed });
}

/** Addresses, with or without a prefix length; at most one of a family. Fails with the rest of a sentence. */
export function parseIps(value: unknown): Result<readonly Address[]> {
  if (!Array.isArray(value)) return err(`is ${JSON.stringify(value)}; write a list of addresses.`);
  const addresses: Address[] = [];
  for (const item of value as readonly unknown[]) {
    const address = typeof item === 'string' ? parseAddress(item.replace(/\/\d+$/, '')) : undefined;
    if (address === undefined) return err(`has ${JSON.stringify(item)}, which is no IP address.`);
    if (addresses.some((other) => versionOf(other) === versionOf(address))) {
      return err(`has two IPv${versionOf(address)} addresses; a pod gets one of each family.`);
    }
    addresses.push(address);
  }
  return ok(addresses);
}

/** Lower-case with colons; undefined if it is none, or a multicast one, or all zero. */
export function parseMac(value: unknown): string | undefined {
  if (typeof value !== 'string' || !/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(value)) return undefined;
  const mac = value.toLowerCase().replaceAll('-', ':');
  const isMulticast = (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
  return isMulticast || mac === '00:00:00:00:00:00' ? undefined : mac;
}
