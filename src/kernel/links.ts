/**
 * The second kernel port: what the CNI server and the lab may ask about links, in one network namespace.
 *
 * `NetnsKernel` is both ports together. `openKernel()` gives the one of the process's own namespace; `InNetns` lends
 * the one of another. The kernel owns all state. Every call fails with a `KernelError` (kernel-error.ts)
 * that says what was asked, of which object, and the kernel's words.
 */
import type { Address } from '../lib/net.ts';
import type { Kernel, Link } from './kernel.ts';

export interface VethEnd {
  /** At most 15 octets, IFNAMSIZ. */
  readonly name: string;
  /** Lower-case hex with colons; absent: the kernel picks one. */
  readonly mac?: string;
  readonly mtu?: number;
}

export interface VethRequest extends VethEnd {
  readonly peer: VethEnd & {
    /** Path of the namespace the peer is born in, e.g. /run/netns/pod1; absent: the same as the near end. */
    readonly netns?: string;
  };
}

/** Only the fields given are changed. A link must be down to be renamed on kernels before 6.2. */
export interface LinkChange {
  readonly name?: string;
  readonly up?: boolean;
  readonly mtu?: number;
  readonly mac?: string;
  /** Path of the namespace the link moves to. It loses its addresses and goes down. */
  readonly netns?: string;
}

export interface AddressRequest {
  readonly address: Address;
  /** Prefix length: 0..32 or 0..128. */
  readonly length: number;
  /** IFA_F_NODAD: usable at once, no duplicate address detection; IPv6 only, ignored for IPv4. */
  readonly nodad?: boolean;
  /** Absent: global, or host for 127.0.0.0/8 and ::1. */
  readonly scope?: 'global' | 'link' | 'host';
}

export interface NeighbourRequest {
  readonly address: Address;
  readonly mac: string;
}

export interface Links {
  /** Makes both ends at once. Fails with EEXIST if either name is taken. */
  addVeth(request: VethRequest): Promise<void>;
  /** The link of this name, or undefined. */
  link(name: string): Promise<Link | undefined>;
  /** False if there was none. A veth takes its peer with it. */
  deleteLink(name: string): Promise<boolean>;
  setLink(name: string, change: LinkChange): Promise<void>;
  /** Adds or replaces. */
  addAddress(link: string, request: AddressRequest): Promise<void>;
  /** False if it was not there. */
  deleteAddress(link: string, address: Address, length: number): Promise<boolean>;
  /** Adds or replaces a permanent entry (NUD_PERMANENT). */
  addNeighbour(link: string, request: NeighbourRequest): Promise<void>;
  /** False if it was not there. */
  deleteNeighbour(link: string, address: Address): Promise<boolean>;
  /** A neighbour we answer ARP or ND for on this link (NTF_PROXY). Adds or keeps. */
  addProxyNeighbour(link: string, address: Address): Promise<void>;
  /** Reads under /proc/sys, without the trailing newline. */
  readSysctl(path: string): Promise<string>;
}

export type NetnsKernel = Kernel & Links;

/**
 * Runs `run` with the kernel of the namespace at `path` (an nsfs path: /run/netns/NAME, /proc/PID/ns/net) and closes it
 * afterwards. Fails if there is no such namespace. The caller's own namespace never changes for anyone else.
 */
export type InNetns = <T>(path: string, run: (kernel: NetnsKernel) => Promise<T>) => Promise<T>;
