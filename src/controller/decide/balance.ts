/**
 * Which Service of type LoadBalancer gets which address: a decision over services and what their handles hold.
 *
 * Every family of a Service is a claim of its own, with a handle of its own: "UID.ipv4". The handle in the block is the only
 * record, so whoever comes after a crash finds what was given and goes on from there.
 */
import { type Address, type IpVersion, parseAddress, versionOf } from '../../lib/net.ts';
import type { BlockOwner } from '../../model/ipam.ts';
import type { Service } from '../../model/service.ts';

export const balancer: BlockOwner = { type: 'virtual', name: 'load-balancer' };

/** spec.loadBalancerClass of services that are ours whatever else is so. */
export const ourClass = 'tortie.io/bgp';

export interface BalanceRules {
  /** Services without a loadBalancerClass are ours. */
  readonly classless: boolean;
  /** KubeControllersConfiguration's assignIPs: all, or those alone that ask by annotation or spec.loadBalancerIP. */
  readonly assign: 'AllServices' | 'RequestedServicesOnly';
}

export interface Claim {
  readonly handle: string;
  readonly family: IpVersion;
  /** Just this address. */
  readonly address?: Address;
  /** Names or CIDRs of pools; absent: any that serves load balancers. */
  readonly pools?: readonly string[];
}

/** What one Service should have. */
export interface Wish {
  readonly service: Service;
  readonly claims: readonly Claim[];
  /** What of its annotations cannot be understood; then nothing changes for it. */
  readonly wrong?: string;
}

const annotation = (name: string): string => `projectcalico.org/${name}`;
const names = {
  ips: annotation('loadBalancerIPs'),
  4: annotation('ipv4pools'),
  6: annotation('ipv6pools'),
} as const;

/** Undefined: the service is none of ours. */
export function wishOf(service: Service, rules: BalanceRules): Wish | undefined {
  const { annotations } = service.meta;
  if (service.type !== 'LoadBalancer') return undefined;
  const isOurs =
    service.loadBalancerClass === undefined ? rules.classless : service.loadBalancerClass === ourClass;
  if (!isOurs) return undefined;
  const asks =
    service.loadBalancerIp !== undefined ||
    Object.values(names).some((name) => annotations[name] !== undefined);
  if (rules.assign === 'RequestedServicesOnly' && !asks) return undefined;
  const [ips, four, six] = ([names.ips, names[4], names[6]] as const).map((name) =>
    listIn(annotations, name),
  );
  const wrong = [ips, four, six].find((one) => typeof one === 'string');
  if (typeof wrong === 'string') return { service, claims: [], wrong };
  const asked = addressesIn(Array.isArray(ips) ? ips : [], service);
  if (typeof asked === 'string') return { service, claims: [], wrong: asked };
  const pools = { 4: four, 6: six };
  const claims = familiesOf(service).flatMap((family): readonly Claim[] => {
    const address = asked.find((one) => versionOf(one) === family);
    // Who names addresses gets just these: a family without one is not asked for.
    if (asked.length > 0 && address === undefined) return [];
    const from = pools[family];
    return [
      {
        handle: handleOf(service, family),
        family,
        ...(address === undefined ? {} : { address }),
        ...(Array.isArray(from) && from.length > 0 ? { pools: from } : {}),
      },
    ];
  });
  return { service, claims };
}

/** A Service in a directory of manifests has no uid. */
const handleOf = ({ meta }: Service, family: IpVersion): string =>
  `${meta.uid ?? `${meta.namespace}.${meta.name}`}.ipv${family}`;

/** Of all families it could have. */
export const handlesOf = (service: Service): readonly string[] =>
  ([4, 6] as const).map((family) => handleOf(service, family));

/** Before the API server has filled them in, IPv4. */
const familiesOf = ({ ipFamilies }: Service): readonly IpVersion[] =>
  ipFamilies.length > 0 ? [...new Set(ipFamilies)] : [4];

/** A JSON list of texts; undefined if it is not there, a sentence if it is something else. */
function listIn(
  annotations: Readonly<Record<string, string>>,
  name: string,
): readonly string[] | string | undefined {
  const text = annotations[name];
  if (text === undefined || text === '') return undefined;
  const list = parseJson(text);
  const isList = Array.isArray(list) && list.every((item) => typeof item === 'string');
  return isList
    ? list
    : `The annotation ${name} is ${text}. Write a JSON list of texts, for example ["one"].`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The addresses asked for; the annotation comes before spec.loadBalancerIP. */
function addressesIn(
  texts: readonly string[],
  { loadBalancerIp, ...service }: Service,
): readonly Address[] | string {
  const addresses: Address[] = [];
  for (const text of texts) {
    const address = parseAddress(text);
    if (address === undefined)
      return `The annotation ${names.ips} has ${JSON.stringify(text)}, which is no IP address. Write addresses like 10.0.0.1 or fd00::1.`;
    const family = versionOf(address);
    if (addresses.some((one) => versionOf(one) === family))
      return `The annotation ${names.ips} has two IPv${family} addresses. Keep one of each IP version.`;
    if (!familiesOf({ ...service, ...(loadBalancerIp && { loadBalancerIp }) }).includes(family))
      return `The annotation ${names.ips} has the IPv${family} address ${text}, but spec.ipFamilies lacks IPv${family}. Add it there, or remove the address.`;
    addresses.push(address);
  }
  return addresses.length > 0 || loadBalancerIp === undefined ? addresses : [loadBalancerIp];
}

export type BalanceStep =
  /** `instead`: what the handle holds now is not what is asked for, and goes first. */
  | { readonly kind: 'assign'; readonly wish: Wish; readonly claim: Claim; readonly instead: boolean }
  | { readonly kind: 'release'; readonly handle: string; readonly address: Address };

export interface BalancePlan {
  readonly steps: readonly BalanceStep[];
  /** By service, what of it is given already and stays. */
  readonly settled: ReadonlyMap<Service, readonly Address[]>;
}

/**
 * What is left to do. Releases come first: an address may be what the next service asks for.
 * @param given  by handle, what the load balancer's blocks say
 */
export function planBalance(wishes: readonly Wish[], given: ReadonlyMap<string, Address>): BalancePlan {
  const settled = new Map<Service, readonly Address[]>();
  const assigns: BalanceStep[] = [];
  for (const wish of wishes) {
    const one = planOne(wish, given);
    settled.set(wish.service, one.settled);
    assigns.push(...one.assigns);
  }
  // A wish that cannot be understood takes nothing away.
  const kept = new Set(
    wishes.flatMap(({ service, claims, wrong }) =>
      wrong === undefined ? claims.map(({ handle }) => handle) : handlesOf(service),
    ),
  );
  const releases = [...given].flatMap(([handle, address]): readonly BalanceStep[] =>
    kept.has(handle) ? [] : [{ kind: 'release', handle, address }],
  );
  return { steps: [...releases, ...assigns], settled };
}

function planOne(
  wish: Wish,
  given: ReadonlyMap<string, Address>,
): { readonly settled: readonly Address[]; readonly assigns: readonly BalanceStep[] } {
  const settled: Address[] = [];
  const assigns: BalanceStep[] = [];
  for (const claim of wish.claims) {
    const address = given.get(claim.handle);
    const isRight = address !== undefined && (claim.address ?? address) === address;
    // One that is being deleted keeps what it has until it is gone, and gets nothing new.
    if (isRight || (wish.service.deleting && address !== undefined)) settled.push(address);
    else if (!wish.service.deleting)
      assigns.push({ kind: 'assign', wish, claim, instead: address !== undefined });
  }
  return { settled, assigns };
}
