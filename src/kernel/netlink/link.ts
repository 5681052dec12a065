/** struct ifinfomsg and its attributes <-> Link, rtnetlink(7). */
import type { Link } from '../kernel.ts';
import type { VethEnd } from '../links.ts';
import { eachAttribute, littleEndian, readMac, readString, readU32 } from './reader.ts';
import type { MessageWriter } from './writer.ts';

const IFLA = { ADDRESS: 1, IFNAME: 3, MTU: 4, LINKINFO: 18, NET_NS_FD: 28 } as const;
const IFLA_INFO = { KIND: 1, DATA: 2 } as const;
const VETH_INFO_PEER = 1;
const IFF_UP = 0x1;
const IFF_LOWER_UP = 0x10000;
const HEADER = 16;

/** A link by index, or by name if the index is 0; `up` absent leaves it. */
export interface LinkTarget {
  readonly ifindex: number;
  readonly name?: string;
  readonly up?: boolean;
  readonly mtu?: number;
  readonly mac?: string;
  readonly netnsFd?: number;
}

/** Writes ifinfomsg and attributes after `begin`: a question, a change or a removal. */
export function encodeLink(writer: MessageWriter, link: LinkTarget): void {
  const change = link.up === undefined ? 0 : IFF_UP;
  header(writer, link.ifindex, link.up === true ? IFF_UP : 0, change);
  if (link.name !== undefined) writer.stringAttribute(IFLA.IFNAME, link.name);
  if (link.mtu !== undefined) writer.u32Attribute(IFLA.MTU, link.mtu);
  if (link.mac !== undefined) writer.macAttribute(IFLA.ADDRESS, link.mac);
  if (link.netnsFd !== undefined) writer.u32Attribute(IFLA.NET_NS_FD, link.netnsFd);
}

/** Writes the creation of a veth pair. @param netnsFd  of the namespace the peer is born in */
export function encodeVeth(
  writer: MessageWriter,
  near: VethEnd,
  peer: VethEnd,
  netnsFd: number | undefined,
): void {
  encodeLink(writer, target(near));
  writer.nest(IFLA.LINKINFO, () => {
    writer.stringAttribute(IFLA_INFO.KIND, 'veth');
    writer.nest(IFLA_INFO.DATA, () =>
      writer.nest(VETH_INFO_PEER, () =>
        encodeLink(writer, { ...target(peer), ...(netnsFd === undefined ? {} : { netnsFd }) }),
      ),
    );
  });
}

/** Writes the creation of an interface that hands on what it is given. */
export function encodeIfb(writer: MessageWriter, name: string, mtu: number): void {
  encodeLink(writer, { ifindex: 0, name, mtu });
  writer.nest(IFLA.LINKINFO, () => writer.stringAttribute(IFLA_INFO.KIND, 'ifb'));
}

const target = ({ name, mac, mtu }: VethEnd): LinkTarget => ({
  ifindex: 0,
  name,
  ...(mac === undefined ? {} : { mac }),
  ...(mtu === undefined ? {} : { mtu }),
});

function header(writer: MessageWriter, ifindex: number, flags: number, change: number): void {
  writer.u8(0).u8(0).u16(0).u32(ifindex).u32(flags).u32(change);
}

interface Draft {
  name: string;
  mac: string;
  mtu: number;
  kind: string;
}

const rows: ReadonlyMap<number, (draft: Draft, view: DataView, from: number, to: number) => void> = new Map([
  [
    IFLA.ADDRESS,
    (draft, view, from, to) => {
      draft.mac = readMac(view, from, to);
    },
  ],
  [
    IFLA.IFNAME,
    (draft, view, from, to) => {
      draft.name = readString(view, from, to);
    },
  ],
  [
    IFLA.MTU,
    (draft, view, from, to) => {
      draft.mtu = readU32(view, from, to);
    },
  ],
  [
    IFLA.LINKINFO,
    (draft, view, from, to) =>
      eachAttribute(view, from, to, (type, at, end) => {
        if (type === IFLA_INFO.KIND) draft.kind = readString(view, at, end);
      }),
  ],
]);

/** Undefined for bridge ports (family AF_BRIDGE), which are not links of their own, and for bodies too short. */
export function decodeLink(view: DataView, start: number, end: number): Link | undefined {
  if (end - start < HEADER || view.getUint8(start) !== 0) return undefined;
  const draft: Draft = { name: '', mac: '', mtu: 0, kind: '' };
  eachAttribute(view, start + HEADER, end, (type, from, to) => rows.get(type)?.(draft, view, from, to));
  const flags = view.getUint32(start + 8, littleEndian);
  return {
    ifindex: view.getUint32(start + 4, littleEndian),
    name: draft.name,
    ...(draft.kind === '' ? {} : { kind: draft.kind }),
    mtu: draft.mtu,
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
    mac: draft.mac,
  };
}
