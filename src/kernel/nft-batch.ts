/**
 * nftables transactions as netlink messages: one send, all or nothing, without a process. The kernel has done it all when
 * the send returns.
 */
import type { NftMessage } from './kernel.ts';
import { errnoName, kernelError } from './kernel-error.ts';
import { NLM_F, NLMSG } from './netlink/constants.ts';
import { decodeError } from './netlink/error.ts';
import type { Requests } from './netlink/requests.ts';
import { MessageWriter } from './netlink/writer.ts';

const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;
const NFNL_SUBSYS_NFTABLES = 10;
const asked = 'run an nft transaction';

/** Fails with a KernelError in the kernel's words for the first message that it refused. */
export async function runBatch(requests: Requests, messages: readonly NftMessage[]): Promise<void> {
  const writer = new MessageWriter(4096);
  const mark = (type: number, seq: number, flags: number): void => {
    writer
      .begin(type, NLM_F.REQUEST | flags, seq)
      .u8(0)
      .u8(0)
      .u8(0)
      .u8(NFNL_SUBSYS_NFTABLES); // res_id, network order
    writer.end();
  };
  mark(BATCH_BEGIN, requests.nextSeq(), 0);
  const indexOf = new Map<number, number>();
  let last = 0;
  for (const [index, { type, flags, body }] of messages.entries()) {
    last = requests.nextSeq();
    indexOf.set(last, index);
    writer
      .begin(type, NLM_F.REQUEST | flags, last)
      .bytes(body)
      .end();
  }
  // Only the last one answers for all: those before it are heard of if they failed.
  writer.acknowledge();
  mark(BATCH_END, requests.nextSeq(), 0);
  let refused: { readonly index: number; readonly errno: number; readonly words: string } | undefined;
  const end = await requests.exchange(asked, writer.written, last, (message) => {
    if (message.type !== NLMSG.ERROR || refused !== undefined) return;
    const { errno, words } = decodeError(message);
    if (errno !== 0) refused = { index: indexOf.get(message.seq) ?? -1, errno, words };
  });
  const first = refused ?? (end.errno === 0 ? undefined : { ...end, index: messages.length - 1 });
  if (first === undefined) return;
  const where = `message ${first.index + 1} of ${messages.length}`;
  throw kernelError(asked, errnoName(first.errno), first.words === '' ? where : `${where}: ${first.words}`);
}
