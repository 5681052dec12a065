/**
 * Which address of the node's pod CIDRs is whose: a decision, without disk or clock.
 *
 * Addresses of a CIDR are given round-robin from the one last given, so that a released address comes back as late as
 * possible; one that was released less than `coolDown` ago is never given, because other nodes may still hold the old
 * pod's address in a policy set. A pod takes all its addresses or none.
 *
 * Nothing in the CIDR is kept for a gateway: a pod's gateway is 169.254.1.1 or its host end's link-local address. The
 * network address, and for IPv4 the broadcast address, are not given (they are in /31, /32, /127 and /128: RFC 3021,
 * RFC 6164), since some stacks refuse to talk to them.
 *
 * Owned by the CNI server, which rebuilds it from the attachment records after a restart.
 */
import {
  type Address,
  formatPrefix,
  type IpVersion,
  ipv4,
  ipv6,
  isPrefix4,
  lengthOf,
  type Millis,
  networkOf,
  type Prefix,
  versionOf,
  widthOf,
} from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';

export interface AddressRequest {
  /** Who will hold the addresses; release is by owner. */
  readonly owner: string;
  /** The node's pod CIDRs in order of preference; one address for each family among them. */
  readonly cidrs: readonly Prefix[];
  readonly now: Millis;
}

export interface Refusal {
  /** One sentence with the CIDRs and counts. */
  readonly why: string;
  /** Time alone may mend it: addresses are cooling down. */
  readonly transient: boolean;
}

/** The addresses of a CIDR that pods may get, as an inclusive range. */
interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

function rangeOf(cidr: Prefix): Range {
  const network = BigInt(networkOf(cidr));
  const hostBits = widthOf(cidr) - lengthOf(cidr);
  const end = network + (1n << BigInt(hostBits)) - 1n;
  if (hostBits < 2) return { first: network, last: end };
  return { first: network + 1n, last: isPrefix4(cidr) ? end - 1n : end };
}

/** How many addresses of `cidr` pods may get. */
export function capacityOf(cidr: Prefix): bigint {
  const { first, last } = rangeOf(cidr);
  return last - first + 1n;
}

export class AddressBook {
  readonly #coolDown: Millis;
  readonly #holders = new Map<Address, string>();
  readonly #addresses = new Map<string, readonly Address[]>();
  readonly #released = new Map<Address, Millis>();
  readonly #lastGiven = new Map<Prefix, Address>();

  constructor(coolDown: Millis) {
    this.#coolDown = coolDown;
  }

  /** How many addresses are held. */
  get size(): number {
    return this.#holders.size;
  }

  holderOf(address: Address): string | undefined {
    return this.#holders.get(address);
  }

  /** What `owner` holds; empty if nothing. */
  addressesOf(owner: string): readonly Address[] {
    return this.#addresses.get(owner) ?? [];
  }

  /** Where the round of each CIDR stands; worth keeping over a restart, but nothing breaks without it. */
  lastGiven(): ReadonlyMap<Prefix, Address> {
    return this.#lastGiven;
  }

  resumeAfter(cidr: Prefix, address: Address): void {
    this.#lastGiven.set(cidr, address);
  }

