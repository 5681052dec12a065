/**
 * The pods' interfaces of this node: made, remembered over restarts, taken away.
 *
 * Owner of the attachment records and of which address is whose; each attachment is also an endpoint of the policy graph
 * and a few routes. The record is written before anything is made in the kernel, and goes last, so that whatever moment a
 * crash picks, DEL (or the next start) finds what there is to clean up. Policy is under way while the interface is made.
 */

import type { Attachment } from '../src/cni/config.ts';
import type { PodName } from '../src/cni/environment.ts';
import type { PoolWish } from '../src/cni/network.ts';
import { hostMac, podMac } from '../src/cni/plan.ts';
import { nodeMtu, plumb, unplumb } from '../src/cni/plumb.ts';
import type { AttachmentRecord, Records } from '../src/cni/records.ts';
import type { Attached } from '../src/cni/spec.ts';
import type { Logger } from '../src/host/log.ts';
import { type Conntrack, forgetAddress } from '../src/kernel/conntrack.ts';
import type { KernelEvent, Link, Route } from '../src/kernel/kernel.ts';
import type { InNetns, NetnsKernel } from '../src/kernel/links.ts';
import {
  type Address,
  formatAddress,
  type IpVersion,
  millis,
  networkOf,
  type Prefix,
} from '../src/lib/net.ts';
import { ok, type Result } from '../src/lib/result.ts';
import { interfaceName, type LocalEndpoint, workloadPrefix } from '../src/model/endpoint.ts';
import type { Problem } from '../src/model/problem.ts';
import { type Addresses, type AddressRefusal, type Holding, handleOf } from './addresses.ts';
import { presentForeign } from './dataplane/present.ts';
import { felixProtocol, type PodRoutes } from './dataplane/routes.ts';
import { repairInterface } from './dataplane/sysctl.ts';

/** What led to an interface when it was first seen: its routes are swept, as nobody claims them. */
interface Orphan {
  readonly ifindex: number;
  readonly addresses: readonly Address[];
}

/** Where attachments become policy. */
export interface EndpointSink {
  readonly put: (endpoint: LocalEndpoint) => void;
  readonly remove: (id: string) => void;
}

export interface AttachmentOptions {
  readonly kernel: NetnsKernel;
  readonly inNetns: InNetns;
  readonly records: Records;
  readonly addresses: Addresses;
  /** Where the round through a pod CIDR stood in an earlier life. */
  readonly resumeAfter: (cidr: Prefix, address: Address) => void;
  readonly routes: PodRoutes;
  readonly endpoints: EndpointSink;
  /** Octets, of pods that do not say; absent: that of the default route. */
  readonly mtu?: () => Promise<number>;
  /** Absent: connections of pods that went are left to time out. */
  readonly conntrack?: Pick<Conntrack, 'deleteWhere'>;
  readonly log: Logger;
}

export interface NewAttachment extends Attachment {
  readonly netns: string;
  readonly pod: PodName;
  /** Name of the network configuration. */
  readonly network: string;
}

/** What the pod's own end is to be like. */
export interface Wishes {
  readonly mtu?: number;
  readonly mac?: string;
  readonly families: readonly IpVersion[] | undefined;
  readonly pools: PoolWish;
  readonly exactly: readonly Address[];
}

const settleMs = millis(2000);

const holdingOf = (record: AttachmentRecord): Holding => ({
  owner: record.interface,
  handle: record.containerId === '' ? '' : handleOf(record.containerId),
  addresses: record.addresses,
});

/** The endpoint's id is the host interface: there is one for each pod. */
const endpointOf = (record: AttachmentRecord): LocalEndpoint => ({
  id: record.interface,
  namespace: record.namespace,
  pod: record.pod,
  interface: record.interface,
  addresses: record.addresses,
});

export const attachedOf = (record: AttachmentRecord, netns: string): Attached => ({
  ...record,
  hostMac,
  netns,
});

