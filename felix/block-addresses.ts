/**
 * Pods' addresses from blocks of the cluster's pools, by the ledger; what is given back is owed in the journal first.
 *
 * The blocks in the API are the truth of who holds what. Here is only which pod of this node has which of them, so that
 * no two interfaces ever have one address, whatever the records or the blocks say.
 */

import type { Owed } from '../src/cni/journal.ts';
import type { IpamMode } from '../src/cni/network.ts';
import type { Ledger, LedgerRefusal } from '../src/ledger/ledger.ts';
import { type Address, formatAddress, type IpVersion, parseAddress, versionOf } from '../src/lib/net.ts';
import { err, ok, type Result } from '../src/lib/result.ts';
import type { Problem } from '../src/model/problem.ts';
import type { IpPool, Labels } from '../src/model/resource.ts';
import type { Addresses, AddressRefusal, AddressWish, Holding } from './addresses.ts';
import type { PoolFacts } from './pool-facts.ts';
import type { Releases } from './releases.ts';

export interface BlockOptions {
  readonly ledger: Ledger;
  readonly facts: PoolFacts;
  readonly node: string;
  readonly namespaceLabels: (namespace: string) => Labels;
  readonly isInSync: () => boolean;
  /** Who pays; made with `payer`. */
  readonly releases: Releases;
}

/** What stands for a handle that is not known, as after the loss of a record. */
const unknownHandle = 'address:';

export class BlockAddresses implements Addresses {
  readonly mode: IpamMode = 'blocks';
  readonly #options: BlockOptions;
  readonly #holders = new Map<Address, string>();

  constructor(options: BlockOptions) {
    this.#options = options;
  }

  get inUse(): number {
    return this.#holders.size;
  }

  load(): Promise<readonly Problem[]> {
    return this.#options.releases.load();
  }

  start(): void {
    this.#options.releases.start();
    // Fills the ledger's own copy of its blocks: the first ADD is as quick as the next, and DEL finds what a crash left.
    void this.#options.ledger.holdings();
  }

  stop(): void {
    this.#options.releases.stop();
    this.#options.ledger.close();
  }

  whyNone(): AddressRefusal | undefined {
    const { facts, node, isInSync } = this.#options;
    if (!isInSync()) {
      return { why: 'The IPPools have not been read yet. It is tried again.', isTransient: true };
    }
    if (facts.families().length === 0) {
      const why = `No IPPool gives addresses to pods of node ${node}. Make one whose nodeSelector takes the node, not disabled and with allowedUses Workload.`;
      return { why, isTransient: true };
    }
    // Not what the last ADD met: a node that says so gets no pod any more, and would never see that it is over.
    return undefined;
  }

  async allocate(wish: AddressWish): Promise<Result<readonly Address[], AddressRefusal>> {
    const { ledger, node, facts, namespaceLabels } = this.#options;
    if (this.#options.releases.has(wish.handle)) {
      // The ledger would give the same again, and the debt would then be paid with it.
      const why =
        'The addresses that this container had before are being given back still. It is tried again.';
      return err({ why, isTransient: true });
    }
    const { namespace, name } = wish.pod;
    const pools = poolsOf(wish, facts.facts().pools);
    const families = wish.families ?? familiesOf(pools, facts);
    const given = await ledger.assign({
      handle: wish.handle,
      attributes: { pod: name, namespace, node, type: 'pod' },
      families,
      namespace: namespaceLabels(namespace),
      ...(pools === undefined ? {} : { pools: pools.map(({ name: pool }) => pool) }),
      ...(wish.exactly.length === 0 ? {} : { addresses: wish.exactly }),
    });
    if (!given.ok) return err(refusalOf(given.error));
    const holding = { ...wish, addresses: given.value.map(({ address }) => address) };
    const adopted = this.adopt(holding);
    if (adopted.ok) return ok(holding.addresses);
    await this.#options.releases.put(holding);
    const why = `The blocks gave ${holding.addresses.map(formatAddress).join(' and ')}, which ${adopted.error} of this node has still. It is tried again with others.`;
    return err({ why, isTransient: true });
  }

