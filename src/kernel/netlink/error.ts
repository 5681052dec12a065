/** NLMSG_ERROR: errno and, where the kernel has words for it, the extended ACK (NETLINK_EXT_ACK). */
import { NLM_F } from './constants.ts';
import { eachAttribute, littleEndian, type Message, readString } from './reader.ts';

export interface NetlinkError {
  /** Sequence number of the request; 0 errno is its ACK. */
  readonly seq: number;
  readonly errno: number;
  /** The kernel's words, or empty. */
  readonly words: string;
}

const HEADER = 16;
const NLMSGERR_ATTR_MSG = 1;

/** Decodes an NLMSG_ERROR, or an NLMSG_DONE, whose body also starts with an errno. */
export function decodeError(message: Message): NetlinkError {
  const { view, start, end, seq, flags } = message;
  if (end - start < 4) return { seq, errno: 0, words: '' };
  const errno = -view.getInt32(start, littleEndian);
  if ((flags & NLM_F.ACK_TLVS) === 0 || end - start < 4 + HEADER) return { seq, errno, words: '' };
  const original = view.getUint32(start + 4, littleEndian);
  const payload = (flags & NLM_F.CAPPED) === 0 ? Math.max(original, HEADER) : HEADER;
  let words = '';
  eachAttribute(view, start + 4 + ((payload + 3) & ~3), end, (type, from, to) => {
    if (type === NLMSGERR_ATTR_MSG) words = readString(view, from, to);
  });
  return { seq, errno, words };
}
