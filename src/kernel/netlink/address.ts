/** struct ifaddrmsg and its attributes <-> LinkAddress, rtnetlink(7). */
import { type Address, isIpv4 } from '../../lib/net.ts';
import type { LinkAddress } from '../kernel.ts';
import { AF_INET, AF_INET6 } from '../sockaddr.ts';
import { SCOPE, scopeName } from './constants.ts';
import { eachAttribute, littleEndian, readAddress } from './reader.ts';
import type { MessageWriter } from './writer.ts';

const IFA = { ADDRESS: 1, LOCAL: 2, FLAGS: 8 } as const;
const IFA_F_NODAD = 0x02;
const HEADER = 8;

export interface AddressChange {
  readonly ifindex: number;
  readonly address: Address;
  readonly length: number;
  readonly scope: 'global' | 'link' | 'host';
  readonly nodad: boolean;
}

export function encodeAddress(writer: MessageWriter, change: AddressChange): void {
  const { address, length, ifindex, scope, nodad } = change;
  const flags = nodad && !isIpv4(address) ? IFA_F_NODAD : 0;
  writer
    .u8(isIpv4(address) ? AF_INET : AF_INET6)
    .u8(length)
    .u8(flags)
    .u8(SCOPE[scope])
    .u32(ifindex);
  writer.addressAttribute(IFA.LOCAL, address).addressAttribute(IFA.ADDRESS, address);
}

export function encodeAddressDump(writer: MessageWriter): void {
  writer.u32(0).u32(0);
}

/** Undefined for other families than IP and for bodies too short. On a point-to-point link it is the near address. */
export function decodeAddress(view: DataView, start: number, end: number): LinkAddress | undefined {
  if (end - start < HEADER) return undefined;
  let local: Address | undefined;
  let either: Address | undefined;
  eachAttribute(view, start + HEADER, end, (type, from, to) => {
    if (type === IFA.LOCAL) local = readAddress(view, from, to);
    else if (type === IFA.ADDRESS) either = readAddress(view, from, to);
  });
  const address = local ?? either;
  if (address === undefined) return undefined;
  return {
    ifindex: view.getUint32(start + 4, littleEndian),
    address,
    length: view.getUint8(start + 1),
    scope: scopeName(view.getUint8(start + 3)) ?? 'other',
  };
}
