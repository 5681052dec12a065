/**
 * Tells when someone else changed our nftables table.
 *
 * nfnetlink reports every object a transaction touched, with its table's name and the port id of the socket that asked.
 * For `nft` that port id is its process id, in nft's own pid namespace; so it can be compared with our children even in a
 * container, where NFTA_GEN_PROC_PID, counted in the machine's first pid namespace, could not.
 */
import { NETLINK } from './netlink/constants.ts';
import { listen } from './netlink/listener.ts';
import { eachAttribute, type Message, readString } from './netlink/reader.ts';

const NFNLGRP_NFTABLES = 7;
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_NEWGEN = 15;
const NFPROTO_INET = 1;
const NFGENMSG = 4;
/** NFTA_*_TABLE is 1 in the messages of tables, chains, rules, sets, elements, objects and flowtables alike. */
const NFTA_TABLE = 1;
/** A large transaction of our own is a large burst; 64 MiB holds the reports of about 100,000 objects. */
const RECEIVE_BUFFER = 64 << 20;

/** Name of the inet table an nfnetlink message reports a change in; undefined for anything else. */
export function inetTableTouched({ type, view, start, end }: Message): string | undefined {
  if (type >> 8 !== NFNL_SUBSYS_NFTABLES || (type & 0xff) === NFT_MSG_NEWGEN) return undefined;
  if (end - start < NFGENMSG || view.getUint8(start) !== NFPROTO_INET) return undefined;
  let table: string | undefined;
  eachAttribute(view, start + NFGENMSG, end, (attribute, from, to) => {
    if (attribute === NFTA_TABLE) table ??= readString(view, from, to);
  });
  return table;
}

export interface NftWatchOptions {
  readonly netns?: string | undefined;
  readonly isOurs: (portId: number) => boolean;
}

/** See Kernel.watchNft. At most one call a burst. */
export function watchNft(options: NftWatchOptions, table: string, onForeignChange: () => void): () => void {
  let foreign = false;
  return listen(
    {
      protocol: NETLINK.NETFILTER,
      netns: options.netns,
      receiveBuffer: RECEIVE_BUFFER,
      groups: [NFNLGRP_NFTABLES],
    },
    {
      message: (message) => {
        if (!foreign && !options.isOurs(message.portId) && inetTableTouched(message) === table)
          foreign = true;
      },
      lost: () => {
        foreign = true;
      },
      burst: () => {
        if (!foreign) return;
        foreign = false;
        onForeignChange();
      },
    },
  );
}