  adopt({ owner, addresses }: Holding): Result<undefined> {
    for (const address of addresses) {
      const holder = this.#holders.get(address);
      if (holder !== undefined && holder !== owner) return err(holder);
    }
    this.#forget(owner);
    for (const address of addresses) this.#holders.set(address, owner);
    return ok(undefined);
  }

  async release({ owner, handle, addresses }: Holding): Promise<void> {
    const [first] = addresses;
    const name = handle !== '' || first === undefined ? handle : `${unknownHandle}${formatAddress(first)}`;
    if (name !== '') await this.#options.releases.put({ handle: name, addresses });
    this.#forget(owner);
  }

  /** For a container nobody here knows: a crash may have come between the block and the record. */
  async releaseUnknown(handle: string): Promise<void> {
    const { ledger, releases } = this.#options;
    // Not read yet, as after a restart while the API server is away, means that nobody knows.
    if (ledger.mayHold(handle) && !releases.has(handle)) await releases.put({ handle, addresses: [] });
  }

  problems(): readonly Problem[] {
    return this.#options.releases.problems();
  }

  /** A pod of this node has it. */
  isHeld(address: Address): boolean {
    return this.#holders.has(address);
  }

  #forget(owner: string): void {
    for (const [address, holder] of this.#holders) if (holder === owner) this.#holders.delete(address);
  }
}

/**
 * How `Releases` pays: by the ledger. Fails with the ledger's sentence while it cannot.
 * @param isHeld  a debt known by its address alone is settled if a pod of today has that address: whoever gave it to that
 *   pod had taken it back before
 */
export const payer =
  (ledger: Ledger, isHeld: (address: Address) => boolean) =>
  async ({ handle }: Owed): Promise<Result<undefined>> => {
    const known = handle.startsWith(unknownHandle) ? await handleAt(ledger, handle, isHeld) : ok(handle);
    if (!known.ok) return err(known.error.what);
    if (known.value === undefined) return ok(undefined); // nobody holds it any more
    const released = await ledger.releaseByHandle(known.value);
    return released.ok ? ok(undefined) : err(released.error.what);
  };

async function handleAt(
  ledger: Ledger,
  name: string,
  isHeld: (address: Address) => boolean,
): Promise<Result<string | undefined, LedgerRefusal>> {
  const address = parseAddress(name.slice(unknownHandle.length));
  const holdings = await ledger.holdings();
  if (!holdings.ok) return holdings;
  if (address === undefined || isHeld(address)) return ok(undefined);
  return ok(holdings.value.find((holding) => holding.address === address)?.handle);
}

const refusalOf = ({ what, transient }: LedgerRefusal): AddressRefusal => ({
  why: what,
  isTransient: transient,
});

interface NamedPool {
  readonly name: string;
  readonly version: IpVersion | undefined;
}

/** All that the wish allows; undefined: any. A family without a list of its own may come from every pool of it. */
function poolsOf({ pools }: AddressWish, present: readonly IpPool[]): readonly NamedPool[] | undefined {
  if ((pools[4] ?? pools[6]) === undefined) return undefined;
  return ([4, 6] as const).flatMap((version): readonly NamedPool[] => {
    const own = pools[version];
    if (own !== undefined) return own.map((name) => ({ name, version }));
    return present
      .filter(({ cidr, assignmentMode }) => versionOf(cidr) === version && assignmentMode === 'Automatic')
      .map(({ meta }) => ({ name: meta.name, version }));
  });
}

/** Where nobody says which: those there is a pool of, or a list for; IPv4 if none, for a refusal that names it. */
function familiesOf(pools: readonly NamedPool[] | undefined, facts: PoolFacts): readonly IpVersion[] {
  const named = new Set(pools?.map(({ version }) => version));
  const usable = facts.families();
  const families = ([4, 6] as const).filter((version) => usable.includes(version) || named.has(version));
  return families.length === 0 ? [4] : families;
}
