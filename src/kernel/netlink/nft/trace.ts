/** NFT_MSG_TRACE: one step of a marked packet through the rules, include/uapi/linux/netfilter/nf_tables.h (enum nft_trace_attributes). */
import { eachAttribute, readString } from '../reader.ts';
import { CODE, NFGENMSG, VERDICT } from './numbers.ts';

/** NFNLGRP_NFTRACE. */
export const traceGroup = 9;

/** enum nft_trace_attributes. */
export const TRACE = {
  TABLE: 1,
  CHAIN: 2,
  HANDLE: 3,
  TYPE: 4,
  VERDICT: 5,
  ID: 6,
  NETWORK: 8,
  TRANSPORT: 9,
  IIF: 10,
  OIF: 12,
  MARK: 14,
  POLICY: 16,
} as const;

/** enum nft_trace_types, by number. */
export const traceTypes = [undefined, 'policy', 'return', 'rule'] as const;
export type TraceType = NonNullable<(typeof traceTypes)[number]>;

/** enum nft_verdicts, and of netfilter.h: what a trace tells. */
export const traceVerdicts = {
  ...CODE,
  stolen: 2,
  queue: 3,
  continue: -1,
  break: -2,
} as const;
export type TraceVerdict = keyof typeof traceVerdicts;

const verdictNames: ReadonlyMap<number, TraceVerdict> = new Map(
  Object.entries(traceVerdicts).map(([name, code]) => [code, name as TraceVerdict]),
);

export interface TraceMessage {
  /** Of the packet on its way; another one once it has left a link and come in by another. */
  readonly id: number;
  /** See FAMILY. */
  readonly family: number;
  readonly table: string;
  readonly chain: string;
  readonly type: TraceType;
  /** Of a rule. */
  readonly handle?: bigint;
  /** Of a policy: what it says. Absent: one that this code has no name for. */
  readonly verdict?: TraceVerdict;
  /** Chain that the verdict leads to. */
  readonly target?: string;
  /** Interface indices; absent: none. */
  readonly in?: number;
  readonly out?: number;
  readonly mark?: number;
  /** Octets of the packet, as it was when it came to a base chain: only the first message there has them. */
  readonly network?: Uint8Array;
  readonly transport?: Uint8Array;
}

type Draft = { -readonly [Key in keyof TraceMessage]?: TraceMessage[Key] | undefined };

const u32 = (view: DataView, from: number, to: number): number | undefined =>
  to - from >= 4 ? view.getUint32(from) : undefined;

const octets = (view: DataView, from: number, to: number): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + from, to - from).slice();

function readVerdict(draft: Draft, view: DataView, start: number, end: number): void {
  eachAttribute(view, start, end, (type, from, to) => {
    if (type === VERDICT.CODE) draft.verdict = verdictNames.get((u32(view, from, to) ?? 1) | 0);
    if (type === VERDICT.CHAIN) draft.target = readString(view, from, to);
  });
}

type Note = (draft: Draft, view: DataView, from: number, to: number) => void;

const number =
  (name: 'id' | 'in' | 'out' | 'mark'): Note =>
  (draft, view, from, to) => {
    draft[name] = u32(view, from, to);
  };
const text =
  (name: 'table' | 'chain'): Note =>
  (draft, view, from, to) => {
    draft[name] = readString(view, from, to);
  };
const bytes =
  (name: 'network' | 'transport'): Note =>
  (draft, view, from, to) => {
    draft[name] = octets(view, from, to);
  };

const notes: ReadonlyMap<number, Note> = new Map<number, Note>([
  [TRACE.TABLE, text('table')],
  [TRACE.CHAIN, text('chain')],
  [
    TRACE.HANDLE,
    (draft, view, from, to) => {
      if (to - from === 8) draft.handle = view.getBigUint64(from);
    },
  ],
  [
    TRACE.TYPE,
    (draft, view, from, to) => {
      draft.type = traceTypes[u32(view, from, to) ?? 0];
    },
  ],
  [TRACE.VERDICT, readVerdict],
  [TRACE.ID, number('id')],
  [TRACE.NETWORK, bytes('network')],
  [TRACE.TRANSPORT, bytes('transport')],
  [TRACE.IIF, number('in')],
  [TRACE.OIF, number('out')],
  [TRACE.MARK, number('mark')],
  [
    TRACE.POLICY,
    (draft, view, from, to) => {
      draft.verdict = verdictNames.get((u32(view, from, to) ?? 1) | 0);
    },
  ],
]);

/** Undefined for a body that does not say which packet, where, and what kind of step. */
export function decodeTrace(view: DataView, start: number, end: number): TraceMessage | undefined {
  if (end - start < NFGENMSG) return undefined;
  const draft: Draft = {};
  eachAttribute(view, start + NFGENMSG, end, (type, from, to) => notes.get(type)?.(draft, view, from, to));
  const { id, table, chain, type, ...rest } = draft;
  if (id === undefined || table === undefined || chain === undefined || type === undefined) return undefined;
  const found = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return { id, family: view.getUint8(start), table, chain, type, ...found };
}