export class Attachments {
  readonly #options: AttachmentOptions;
  readonly #byInterface = new Map<string, AttachmentRecord>();
  /** Interface index of each host end that is up and known to graph and routes. */
  readonly #wired = new Map<string, number>();
  /** Host ends that ADD is about to make: whatever has such a name now will go. */
  readonly #making = new Set<string>();
  /** Workload interfaces without a record, whose pod the datastore has not shown: closed until it does. */
  readonly #orphans = new Map<string, Orphan>();

  constructor(options: AttachmentOptions) {
    this.#options = options;
  }

  find({ containerId, ifname }: Attachment): AttachmentRecord | undefined {
    return this.all().find((record) => record.containerId === containerId && record.ifname === ifname);
  }

  byInterface(hostInterface: string): AttachmentRecord | undefined {
    return this.#byInterface.get(hostInterface);
  }

  all(): readonly AttachmentRecord[] {
    return [...this.#byInterface.values()];
  }

  get hasOrphans(): boolean {
    return this.#orphans.size > 0;
  }

  /** An interface of ours that waits for its pod to be known; see `recover`. */
  isOrphan(hostInterface: string): boolean {
    return this.#orphans.has(hostInterface);
  }

  /** First of all: records become endpoints; those whose interface is gone are dropped. */
  async load(): Promise<readonly Problem[]> {
    const { kernel, records, resumeAfter, log } = this.#options;
    const loaded = await records.load();
    for (const [cidr, address] of loaded.lastGiven) resumeAfter(cidr, address);
    const links = new Map((await kernel.links()).map((link) => [link.name, link.ifindex]));
    for (const record of loaded.records) {
      const ifindex = links.get(record.interface);
      const why = ifindex === undefined ? 'the interface is no longer there' : this.#flawOf(record);
      if (ifindex === undefined || why !== undefined) {
        log.warn('a record of a pod interface is dropped', { why, ...fieldsOf(record) });
        await this.#drop(record, ifindex === undefined && !record.isForeign);
        continue;
      }
      this.#enter(record, ifindex);
      if (record.isForeign) continue;
      const failed = await repairInterface(kernel, record.interface, record.addresses);
      if (failed.length > 0) log.warn('a kernel setting of a pod interface cannot be put back', { failed });
    }
    return loaded.problems;
  }

  /** Policy must not wait for a disk that takes nothing: what is not cleared away now is by the next start. */
  async #drop(record: AttachmentRecord, isFree: boolean): Promise<void> {
    const { records, addresses, log } = this.#options;
    try {
      // Of blocks the address is owed now; what is in a book goes with the record.
      if (isFree) {
        await this.#forget(record); // whoever removed the interface may have died before it came to that
        await addresses.release(holdingOf(record));
      }
      await records.remove(record.interface);
    } catch (error) {
      log.warn('the record of a pod interface that is gone cannot be removed; the next start tries again', {
        why: String(error),
        ...fieldsOf(record),
      });
    }
  }

  /** At in-sync, and when a pod comes to an orphan: interfaces without a record are recognised by the pods of the node and their routes. */
  async recover(podOf: (hostInterface: string) => PodName | undefined): Promise<void> {
    const { kernel, records, addresses: port, log } = this.#options;
    const isOwned = (name: string): boolean => this.#byInterface.has(name) || this.#making.has(name);
    const orphans = (await kernel.links()).filter(
      ({ name }) => name.startsWith(workloadPrefix) && !isOwned(name),
    );
    if (orphans.length === 0) return this.#orphans.clear();
    const routes = [
      ...(await kernel.routes({ version: 4, protocol: felixProtocol })),
      ...(await kernel.routes({ version: 6, protocol: felixProtocol })),
    ];
    for (const { name, ifindex, mtu } of orphans) {
      if (isOwned(name)) continue; // ADD came meanwhile
      const before = this.#orphans.get(name);
      const addresses = before?.ifindex === ifindex ? before.addresses : addressesBy(routes, ifindex);
      const pod = podOf(name);
      const why = orphanFlaw(pod, addresses) ?? adoptionFlaw(port, { owner: name, handle: '', addresses });
      if (pod === undefined || why !== undefined) {
        if (before === undefined) {
          log.warn('an interface of ours has no record; its traffic is dropped', { interface: name, why });
        }
        this.#orphans.set(name, { ifindex, addresses });
        continue;
      }
      this.#orphans.delete(name);
      const known = { namespace: pod.namespace, pod: pod.name, interface: name, addresses, mtu };
      const unknown = { containerId: '', ifname: '', netns: '', mac: '', network: '' };
      const record = { ...known, ...unknown, isForeign: false };
      log.warn('the record of a pod interface is rebuilt from the kernel', fieldsOf(record));
      this.#enter(record, ifindex);
      await records.put(record).catch((error: unknown) => {
        log.warn('the record of a pod interface cannot be written', {
          why: String(error),
          ...fieldsOf(record),
        });
      });
    }
  }

