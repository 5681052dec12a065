/**
 * Gives Services of type LoadBalancer their addresses, and takes them back: see decide/balance.ts.
 *
 * Order matters for whoever dies in between: an address stands in a block before it stands in a Service's status, and has left
 * the status before it leaves the block. So no two Services ever show one address.
 */
import type { Logger } from '../host/log.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { type Address, compareAddresses, formatAddress, versionOf } from '../lib/net.ts';
import { keyOf, refOf } from '../model/resource.ts';
import type { Service } from '../model/service.ts';
import { isObject } from '../store/json.ts';
import type { Objects } from '../store/objects.ts';
import { amend } from './amend.ts';
import {
  type BalanceRules,
  type BalanceStep,
  type Claim,
  handlesOf,
  planBalance,
  wishOf,
} from './decide/balance.ts';
import type { Notice } from './decide/notice.ts';
import { fieldOf, manifestFrom } from './json.ts';
import { forEach, must } from './refused.ts';
import type { World } from './world.ts';

export interface BalancerOptions {
  readonly objects: Objects;
  /** Of owner virtual:load-balancer. */
  readonly ledger: Ledger;
  readonly world: World;
  readonly rules: BalanceRules;
  readonly say: (notice: Notice) => void;
  readonly log: Logger;
}

/** One look at all services. Resolves to how soon to look again. Throws what hindered it. */
export async function balance(options: BalancerOptions): Promise<number | undefined> {
  const { ledger, world, rules } = options;
  const services = world.all('Service');
  const wishes = services.flatMap((service) => wishOf(service, rules) ?? []);
  // Read anew: the watch may not have heard yet what we wrote a moment ago.
  const held = must(await ledger.holdings());
  const given = new Map(held.map(({ handle, address }) => [handle, address]));
  const { steps, settled } = planBalance(wishes, given);
  const has = new Map([...settled].map(([service, addresses]) => [service, [...addresses]]));
  let failed: string | undefined;
  await forEach(steps, async (step) => {
    if (step.kind === 'release') await release(options, services, step.handle, step.address);
    else failed = (await assign(options, step, given, has)) ?? failed;
  });
  await forEach(wishes, async ({ service, wrong }) => {
    if (wrong !== undefined) refuse(options, service, wrong);
    else await showAddresses(options, service, () => has.get(service) ?? []);
  });
  if (failed !== undefined) throw new Error(failed);
  return undefined;
}

/** @param services  one of them may still show it: it goes from there first */
async function release(
  options: BalancerOptions,
  services: readonly Service[],
  handle: string,
  address: Address,
): Promise<void> {
  for (const service of services)
    if (service.ingressIps.includes(address) && handlesOf(service).includes(handle))
      await showAddresses(options, service, (now) => now.filter((one) => one !== address));
  must(await options.ledger.releaseByHandle(handle));
  options.log.info(`load balancer address ${formatAddress(address)} is free again`, { handle });
}

/** What time may mend, as a sentence; undefined if it went well or somebody must change something. */
async function assign(
  options: BalancerOptions,
  { wish: { service }, claim, instead }: Extract<BalanceStep, { kind: 'assign' }>,
  given: ReadonlyMap<string, Address>,
  has: Map<Service, Address[]>,
): Promise<string | undefined> {
  const { ledger, say, log } = options;
  const old = given.get(claim.handle);
  if (instead && old !== undefined) await release(options, [service], claim.handle, old);
  const ask = (address: Address | undefined) =>
    ledger.assign({
      handle: claim.handle,
      attributes: {
        type: 'loadBalancer',
        namespace: service.meta.namespace ?? 'default',
        service: service.meta.name,
      },
      families: [claim.family],
      use: 'LoadBalancer',
      ...(address === undefined ? {} : { addresses: [address] }),
      ...(claim.pools === undefined ? {} : { pools: claim.pools }),
    });
  const present = instead ? undefined : presentOf(service, claim);
  const kept = present === undefined ? undefined : await ask(present);
  const assigned = kept?.ok === true || kept?.error.transient === true ? kept : await ask(claim.address);
  if (!assigned.ok) {
    refuse(options, service, assigned.error.what);
    return assigned.error.transient ? assigned.error.what : undefined;
  }
  for (const { address } of assigned.value) {
    has.get(service)?.push(address);
    const text = formatAddress(address);
    log.info(`${keyOf(refOf(service))} has the load balancer address ${text}`);
    say({
      ...about(service),
      type: 'Normal',
      reason: 'IPAllocated',
      message: `The address ${text} was given to it.`,
    });
  }
  return undefined;
}

/** What it shows and no block knows of, as after a migration or a restored backup: it keeps that if it can be had. */
const presentOf = (service: Service, { family, address, pools }: Claim): Address | undefined =>
  address === undefined && pools === undefined
    ? service.ingressIps.find((one) => versionOf(one) === family)
    : undefined;

function about(service: Service): Pick<Notice, 'about'> {
  const { uid } = service.meta;
  return { about: { ...refOf(service), ...(uid === undefined ? {} : { uid }) } };
}

const refuse = ({ say }: BalancerOptions, service: Service, why: string): void =>
  say({ ...about(service), type: 'Warning', reason: 'AllocationFailed', message: why });

/** Makes status.loadBalancer.ingress be `wanted`. @param wanted  may depend on what is there now */
async function showAddresses(
  { objects }: BalancerOptions,
  service: Service,
  wanted: (now: readonly Address[]) => readonly Address[],
): Promise<void> {
  const target = [...wanted(service.ingressIps)].sort(compareAddresses);
  if (sameList(service.ingressIps, target)) return;
  const next = target.map(formatAddress);
  const done = await amend(objects, refOf(service), 'updateStatus', (manifest) => {
    const loadBalancer = fieldOf(manifest['status'], 'loadBalancer');
    const rows = rowsOf(loadBalancer);
    if (sameList(rows.map(fieldIp), next)) return undefined;
    // Other fields of an entry that stays (ipMode, ports) stay with it.
    const ingress = next.map((ip) => rows.find((row) => row['ip'] === ip) ?? { ip });
    const status = {
      ...(manifest['status'] as object | undefined),
      loadBalancer: { ...(isObject(loadBalancer) ? loadBalancer : {}), ingress },
    };
    return manifestFrom({ ...manifest, status });
  });
  must(done);
}

const fieldIp = (row: unknown): unknown => fieldOf(row, 'ip');

function rowsOf(loadBalancer: unknown) {
  const ingress = fieldOf(loadBalancer, 'ingress');
  return Array.isArray(ingress) ? ingress.filter(isObject) : [];
}

const sameList = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((one) => b.includes(one));
