/**
 * The kernel's own trace of packets: a table of our own that marks them, and the group in which the kernel then tells of each step.
 *
 * The table belongs to the socket that made it (NFT_TABLE_F_OWNER): nobody else can change it, and the kernel takes it away when the
 * socket is closed or the process dies, however it does.
 */
import type { Address, IpVersion } from '../lib/net.ts';
import { isKernelError } from './kernel-error.ts';
import { NETLINK } from './netlink/constants.ts';
import { listen } from './netlink/listener.ts';
import { NftBatch } from './netlink/nft/batch.ts';
import { compare, immediate, metaLoad, metaSet, payloadLoad } from './netlink/nft/expression.ts';
import {
  BASE,
  CMP,
  FAMILY,
  META,
  MSG,
  messageType,
  RULE,
  TABLE,
  TABLE_OWNED,
} from './netlink/nft/numbers.ts';
import { addChain, addTable, beginRule, endRule } from './netlink/nft/object.ts';
import { type ChainSeen, type RuleTraced, readTraced } from './netlink/nft/read.ts';
import { decodeTrace, type TraceMessage, traceGroup } from './netlink/nft/trace.ts';
import { Requests } from './netlink/requests.ts';
import { MessageWriter } from './netlink/writer.ts';
import { runBatch } from './nft-batch.ts';
import { readNftHooks } from './nft-dump.ts';
import { runProgram } from './program.ts';

/** In inet. */
export const traceTable = 'tortie-trace';

/** Before connection tracking, before any rule that is there for a purpose. */
const first = -1_000_000;
const receiveBuffer = 4 << 20;

/** What a packet is like that is followed; all that is there must hold. */
export interface TraceMatch {
  readonly version: IpVersion;
  /** IANA number. */
  readonly protocol: number;
  readonly source?: Address;
  readonly destination?: Address;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly icmp?: { readonly type: number; readonly id: number };
}

export interface TraceListener {
  readonly step: (message: TraceMessage) => void;
  /** The kernel had more to tell than it could queue. */
  readonly lost: () => void;
}

export interface NftTrace {
  /** Of these tables' chains: their rules in order, with what they have counted by now. Empty if there is no such chain. */
  rules(family: number, table: string, chain?: string): Promise<readonly RuleTraced[]>;
  /** The base chains of all tables of all families. */
  hooks(): Promise<readonly ChainSeen[]>;
  /** A rule's text as nft prints it, by its handle; none if nft cannot tell. */
  texts(family: number, table: string, chain: string): Promise<ReadonlyMap<bigint, string>>;
  /** Takes the table away. */
  close(): void;
}

export type OpenNftTrace = (matches: readonly TraceMatch[], listener: TraceListener) => Promise<NftTrace>;

const be16 = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value & 0xff);

const octetsOf = (address: Address): Uint8Array => new MessageWriter(16).address(address).written;

/** NFPROTO_*. */
const nfproto = { 4: 2, 6: 10 } as const;
/** Of a source and a destination address in the header of each family. */
const addressAt = { 4: [12, 16], 6: [8, 24] } as const;

function writeMatch(writer: MessageWriter, match: TraceMatch): void {
  const { version, protocol, source, destination, sourcePort, destinationPort, icmp } = match;
  const is = (base: number, offset: number, bytes: Uint8Array | undefined): void => {
    if (bytes === undefined) return;
    payloadLoad(writer, { base, offset, length: bytes.byteLength });
    compare(writer, CMP.EQ, bytes);
  };
  const port = (value: number | undefined): Uint8Array | undefined =>
    value === undefined ? undefined : be16(value);
  metaLoad(writer, META.NFPROTO);
  compare(writer, CMP.EQ, Uint8Array.of(nfproto[version]));
  metaLoad(writer, META.L4PROTO);
  compare(writer, CMP.EQ, Uint8Array.of(protocol));
  const [sourceAt, destinationAt] = addressAt[version];
  is(BASE.NETWORK, sourceAt, source === undefined ? undefined : octetsOf(source));
  is(BASE.NETWORK, destinationAt, destination === undefined ? undefined : octetsOf(destination));
  is(BASE.TRANSPORT, 0, port(sourcePort));
  is(BASE.TRANSPORT, 2, port(destinationPort));
  if (icmp === undefined) return;
  is(BASE.TRANSPORT, 0, Uint8Array.of(icmp.type));
  is(BASE.TRANSPORT, 4, be16(icmp.id));
}

