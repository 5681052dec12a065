/**
 * The pods' interfaces of this node: made, remembered over restarts, taken away.
 *
 * Owner of the attachment records and of which address is whose; each attachment is also an endpoint of the policy graph
 * and a few routes. The record is on disk before anything is made in the kernel, and goes last, so that whatever moment a
 * crash picks, DEL (or the next start) finds what there is to clean up.
 */

import type { Attachment } from '../src/cni/config.ts';
import type { PodName } from '../src/cni/environment.ts';
import { hostMac, podMac } from '../src/cni/plan.ts';
import { nodeMtu, plumb, unplumb } from '../src/cni/plumb.ts';
import type { AttachmentRecord, Records } from '../src/cni/records.ts';
import type { Attached } from '../src/cni/spec.ts';
import type { Clock } from '../src/host/clock.ts';
import type { Logger } from '../src/host/log.ts';
import type { AddressBook, Refusal } from '../src/ipam/address-book.ts';
import type { KernelEvent } from '../src/kernel/kernel.ts';
import type { InNetns, NetnsKernel } from '../src/kernel/links.ts';
import { type Address, formatAddress, millis, networkOf, type Prefix } from '../src/lib/net.ts';
import { ok, type Result } from '../src/lib/result.ts';
import { interfaceName, type LocalEndpoint, workloadPrefix } from '../src/model/endpoint.ts';
import type { Problem } from '../src/model/problem.ts';
import { felixProtocol, type PodRoutes } from './dataplane/routes.ts';
import { repairInterface } from './dataplane/sysctl.ts';

/** Where attachments become policy. */
export interface EndpointSink {
  readonly put: (endpoint: LocalEndpoint) => void;
  readonly remove: (id: string) => void;
}

export interface AttachmentOptions {
  readonly kernel: NetnsKernel;
  readonly inNetns: InNetns;
  readonly records: Records;
  readonly book: AddressBook;
  readonly routes: PodRoutes;
  readonly endpoints: EndpointSink;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface NewAttachment extends Attachment {
  readonly netns: string;
  readonly pod: PodName;
  readonly mtu?: number;
}

const settleMs = millis(2000);

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

  /** First of all: records become endpoints; those whose interface is gone are dropped. */
  async load(): Promise<readonly Problem[]> {
    const { kernel, records, book, log } = this.#options;
    const loaded = await records.load();
    for (const [cidr, address] of loaded.lastGiven) book.resumeAfter(cidr, address);
    const links = new Map((await kernel.links()).map((link) => [link.name, link.ifindex]));
    for (const record of loaded.records) {
      const ifindex = links.get(record.interface);
      const why = ifindex === undefined ? 'the interface is no longer there' : this.#adoptionFlaw(record);
      if (ifindex === undefined || why !== undefined) {
        log.warn('a record of a pod interface is dropped', { why, ...fieldsOf(record) });
        await records.remove(record.interface);
        continue;
      }
      this.#enter(record, ifindex);
      const failed = await repairInterface(kernel, record.interface, record.addresses);
      if (failed.length > 0) log.warn('a kernel setting of a pod interface cannot be put back', { failed });
    }
    return loaded.problems;
  }

  /** At in-sync: interfaces without a record are recognised by the pods of the node and their routes. */
  async recover(podOf: (hostInterface: string) => PodName | undefined): Promise<void> {
    const { kernel, records, book, log } = this.#options;
    const orphans = (await kernel.links()).filter(
      ({ name }) => name.startsWith(workloadPrefix) && !this.#byInterface.has(name),
    );
    if (orphans.length === 0) return;
    const routes = [
      ...(await kernel.routes({ version: 4, protocol: felixProtocol })),
      ...(await kernel.routes({ version: 6, protocol: felixProtocol })),
    ];
    for (const { name, ifindex, mtu } of orphans) {
      const addresses = routes
        .filter((route) => route.nextHops.some((hop) => hop.ifindex === ifindex))
        .map((route): Address => networkOf(route.dst));
      const pod = podOf(name);
      if (pod === undefined || addresses.length === 0 || !book.adopt(name, addresses).ok) {
        log.warn('an interface of no pod we know is left alone; its traffic is dropped', { interface: name });
        continue;
      }
      const known = { namespace: pod.namespace, pod: pod.name, interface: name, addresses, mtu };
      const record = { ...known, containerId: '', ifname: '', netns: '', mac: '' };
      log.warn('the record of a pod interface is rebuilt from the kernel', fieldsOf(record));
      this.#enter(record, ifindex);
      await records.put(record);
    }
  }

  /**
   * Throws what the kernel or the disk said; then nothing is left.
   * The routes and the policy are under way when it resolves, not there.
   */
  async attach(request: NewAttachment, cidrs: readonly Prefix[]): Promise<Result<AttachmentRecord, Refusal>> {
    const { kernel, inNetns, records, book, clock, log } = this.#options;
    const hostInterface = interfaceName(request.pod.namespace, request.pod.name);
    const mtu = request.mtu ?? (await nodeMtu(kernel));
    const addresses = book.allocate({ owner: hostInterface, cidrs, now: clock.now() });
    if (!addresses.ok) return addresses;
    const record: AttachmentRecord = {
      containerId: request.containerId,
      ifname: request.ifname,
      netns: request.netns,
      namespace: request.pod.namespace,
      pod: request.pod.name,
      interface: hostInterface,
      addresses: addresses.value,
      mac: podMac(request.containerId, request.ifname),
      mtu,
    };
    this.#byInterface.set(hostInterface, record);
    try {
      await records.putLastGiven(book.lastGiven());
      await records.put(record);
      this.#enter(record, (await plumb(kernel, inNetns, record)).ifindex);
      return ok(record);
    } catch (error) {
      await this.detach(record).catch((second: unknown) => {
        const why = String(second);
        log.error('a half-made pod interface cannot be removed; DEL tries again', {
          why,
          ...fieldsOf(record),
        });
      });
      throw error;
    }
  }

  /** Harmless if it is gone already, wholly or in part. */
  async detach(record: AttachmentRecord): Promise<void> {
    const { kernel, records, routes, book, clock } = this.#options;
    this.#unwire(record.interface);
    // First the route, then the link: a route whose link is gone cannot be deleted any more.
    await routes.installed([], settleMs);
    await unplumb(kernel, record.interface);
    await records.remove(record.interface);
    book.release(record.interface, clock.now());
    this.#byInterface.delete(record.interface);
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

  #enter(record: AttachmentRecord, ifindex: number): void {
    this.#byInterface.set(record.interface, record);
    this.#wired.set(record.interface, ifindex);
    this.#options.routes.put(record.interface, ifindex, record.addresses);
    this.#options.endpoints.put(endpointOf(record));
  }

  #unwire(hostInterface: string): void {
    if (!this.#wired.delete(hostInterface)) return;
    this.#options.endpoints.remove(hostInterface);
    this.#options.routes.remove(hostInterface);
  }

  #adoptionFlaw(record: AttachmentRecord): string | undefined {
    const adopted = this.#options.book.adopt(record.interface, record.addresses);
    return adopted.ok ? undefined : `${adopted.error} has an address of it`;
  }
}

const fieldsOf = (record: AttachmentRecord): Readonly<Record<string, unknown>> => ({
  interface: record.interface,
  pod: `${record.namespace}/${record.pod}`,
  addresses: record.addresses.map(formatAddress),
});
