/**
 * Listens to one nfnetlink_log group: what rules report of packets. Owns the socket, and with it the group, which one process can
 * have at a time. Packets that the kernel could not hand over are counted, and nothing else happens because of them.
 */
import { errnoName, kernelError } from './kernel-error.ts';
import { check, native, onReadable } from './native.ts';
import { NETLINK, NLM_F, NLMSG } from './netlink/constants.ts';
import { decodeError } from './netlink/error.ts';
import { decodeNflogPacket, encodeNflogBinding, type LoggedPacket, NFLOG } from './netlink/nflog.ts';
import type { Message } from './netlink/reader.ts';
import { EAGAIN, ENOBUFS, openNetlink, ReceiveBuffer } from './netlink/socket.ts';
import { MessageWriter } from './netlink/writer.ts';

export interface NflogListener {
  readonly packet: (packet: LoggedPacket) => void;
  /** So many packets were reported and did not get here; at least, if the kernel does not say. */
  readonly lost: (packets: number) => void;
  /** After each burst of packets. */
  readonly burst?: () => void;
}

export interface NflogOptions {
  /** 0..65535. */
  readonly group: number;
  /** Path of the namespace; absent: the process's own. */
  readonly netns?: string | undefined;
  /** Octets the kernel may queue for us. */
  readonly receiveBuffer?: number;
}

/** An IPv6 header, its options and a TCP header; the rest of a packet is nobody's business here. */
const copyOctets = 128;
const gathered = { copyOctets, threshold: 32, timeout: 10, bufferOctets: 16_384 };
const defaultReceiveBuffer = 1 << 20;

/** Throws a KernelError if it cannot listen: EBUSY if another process has the group. Call the result to stop. */
export function openNflog(options: NflogOptions, listener: NflogListener): () => void {
  const { group, netns, receiveBuffer = defaultReceiveBuffer } = options;
  const fd = openNetlink({ protocol: NETLINK.NETFILTER, netns, receiveBuffer });
  const buffer = new ReceiveBuffer();
  const packets = new Packets(listener);
  let open = true;
  const end = (): void => {
    if (open) native().close(fd);
    open = false;
  };
  try {
    bind(fd, buffer, group, packets);
    const stop = onReadable(fd, () => {
      const errno = buffer.receive(fd, (message) => packets.take(message));
      if (!open) return;
      if (errno !== 0 && errno !== EAGAIN) packets.overrun();
      listener.burst?.();
    });
    return () => {
      if (open) stop();
      end();
    };
  } catch (error) {
    end();
    throw error;
  }
}

/** The kernel answers inside the send call. */
function bind(fd: number, buffer: ReceiveBuffer, group: number, packets: Packets): void {
  const asked = `listen to nflog group ${group}`;
  const writer = new MessageWriter(128);
  writer.begin(NFLOG.CONFIG, NLM_F.REQUEST | NLM_F.ACK, 1);
  encodeNflogBinding(writer, { group, ...gathered });
  check(asked, native().send(fd, writer.end().written, 0));
  let answered: { readonly errno: number; readonly words: string } | undefined;
  buffer.receive(fd, (message) => {
    if (message.type === NLMSG.ERROR) answered ??= decodeError(message);
    else packets.take(message);
  });
  const { errno, words } = answered ?? { errno: ENOBUFS, words: 'no answer' };
  if (errno !== 0)
    throw kernelError(asked, errnoName(errno), errno === EBUSY ? 'another process listens to it' : words);
}

const EBUSY = 16;

/** Numbered by the kernel, so that it is known how many are missing. */
class Packets {
  readonly #listener: NflogListener;
  #next: number | undefined;

  constructor(listener: NflogListener) {
    this.#listener = listener;
  }

  take({ type, view, start, end }: Message): void {
    if (type !== NFLOG.PACKET) return;
    const packet = decodeNflogPacket(view, start, end);
    if (packet === undefined) return;
    const { sequence } = packet;
    if (sequence !== undefined) {
      const missing = this.#next === undefined ? 0 : (sequence - this.#next) >>> 0;
      if (missing > 0 && missing < 0x8000_0000) this.#listener.lost(missing);
      this.#next = (sequence + 1) >>> 0;
    }
    this.#listener.packet(packet);
  }

  /** The next packet's number tells how many. */
  overrun(): void {
    if (this.#next === undefined) this.#listener.lost(1);
  }
}
