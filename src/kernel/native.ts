/** The native addon (`native/tortie.c`), typed. Each function is one system call: its result, or -errno. */
import { createRequire } from 'node:module';
import { errnoName, kernelError } from './kernel-error.ts';

/** A poll handle; opaque. */
type Poll = { readonly __poll: never };

export interface Native {
  /** The fd is close-on-exec and non-blocking. */
  socket(domain: number, type: number, protocol: number): number;
  close(fd: number): number;
  /** Another fd of the same socket, close-on-exec. */
  dup(fd: number): number;
  bind(fd: number, sockaddr: Uint8Array): number;
  connect(fd: number, sockaddr: Uint8Array): number;
  getsockname(fd: number, into: Uint8Array): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array): number;
  getsockopt(fd: number, level: number, name: number, into: Uint8Array): number;
  /** `program`: an array of struct sock_filter (socket(7), SO_ATTACH_FILTER). */
  filter(fd: number, program: Uint8Array): number;
  send(fd: number, bytes: Uint8Array, flags: number, sockaddr?: Uint8Array): number;
  /** The same on another thread, for what the kernel takes its time with. Until then `bytes` stay as they are, and `fd` open. */
  sendElsewhere(fd: number, bytes: Uint8Array, flags: number): Promise<number>;
  receive(fd: number, into: Uint8Array, from?: Uint8Array): number;
  /** Packs datagrams into `into`; see the C source for `ends`. At least `room` octets are kept for each. */
  receiveMany(fd: number, into: Uint8Array, ends: Int32Array, room: number): number;
  /** One datagram with its ancillary data, whose length goes into `controlLength`. */
  receiveMessage(
    fd: number,
    into: Uint8Array,
    from: Uint8Array,
    control: Uint8Array,
    controlLength: Int32Array,
  ): number;
  /** `events`: 1 readable, 2 writable. `ready` gets the events, or -errno once for an error on the fd. */
  poll(fd: number, events: number, ready: (events: number) => void): Poll | number;
  /** Once only, before the fd is closed. */
  unpoll(poll: Poll): number;
  /** Moves the calling thread only. */
  setns(fd: number, kind: number): number;
  /** sched_setscheduler(2). @param thread  0: the calling one */
  schedule(thread: number, policy: number, priority: number): number;
  /** Of the calling thread only: setpriority(2). */
  renice(value: number): number;
  /** An address of this process; whole pages. */
  madvise(address: number, length: number, advice: number): number;
  /** What malloc holds free goes back to the kernel. */
  trim(): number;
}

let loaded: Native | undefined;

/** Throws a sentence if the addon was never built. */
export function native(): Native {
  loaded ??= load();
  return loaded;
}

/** The same for what may as well be left undone; undefined: the addon was never built. */
export function nativeIfBuilt(): Native | undefined {
  try {
    return native();
  } catch {
    return undefined;
  }
}

function load(): Native {
  try {
    const addon: Native = createRequire(import.meta.url)('./native/tortie.node');
    return addon;
  } catch (cause) {
    throw new Error(
      'the native addon src/kernel/native/tortie.node cannot be loaded; build it with "sh src/kernel/native/build.sh"',
      { cause },
    );
  }
}

/** Turns -errno into a thrown KernelError. @param asked  what was wanted: "bind a raw socket" */
export function check(asked: string, result: number): number {
  if (result < 0) throw kernelError(asked, errnoName(-result));
  return result;
}

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** An `int` in host order, as socket options want it. */
export function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, littleEndian);
  return bytes;
}

/** Opens a poll handle for reading or throws. Call the result to stop; stopping twice is harmless. */
export function onReadable(fd: number, ready: () => void): () => void {
  const handle = native().poll(fd, 1, ready);
  if (typeof handle === 'number') throw kernelError('watch a socket', errnoName(-handle));
  let open = true;
  return () => {
    if (open) native().unpoll(handle);
    open = false;
  };
}