/** Where packets come in, and where the host's own begin. */
const hooks = ['prerouting', 'output'] as const;

function encodeTable(matches: readonly TraceMatch[]): NftBatch {
  const batch = new NftBatch();
  batch.about({ kind: 'table', name: traceTable });
  addTable(batch, traceTable, TABLE_OWNED);
  for (const hook of hooks) {
    addChain(batch, traceTable, hook, { hook, priority: first, type: 'filter' });
    for (const match of matches) {
      const open = beginRule(batch, traceTable, hook);
      writeMatch(batch.writer, match);
      immediate(batch.writer, Uint8Array.of(1));
      metaSet(batch.writer, META.NFTRACE);
      endRule(batch, open, 'followed for tortiectl policy why --live', 0);
    }
  }
  return batch;
}

/**
 * Marks packets that one of `matches` holds of, and tells of their steps until it is closed. Fails with a KernelError: EEXIST or
 * EBUSY if somebody follows packets here already.
 * @param netns  path of the namespace; absent: the process's own
 */
export async function openNftTrace(
  matches: readonly TraceMatch[],
  listener: TraceListener,
  netns?: string,
): Promise<NftTrace> {
  const socket = { protocol: NETLINK.NETFILTER, netns, receiveBuffer };
  const stop = listen(
    { ...socket, groups: [traceGroup] },
    {
      message: ({ type, view, start, end }) => {
        if (type !== messageType(MSG.TRACE)) return;
        const step = decodeTrace(view, start, end);
        if (step !== undefined) listener.step(step);
      },
      lost: listener.lost,
    },
  );
  const requests = new Requests(socket);
  const close = (): void => {
    stop();
    requests.close();
  };
  try {
    await runBatch(requests, encodeTable(matches));
  } catch (error) {
    close();
    throw error;
  }
  return {
    rules: (family, table, chain) => readRules(requests, family, table, chain),
    hooks: () => readNftHooks(requests),
    texts: (family, table, chain) => readTexts(netns, family, table, chain),
    close,
  };
}

async function readRules(
  requests: Requests,
  family: number,
  table: string,
  chain: string | undefined,
): Promise<readonly RuleTraced[]> {
  const write = (writer: MessageWriter): void => {
    writer.u8(family).u8(0).u16(0).stringAttribute(TABLE, table);
    if (chain !== undefined) writer.stringAttribute(RULE.CHAIN, chain);
  };
  const type = messageType(MSG.GETRULE);
  try {
    const found = await requests.dump({ asked: 'read nftables', type, write }, readTraced);
    return found.filter((rule) => rule.table === table && (chain ?? rule.chain) === rule.chain);
  } catch (error) {
    if (isKernelError(error) && error.code === 'ENOENT') return [];
    throw error;
  }
}

const familyNames: ReadonlyMap<number, string> = new Map(
  Object.entries(FAMILY).map(([name, number]) => [number, name]),
);
const handleComment = /^\s*(.*) # handle (\d+)$/;

async function readTexts(netns: string | undefined, family: number, table: string, chain: string) {
  const texts = new Map<bigint, string>();
  const args = ['-nn', '-a', 'list', 'chain', familyNames.get(family) ?? '', table, chain];
  const call = { program: 'nft', package: 'nftables', netns, args, input: '' };
  const ran = await runProgram(call).catch(() => undefined);
  for (const line of ran?.out.split('\n') ?? []) {
    const [, text, handle] = handleComment.exec(line) ?? [];
    if (text !== undefined && handle !== undefined && !text.endsWith('{')) texts.set(BigInt(handle), text);
  }
  return texts;
}