  /**
   * Gives `owner` one address for each family of `cidrs`, all or nothing. An owner who holds addresses already keeps
   * them and gets the same ones, also if the node's CIDRs have changed since.
   */
  allocate(request: AddressRequest): Result<readonly Address[], Refusal> {
    const held = this.#addresses.get(request.owner);
    if (held !== undefined) return ok(held);
    if (request.cidrs.length === 0) return err({ why: 'The node has no pod CIDR.', transient: false });
    this.#forgetCooled(request.now);
    const chosen: { readonly cidr: Prefix; readonly address: Address }[] = [];
    for (const version of [4, 6] as const) {
      const cidrs = request.cidrs.filter((cidr) => versionOf(cidr) === version);
      if (cidrs.length === 0) continue;
      const found = this.#firstFree(cidrs);
      if (found === undefined) return err(this.#exhausted(cidrs, version, request.now));
      chosen.push(found);
    }
    for (const { cidr, address } of chosen) this.#lastGiven.set(cidr, address);
    const addresses = chosen.map(({ address }) => address);
    this.#hold(request.owner, addresses);
    return ok(addresses);
  }

  /**
   * Takes down that `owner` holds `addresses`, as a record or the kernel says after a restart; they need not lie in
   * any CIDR of today. Fails with the holder's name if another owner has one of them: then nothing changes.
   */
  adopt(owner: string, addresses: readonly Address[]): Result<undefined> {
    for (const address of addresses) {
      const holder = this.#holders.get(address);
      if (holder !== undefined && holder !== owner) return err(holder);
    }
    for (const address of this.addressesOf(owner)) this.#holders.delete(address);
    this.#hold(owner, addresses);
    return ok(undefined);
  }

  /** What `owner` holds becomes free, after the cool-down. Releasing twice, or nothing, is harmless. */
  release(owner: string, now: Millis): readonly Address[] {
    const addresses = this.addressesOf(owner);
    for (const address of addresses) {
      this.#holders.delete(address);
      this.#released.set(address, now);
    }
    this.#addresses.delete(owner);
    return addresses;
  }

  #hold(owner: string, addresses: readonly Address[]): void {
    for (const address of addresses) {
      this.#holders.set(address, owner);
      this.#released.delete(address);
    }
    this.#addresses.set(owner, addresses);
  }

  /** Releases are in order of time, so this stops at the first that still cools. */
  #forgetCooled(now: Millis): void {
    for (const [address, at] of this.#released) {
      if (now - at < this.#coolDown) return;
      this.#released.delete(address);
    }
  }

  #firstFree(cidrs: readonly Prefix[]): { readonly cidr: Prefix; readonly address: Address } | undefined {
    for (const cidr of cidrs) {
      const address = this.#nextFree(cidr);
      if (address !== undefined) return { cidr, address };
    }
    return undefined;
  }

  /** One round through the CIDR from the address last given; never more steps than there are addresses in use. */
  #nextFree(cidr: Prefix): Address | undefined {
    const { first, last } = rangeOf(cidr);
    const given = this.#lastGiven.get(cidr);
    let at = given === undefined ? first : BigInt(given) + 1n;
    const inUse = BigInt(this.#holders.size + this.#released.size);
    const size = last - first + 1n;
    const steps = inUse + 1n < size ? inUse + 1n : size;
    for (let step = 0n; step < steps; step += 1n) {
      if (at < first || at > last) at = first;
      const address = isPrefix4(cidr) ? ipv4(Number(at)) : ipv6(at);
      if (!this.#holders.has(address) && !this.#released.has(address)) return address;
      at += 1n;
    }
    return undefined;
  }

  #exhausted(cidrs: readonly Prefix[], version: IpVersion, now: Millis): Refusal {
    const inside = (address: Address): boolean =>
      versionOf(address) === version &&
      cidrs.some((cidr) => {
        const { first, last } = rangeOf(cidr);
        return BigInt(address) >= first && BigInt(address) <= last;
      });
    const total = cidrs.reduce((sum, cidr) => sum + capacityOf(cidr), 0n);
    const held = [...this.#holders.keys()].filter(inside).length;
    const cooling = [...this.#released].filter(([address]) => inside(address));
    const names = cidrs.map(formatPrefix).join(', ');
    const counts = `No IPv${version} address is free in ${names}: ${held} of ${total} are in use`;
    const firstBack = Math.min(...cooling.map(([, at]) => at + this.#coolDown - now));
    return cooling.length === 0
      ? { why: `${counts}.`, transient: false }
      : {
          why: `${counts} and ${cooling.length} were just released; the first can be given again in ${Math.ceil(firstBack / 1000)} s.`,
          transient: true,
        };
  }
}
