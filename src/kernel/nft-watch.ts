/**
 * Tells when someone else changed our nftables table.
 *
 * nfnetlink reports every object a transaction touched, with its table's name and the port id of the socket that asked.
 * For `nft` and for iptables over nf_tables that port id is its process id, in nft's own pid namespace; so it can be compared with our children even in a
 * container, where NFTA_GEN_PROC_PID, counted in the machine's first pid namespace, could not.
 */
import type { OnForeignChange, OnOtherChange } from './kernel.ts';
import { NETLINK } from './netlink/constants.ts';
import { listen } from './netlink/listener.ts';
import {
  CHAIN,
  FAMILY,
  MSG,
  NFGENMSG,
  NFNL_SUBSYS_NFTABLES,
  RULE,
  SET,
  TABLE,
} from './netlink/nft/numbers.ts';
import { eachAttribute, type Message, readString } from './netlink/reader.ts';
import { traceTable } from './nft-trace.ts';
import { accept, asLoaded, assembled, jumpIfEqual, loadWord } from './socket-filter.ts';

const NFNLGRP_NFTABLES = 7;
/** A large transaction of our own is a large burst; 64 MiB holds the reports of about 100,000 objects. */
const RECEIVE_BUFFER = 64 << 20;

/** What of an inet table an nfnetlink message reports a change in; undefined for anything else. */
export function inetTableTouched({
  type,
  view,
  start,
  end,
}: Message): { readonly table: string; readonly set?: string } | undefined {
  const kind = type & 0xff;
  if (type >> 8 !== NFNL_SUBSYS_NFTABLES || kind === MSG.NEWGEN) return undefined;
  if (end - start < NFGENMSG || view.getUint8(start) !== FAMILY.inet) return undefined;
  let table: string | undefined;
  let set: string | undefined;
  eachAttribute(view, start + NFGENMSG, end, (attribute, from, to) => {
    if (attribute === TABLE) table ??= readString(view, from, to);
    // NFTA_SET_NAME and NFTA_SET_ELEM_LIST_SET are one number.
    if (attribute === SET.NAME && ofSets.has(kind)) set ??= readString(view, from, to);
  });
  return table === undefined ? undefined : { table, ...(set === undefined ? {} : { set }) };
}

const ofSets: ReadonlySet<number> = new Set([MSG.NEWSET, MSG.DELSET, MSG.NEWSETELEM, MSG.DELSETELEM]);

/** The chain of a table of IPv4 or IPv6 that a message reports a change of, or in; undefined for anything else. */
function iptablesChainTouched({ type, view, start, end }: Message): string | undefined {
  const name = chainNameIn.get(type & 0xff);
  if (type >> 8 !== NFNL_SUBSYS_NFTABLES || name === undefined || end - start < NFGENMSG) return undefined;
  const family = view.getUint8(start);
  if (family !== FAMILY.ip && family !== FAMILY.ip6) return undefined;
  let chain: string | undefined;
  eachAttribute(view, start + NFGENMSG, end, (attribute, from, to) => {
    if (attribute === name) chain ??= readString(view, from, to);
  });
  return chain;
}

const chainNameIn: ReadonlyMap<number, number> = new Map([
  [MSG.NEWRULE, RULE.CHAIN],
  [MSG.DELRULE, RULE.CHAIN],
  [MSG.NEWCHAIN, CHAIN.NAME],
  [MSG.DELCHAIN, CHAIN.NAME],
]);

/** Of a datagram only the first message is looked at: one transaction's reports, by one socket, are in it. */
const nlmsgPidAt = 12;
const othersOnly = (ownPortId: number): Uint8Array =>
  assembled([
    [loadWord, 0, 0, nlmsgPidAt],
    [jumpIfEqual, 0, 1, asLoaded(ownPortId, 4)],
    [accept, 0, 0, 0],
    [accept, 0, 0, 0xffff_ffff],
  ]);

export interface NftWatchOptions {
  readonly netns?: string | undefined;
  /** Of a program that we started. */
  readonly isOurs: (portId: number) => boolean;
  /** Of the socket of our own transactions: their reports are not even queued. */
  readonly ownPortId: number;
  readonly table: string;
  readonly onForeignChange: OnForeignChange;
  readonly onOtherChange?: OnOtherChange | undefined;
}

/** See Kernel.watchNft. */
export function watchNft(options: NftWatchOptions): () => void {
  const { table, isOurs, onForeignChange, onOtherChange } = options;
  let sets: Set<string> | undefined;
  let isLost = false;
  let isOther = false;
  let chains = new Set<string>();
  return listen(
    {
      protocol: NETLINK.NETFILTER,
      netns: options.netns,
      receiveBuffer: RECEIVE_BUFFER,
      groups: [NFNLGRP_NFTABLES],
      filter: othersOnly(options.ownPortId),
    },
    {
      message: (message) => {
        if (isOurs(message.portId)) return;
        const touched = inetTableTouched(message);
        if (touched?.table === table) {
          sets ??= new Set();
          if (touched.set !== undefined) sets.add(touched.set);
        } else if ((message.type & 0xff) !== MSG.NEWGEN && touched?.table !== traceTable) {
          isOther = true;
          const chain = iptablesChainTouched(message);
          if (chain !== undefined) chains.add(chain);
        }
      },
      lost: () => {
        isLost = true;
        isOther = true;
      },
      burst: () => {
        const [touched, lost, other, among] = [sets, isLost, isOther, chains];
        sets = undefined;
        isLost = false;
        isOther = false;
        if (other) chains = new Set();
        if (lost) onForeignChange(undefined);
        else if (touched !== undefined) onForeignChange(touched);
        if (other) onOtherChange?.(lost ? undefined : among);
      },
    },
  );
}
