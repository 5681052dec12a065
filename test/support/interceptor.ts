/**
 * Between the nodes and the API server: a TCP proxy that cuts connections where it hurts.
 *
 * TLS hides the messages but not their edges: a watch that was quiet sends each event as one record (RFC 8446 section 5.1: type,
 * version, length of two bytes, then as many bytes), so the next record after a quiet moment is the next message.
 */
import type { Server, Socket } from 'node:net';
import { tcpConnect, tcpListen } from '../../src/kernel/sockets.ts';
import { parseAddress } from '../../src/lib/net.ts';

/** What happens to the first message after a quiet moment, and to the connection it comes on. */
export type Cut = 'before the message' | 'in the middle of the message' | 'after the message';

export interface Interceptor {
  /** From now on; undefined lets everything pass. */
  cut: Cut | undefined;
  /** Connections cut so far. */
  readonly cuts: number;
  /** Ends every connection, and refuses new ones until told otherwise. */
  close(refuse: boolean): void;
  open(): void;
  end(): void;
}

const any = parseAddress('0.0.0.0');
const loopback = parseAddress('127.0.0.1');
/** A watch counts as quiet after so long without a record. */
const quietMs = 100;
const header = 5;

/** @param netns  path of the API server's namespace, where it listens on `port` and leads to `serverPort` */
export async function startInterceptor(
  netns: string,
  port: number,
  serverPort: number,
): Promise<Interceptor> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let refuses = false;
  const made = { cut: undefined as Cut | undefined, cuts: 0 };
  if (any === undefined || loopback === undefined) throw new Error('these are addresses');

  const server: Server = await tcpListen(netns, any, port, (near) => {
    near.on('error', () => undefined);
    if (refuses) return void near.destroy();
    tcpConnect(netns, loopback, serverPort).then(
      (far) => carry(near, far),
      () => near.destroy(),
    );
  });

  function carry(near: Socket, far: Socket): void {
    const pair = [near, far] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    far.on('error', () => undefined);
    near.once('close', end);
    far.once('close', end);
    near.pipe(far);
    let records = 0;
    let last = performance.now();
    far.on('data', (chunk: Buffer) => {
      const wasQuiet = performance.now() - last > quietMs;
      last = performance.now();
      records += 1;
      const { cut } = made;
      // The handshake and the answer's head come first; a list is never quiet.
      if (cut === undefined || !wasQuiet || records < 4) return void near.write(chunk);
      made.cuts += 1;
      const whole = header + chunk.readUInt16BE(3);
      const upTo = {
        'before the message': 0,
        'in the middle of the message': whole >> 1,
        'after the message': whole,
      };
      near.write(chunk.subarray(0, upTo[cut]), end);
    });
  }

  const close = (refuse: boolean): void => {
    refuses = refuse;
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  };
  return {
    get cut() {
      return made.cut;
    },
    set cut(cut) {
      made.cut = cut;
    },
    get cuts() {
      return made.cuts;
    },
    close,
    open: () => {
      refuses = false;
    },
    end: () => {
      close(true);
      server.close();
    },
  };
}