  /**
   * Before the first write of the ruleset: another plugin's interface whose policy is in the kernel and whose record is lost
   * would be open without its name there. It is closed, as nobody knows its pod, until it goes away or ADD says whose it is.
   */
  async closeForeign(): Promise<void> {
    const { kernel, endpoints, log } = this.#options;
    for (const name of await presentForeign(kernel)) {
      const link = this.#byInterface.has(name) ? undefined : await kernel.link(name);
      if (link === undefined || this.#byInterface.has(name)) continue;
      log.warn(
        'the record of an interface of another plugin is lost; its traffic is dropped until its pod is made anew',
        {
          interface: name,
        },
      );
      endpoints.put({ id: name, namespace: '', pod: name, interface: name, addresses: [] });
      this.#wired.set(name, link.ifindex);
    }
  }

  /**
   * Throws what the kernel or the disk said; then nothing is left.
   * The routes and the policy are under way when it resolves, not there.
   */
  async attach(request: NewAttachment, wishes: Wishes): Promise<Result<AttachmentRecord, AddressRefusal>> {
    const hostInterface = interfaceName(request.pod.namespace, request.pod.name);
    this.#making.add(hostInterface);
    try {
      return await this.#attach(hostInterface, request, wishes);
    } finally {
      this.#making.delete(hostInterface);
    }
  }

  async #attach(
    hostInterface: string,
    request: NewAttachment,
    wishes: Wishes,
  ): Promise<Result<AttachmentRecord, AddressRefusal>> {
    const { kernel, inNetns, records, addresses: port } = this.#options;
    const who = { owner: hostInterface, handle: handleOf(request.containerId) };
    const mtu = Promise.resolve(wishes.mtu ?? this.#options.mtu?.() ?? nodeMtu(kernel));
    void mtu.catch(() => undefined); // heard of below
    const addresses = await port.allocate({ ...wishes, ...request, ...who });
    if (!addresses.ok) return addresses;
    const its = {
      interface: hostInterface,
      addresses: addresses.value,
      mac: wishes.mac ?? podMac(request.containerId, request.ifname),
      isForeign: false,
    };
    const octets = await mtu.catch(async (error: unknown) => {
      await port.release({ ...who, addresses: addresses.value });
      throw error;
    });
    this.#orphans.delete(hostInterface);
    const record: AttachmentRecord = { ...placeOf(request), ...its, mtu: octets };
    return this.#make(record, async () => {
      await records.put(record);
      return plumb(kernel, inNetns, record);
    });
  }

  /** The interface is another plugin's, and the addresses too; its policy is ours. */
  async police(
    request: NewAttachment,
    link: Pick<Link, 'name' | 'ifindex' | 'mtu'>,
    addresses: readonly Address[],
  ): Promise<Result<AttachmentRecord, AddressRefusal>> {
    const its = { interface: link.name, addresses, mac: '', mtu: link.mtu };
    const record: AttachmentRecord = { ...placeOf(request), ...its, isForeign: true };
    return this.#make(record, async () => {
      await this.#options.records.put(record);
      return link;
    });
  }

  async #make(
    record: AttachmentRecord,
    build: () => Promise<Pick<Link, 'ifindex'>>,
  ): Promise<Result<AttachmentRecord, AddressRefusal>> {
    this.#byInterface.set(record.interface, record);
    this.#options.endpoints.put(endpointOf(record));
    try {
      this.#wire(record, (await build()).ifindex);
      return ok(record);
    } catch (error) {
      await this.detach(record).catch((second: unknown) => {
        this.#options.log.error('a half-made pod interface cannot be removed; DEL tries again', {
          why: String(second),
          ...fieldsOf(record),
        });
      });
      throw error;
    }
  }

  /** Harmless if it is gone already, wholly or in part. */
  async detach(record: AttachmentRecord): Promise<void> {
    const { kernel, records, routes, addresses, endpoints } = this.#options;
    if (this.#wired.delete(record.interface)) routes.remove(record.interface);
    if (!record.isForeign) {
      // First the route, then the link: a route whose link is gone cannot be deleted any more.
      await routes.installed([], settleMs);
      await unplumb(kernel, record.interface);
      await this.#forget(record);
      await addresses.release(holdingOf(record)); // on disk before the record is not
    }
    // Policy goes last: a transaction just before would make the kernel take longer to let the link go.
    endpoints.remove(record.interface);
    await records.remove(record.interface);
    this.#byInterface.delete(record.interface);
  }

  /** Whoever gets the address next must not inherit what was allowed of this pod. */
  async #forget(record: AttachmentRecord): Promise<void> {
    const { conntrack, log } = this.#options;
    if (conntrack === undefined) return;
    try {
      for (const address of record.addresses) await forgetAddress(conntrack, address);
    } catch (error) {
      log.warn('the connections of a pod that is gone cannot be forgotten; they time out', {
        why: String(error),
        ...fieldsOf(record),
      });
    }
  }

  /** A host interface that goes away without DEL: its route and policy go, its address stays until DEL. */
  async observe(event: KernelEvent): Promise<void> {
    if (event.kind === 'link' && event.change === 'delete') {
      this.#linkGone(event.link.name, event.link.ifindex);
    } else if (event.kind === 'overrun') {
      const present = new Set((await this.#options.kernel.links()).map(({ ifindex }) => ifindex));
      for (const [name, ifindex] of [...this.#wired])
        if (!present.has(ifindex)) this.#linkGone(name, ifindex);
    }
  }

  #linkGone(hostInterface: string, ifindex: number): void {
    if (this.#wired.get(hostInterface) !== ifindex) return; // an older one of the same name
    this.#options.log.warn('the interface of a pod went away', { interface: hostInterface });
    this.#unwire(hostInterface);
  }

  #flawOf(record: AttachmentRecord): string | undefined {
    return record.isForeign ? undefined : adoptionFlaw(this.#options.addresses, holdingOf(record));
  }

  #enter(record: AttachmentRecord, ifindex: number): void {
    this.#byInterface.set(record.interface, record);
    this.#options.endpoints.put(endpointOf(record));
    this.#wire(record, ifindex);
  }

  #wire(record: AttachmentRecord, ifindex: number): void {
    this.#wired.set(record.interface, ifindex);
    if (!record.isForeign) this.#options.routes.put(record.interface, ifindex, record.addresses);
  }

  #unwire(hostInterface: string): void {
    this.#options.endpoints.remove(hostInterface);
    if (this.#wired.delete(hostInterface)) this.#options.routes.remove(hostInterface);
  }
}

const placeOf = ({ pod, containerId, ifname, netns, network }: NewAttachment) => ({
  ...{ containerId, ifname, netns, network },
  namespace: pod.namespace,
  pod: pod.name,
});

const addressesBy = (routes: readonly Route[], ifindex: number): readonly Address[] =>
  routes
    .filter((route) => route.nextHops.some((hop) => hop.ifindex === ifindex))
    .map(({ dst }) => networkOf(dst));

function orphanFlaw(pod: PodName | undefined, addresses: readonly Address[]): string | undefined {
  if (pod === undefined) return 'the datastore shows no pod of it';
  return addresses.length === 0 ? 'no route leads to it' : undefined;
}

function adoptionFlaw(port: Addresses, holding: Holding): string | undefined {
  const adopted = port.adopt(holding);
  return adopted.ok ? undefined : `${adopted.error} has an address of it`;
}

const fieldsOf = (record: AttachmentRecord): Readonly<Record<string, unknown>> => ({
  interface: record.interface,
  pod: `${record.namespace}/${record.pod}`,
  addresses: record.addresses.map(formatAddress),
});
