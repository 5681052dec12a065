/** Why a ledger says no, in sentences for a pod's events. */
import { ownerText } from '../ipam/block.ts';
import type { Trouble } from '../ipam/talk.ts';
import type { Want } from '../ipam/turn.ts';
import { formatAddress } from '../lib/net.ts';
import type { BlockOwner } from '../model/ipam.ts';
import type { LedgerRefusal } from './ledger.ts';

export const notReady: LedgerRefusal = {
  kind: 'away',
  what: 'The IPPools have not been read from the datastore yet. It is tried again.',
  transient: true,
};

export const closed: LedgerRefusal = {
  kind: 'away',
  what: 'The agent is stopping. Its successor gives the address.',
  transient: true,
};

/** @param why  ends without a full stop */
export function exhausted(want: Want, owner: BlockOwner, why: string): LedgerRefusal {
  const who = ownerText(owner);
  if (want.address !== undefined)
    return {
      kind: 'taken',
      what: `${formatAddress(want.address)} cannot be given on ${who}: ${why}. Ask for another address, or see "tortiectl ipam show --ip ${formatAddress(want.address)}".`,
      transient: true,
    };
  return {
    kind: 'exhausted',
    what: `No IPv${want.family} address is free for ${who}: ${why}. Add an IPPool, or see "tortiectl ipam show --show-blocks" and "tortiectl ipam check".`,
    transient: true,
  };
}

/** @param last  what went wrong last, if anything was answered at all */
export function away(seconds: number, last: Trouble | undefined): LedgerRefusal {
  const said = last === undefined ? 'the API server does not answer.' : last.what;
  return {
    kind: 'away',
    what: `IPAM gave up after ${Math.round(seconds)} s: ${said} It is tried again.`,
    transient: true,
  };
}

/** Trouble that asking again does not mend; undefined for the other kinds. */
export const denied = ({ kind, what }: Trouble): LedgerRefusal | undefined =>
  kind === 'forbidden' || kind === 'invalid'
    ? { kind: 'denied', what: `IPAM cannot write its blocks: ${what}`, transient: false }
    : undefined;
