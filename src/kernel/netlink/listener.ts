/**
 * Listens to netlink multicast groups. Owns the socket.
 *
 * If the kernel could not queue an event it says ENOBUFS, once. What is still queued is then older than the loss; it is
 * thrown away, so that whoever dumps after `lost` never applies it on top of something newer.
 */
import { native, onReadable } from '../native.ts';
import type { Message } from './reader.ts';
import { EAGAIN, ENOBUFS, openNetlink, ReceiveBuffer, type SocketOptions } from './socket.ts';

export interface Listener {
  readonly message: (message: Message) => void;
  /** Events were lost: dump everything again. */
  readonly lost: () => void;
  /** After each burst of messages; here is the place to hand on what was gathered. */
  readonly burst?: () => void;
}

/** Rounds of reading stale events at most, in a storm that does not end; after that they come as events once more. */
const DRAIN_ROUNDS = 64;

/** Throws a KernelError if it cannot listen. Call the result to stop. */
export function listen(options: SocketOptions, { message, lost, burst }: Listener): () => void {
  const fd = openNetlink(options);
  const buffer = new ReceiveBuffer();
  let open = true;
  const whileOpen = (event: Message): void => {
    if (open) message(event);
  };
  const stop = onReadable(fd, () => {
    const errno = buffer.receive(fd, whileOpen);
    if (errno !== 0 && errno !== EAGAIN) drain(fd, buffer);
    if (open && errno !== 0 && errno !== EAGAIN) lost();
    if (open) burst?.();
  });
  return () => {
    if (!open) return;
    open = false;
    stop();
    native().close(fd);
  };
}

function drain(fd: number, buffer: ReceiveBuffer): void {
  for (let round = 0; round < DRAIN_ROUNDS; round++) {
    const errno = buffer.receive(fd, () => undefined);
    if (errno !== 0 && errno !== ENOBUFS) return;
  }
}
