/** struct ndmsg and its attributes <-> Neighbour, rtnetlink(7). */
import { type Address, isIpv4 } from '../../lib/net.ts';
import type { Neighbour } from '../kernel.ts';
import { AF_INET, AF_INET6 } from '../sockaddr.ts';
import { eachAttribute, littleEndian, readAddress, readMac } from './reader.ts';
import type { MessageWriter } from './writer.ts';

const NDA = { DST: 1, LLADDR: 2 } as const;
const NUD_PERMANENT = 0x80;
const NTF_PROXY = 0x08;
const HEADER = 12;

export interface NeighbourChange {
  readonly ifindex: number;
  readonly address: Address;
  readonly mac?: string;
  /** We answer for it (NTF_PROXY). */
  readonly proxy?: boolean;
}

export function encodeNeighbour(
  writer: MessageWriter,
  { ifindex, address, mac, proxy }: NeighbourChange,
): void {
  writer
    .u8(isIpv4(address) ? AF_INET : AF_INET6)
    .u8(0)
    .u16(0)
    .u32(ifindex);
  writer
    .u16(NUD_PERMANENT)
    .u8(proxy === true ? NTF_PROXY : 0)
    .u8(0);
  writer.addressAttribute(NDA.DST, address);
  if (mac !== undefined) writer.macAttribute(NDA.LLADDR, mac);
}

export function encodeNeighbourDump(writer: MessageWriter): void {
  writer.u32(0).u32(0).u32(0);
}

/** Undefined for other families than IP (a bridge's FDB), for proxy entries and for bodies too short. */
export function decodeNeighbour(view: DataView, start: number, end: number): Neighbour | undefined {
  if (end - start < HEADER || (view.getUint8(start + 10) & NTF_PROXY) !== 0) return undefined;
  let address: Address | undefined;
  let mac = '';
  eachAttribute(view, start + HEADER, end, (type, from, to) => {
    if (type === NDA.DST) address = readAddress(view, from, to);
    else if (type === NDA.LLADDR) mac = readMac(view, from, to);
  });
  const family = view.getUint8(start);
  if (address === undefined || family !== (isIpv4(address) ? AF_INET : AF_INET6)) return undefined;
  return {
    ifindex: view.getUint32(start + 4, littleEndian),
    address,
    ...(mac === '' ? {} : { mac }),
    state: view.getUint16(start + 8, littleEndian),
  };
}
