/** Where the addresses of pods come from. */
import { openJournal } from '../../src/cni/journal.ts';
import type { Records } from '../../src/cni/records.ts';
import type { AddressBook } from '../../src/ipam/address-book.ts';
import { type Addresses, PodCidrAddresses } from '../addresses.ts';
import { BlockAddresses, payer } from '../block-addresses.ts';
import type { NodeView } from '../cluster.ts';
import type { PoolFacts } from '../pool-facts.ts';
import { Releases } from '../releases.ts';
import type { AgentOptions } from './options.ts';

interface AddressParts {
  readonly book: AddressBook;
  readonly records: Records;
  readonly view: NodeView;
  readonly facts: PoolFacts;
  /** Whether the datastore has been read whole. */
  readonly progress: { readonly inSync: boolean };
}

/** From blocks if there is a ledger, else from the Node's pod CIDRs. */
export function openAddresses(options: AgentOptions, parts: AddressParts): Addresses {
  const { node, clock } = options;
  const { book, records, view, facts, progress } = parts;
  const ledger = options.openLedger?.(() => (progress.inSync ? facts.facts() : undefined));
  if (ledger === undefined) {
    return new PodCidrAddresses({ book, records, clock, node, podCidrs: () => view.podCidrs });
  }
  const journal = openJournal(options.stateDir);
  const addresses: BlockAddresses = new BlockAddresses({
    ...{ ledger, facts, node },
    namespaceLabels: (name) => view.namespace(name).labels,
    isInSync: () => progress.inSync,
    releases: new Releases({
      ...{ ...options, journal },
      pay: payer(ledger, (address) => addresses.isHeld(address)),
    }),
  });
  return addresses;
}
