/** Queueing disciplines and filters, include/uapi/linux/{rtnetlink,pkt_sched,pkt_cls}.h: no more than shaping a pod needs. */
import { eachAttribute, littleEndian, readString } from './reader.ts';
import type { MessageWriter } from './writer.ts';

export const TC = { NEWQDISC: 36, DELQDISC: 37, GETQDISC: 38, NEWTFILTER: 44 } as const;

const TCA = { KIND: 1, OPTIONS: 2 } as const;
const TBF = { PARMS: 1, RATE64: 4, PRATE64: 5, BURST: 6, PBURST: 7 } as const;
const U32 = { SEL: 5, ACT: 7 } as const;
const ACT = { KIND: 1, OPTIONS: 2 } as const;
const MIRRED_PARMS = 2;

const root = 0xffff_ffff;
const ingressParent = 0xffff_fff1;
const ingressHandle = 0xffff_0000;
const tbfHandle = 0x0001_0000;
const ETH_P_ALL = 3;
const ETHERNET = 1;
const TERMINAL = 1;
const ACT_STOLEN = 4;
const EGRESS_REDIR = 1;
const u32Max = 0xffff_ffff;

/** Of a token bucket; sizes in octets, rates in octets a second. */
export interface Bucket {
  readonly rate: number;
  readonly burst: number;
  /** What may wait. */
  readonly limit: number;
  /** How fast the burst itself may go, and its own burst: one packet at least. */
  readonly peak?: { readonly rate: number; readonly burst: number };
}

interface Place {
  readonly handle: number;
  readonly parent: number;
  readonly info?: number;
}

function header(writer: MessageWriter, ifindex: number, { handle, parent, info = 0 }: Place): void {
  writer.u8(0).u8(0).u16(0).u32(ifindex).u32(handle).u32(parent).u32(info);
}

const atRoot: Place = { handle: tbfHandle, parent: root };
const atIngress: Place = { handle: ingressHandle, parent: ingressParent };

/** struct tc_ratespec. The rate here is cut to 32 bits; the whole one goes beside it. */
const rateSpec = (writer: MessageWriter, rate: number): MessageWriter =>
  writer
    .u8(0)
    .u8(ETHERNET)
    .u16(0)
    .u16(0xffff) // cell_align -1
    .u16(0)
    .u32(Math.min(rate, u32Max));

function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(Math.round(value)), littleEndian);
  return bytes;
}

/** A token bucket in place of whatever the interface sends by. */
export function encodeBucket(writer: MessageWriter, ifindex: number, bucket: Bucket): void {
  const { rate, burst, limit, peak } = bucket;
  header(writer, ifindex, atRoot);
  writer.stringAttribute(TCA.KIND, 'tbf');
  writer.nest(TCA.OPTIONS, () => {
    // struct tc_tbf_qopt, 36 octets; its buffer and mtu are times that the kernel makes of the bursts below
    writer.u16(4 + 36).u16(TBF.PARMS);
    rateSpec(writer, rate);
    if (peak === undefined) writer.u32(0).u32(0).u32(0);
    else rateSpec(writer, peak.rate);
    writer.u32(Math.min(limit, u32Max)).u32(0).u32(0);
    if (rate > u32Max) writer.bytesAttribute(TBF.RATE64, u64(rate));
    writer.u32Attribute(TBF.BURST, Math.min(burst, u32Max));
    if (peak === undefined) return;
    if (peak.rate > u32Max) writer.bytesAttribute(TBF.PRATE64, u64(peak.rate));
    writer.u32Attribute(TBF.PBURST, Math.min(peak.burst, u32Max));
  });
}

const TCMSG = 20;

/** Asks for those of all interfaces. */
export const encodeQdiscDump = (writer: MessageWriter): void => header(writer, 0, { handle: 0, parent: 0 });

/** The interface, if it sends by a token bucket as we make them, or what it receives is looked at; undefined: neither. */
export function decodeShaped(view: DataView, start: number, end: number): number | undefined {
  const handle = view.getUint32(start + 8, littleEndian);
  const parent = view.getUint32(start + 12, littleEndian);
  let kind = '';
  eachAttribute(view, start + TCMSG, end, (attribute, from, to) => {
    if (attribute === TCA.KIND) kind = readString(view, from, to);
  });
  const isOurs =
    kind === 'ingress' || (kind === 'tbf' && handle === atRoot.handle && parent === atRoot.parent);
  return isOurs ? view.getUint32(start + 4, littleEndian) : undefined;
}

export const encodeRootRemoval = (writer: MessageWriter, ifindex: number): void =>
  header(writer, ifindex, { handle: 0, parent: root });

/** What arrives is seen by filters. */
export function encodeIngress(writer: MessageWriter, ifindex: number): void {
  header(writer, ifindex, atIngress);
  writer.stringAttribute(TCA.KIND, 'ingress');
}

export const encodeIngressRemoval = (writer: MessageWriter, ifindex: number): void =>
  header(writer, ifindex, { handle: 0, parent: ingressParent });

/** Everything that arrives goes out by another interface instead: one that only shapes and hands it back (ifb). */
export function encodeRedirect(writer: MessageWriter, ifindex: number, to: number): void {
  const protocol = ((ETH_P_ALL & 0xff) << 8) | (ETH_P_ALL >> 8); // in network order
  header(writer, ifindex, {
    handle: 0,
    parent: ingressHandle,
    info: (1 << 16) | (littleEndian ? protocol : ETH_P_ALL),
  });
  writer.stringAttribute(TCA.KIND, 'u32');
  writer.nest(TCA.OPTIONS, () => {
    // struct tc_u32_sel with one key that everything matches
    const selector = new Uint8Array(32);
    selector[0] = TERMINAL;
    selector[2] = 1;
    writer.bytesAttribute(U32.SEL, selector);
    writer.nest(U32.ACT, () =>
      writer.nest(1, () => {
        writer.stringAttribute(ACT.KIND, 'mirred');
        writer.nest(ACT.OPTIONS, () => {
          writer.u16(4 + 28).u16(MIRRED_PARMS); // struct tc_mirred
          writer.u32(0).u32(0).u32(ACT_STOLEN).u32(0).u32(0).u32(EGRESS_REDIR).u32(to);
        });
      }),
    );
  });
}
