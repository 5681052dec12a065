/** Just enough BGP to inject and to look on: one session that dials, stays up, and hands over UPDATEs as they lie in the buffer. */
import { createConnection, createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { message } from './encode.ts';

export interface SessionSpec {
  /** Where it dials from, and whom. */
  readonly from: string;
  readonly to: string;
  readonly asn: number;
  readonly family: 4 | 6;
  /** In seconds; a KEEPALIVE is sent every third of it. 0: there are none. */
  readonly holdTime: number;
}

export interface Session {
  readonly spec: SessionSpec;
  /** Resolves when all is with the kernel. A piece ends where a message ends. */
  write(pieces: readonly Buffer[]): Promise<void>;
  /** Does not wait. */
  writeNow(piece: Buffer): void;
  /** Why it is no more; undefined while it is. */
  closed(): string | undefined;
  end(): void;
}

/** Octets of one message body: `bytes[start..end)`. */
export type OnUpdate = (bytes: Buffer, start: number, end: number) => void;

/** Milliseconds of a clock that all processes of this machine share. */
export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

const keepalive = message(4, Buffer.alloc(0));

function openMessage({ asn, holdTime, from, family }: SessionSpec): Buffer {
  const capabilities = Buffer.from([
    ...[1, 4, 0, family === 4 ? 1 : 2, 0, 1],
    ...[2, 0],
    ...[65, 4, (asn >>> 24) & 255, (asn >>> 16) & 255, (asn >>> 8) & 255, asn & 255],
  ]);
  // Of its own for each tester: some tell nothing to who has the identifier of who said it.
  const [kind, index] = from
    .split(/[.:]/)
    .slice(-2)
    .map((part) => Number.parseInt(part, from.includes(':') ? 16 : 10)) as [number, number];
  const [asHigh, asLow] = asn > 65_535 ? [0x5b, 0xa0] : [asn >> 8, asn & 255];
  return message(
    1,
    Buffer.concat([
      Buffer.from([4, asHigh, asLow, holdTime >> 8, holdTime & 255, 10, 9, kind, index]),
      Buffer.from([capabilities.length + 2, 2, capabilities.length]),
      capabilities,
    ]),
  );
}

/** Dials until there is an Established session. Waits for nobody else, so that many can be opened side by side. */
export async function openSession(
  spec: SessionSpec,
  onUpdate: OnUpdate,
  onChunk: () => void,
): Promise<Session> {
  const until = nowMs() + 60_000;
  for (;;) {
    const tried = await attempt(spec, onUpdate, onChunk);
    if (typeof tried !== 'string') return tried;
    if (nowMs() > until) throw new Error(`no session from ${spec.from} to ${spec.to}: ${tried}`);
    await pause(50);
  }
}

const attempt = (spec: SessionSpec, onUpdate: OnUpdate, onChunk: () => void): Promise<Session | string> =>
  talk(
    createConnection({ host: spec.to, port: 179, localAddress: spec.from, noDelay: true }),
    'connect',
    spec,
    onUpdate,
    onChunk,
  );

/** Waits to be dialled, by one injector without anybody between: how fast the bench itself is. */
export function acceptSession(
  spec: SessionSpec,
  onUpdate: OnUpdate,
  onChunk: () => void,
): Promise<Session | string> {
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      server.close();
      resolve(talk(socket, 'now', spec, onUpdate, onChunk));
    });
    server.listen(179, spec.from);
  });
}

function talk(
  socket: Socket,
  opens: 'now' | 'connect',
  spec: SessionSpec,
  onUpdate: OnUpdate,
  onChunk: () => void,
): Promise<Session | string> {
  return new Promise((resolve) => {
    let why: string | undefined;
    let timer: NodeJS.Timeout | undefined;
    let isUp = false;
    const up = (): void => {
      if (isUp) return;
      isUp = true;
      if (spec.holdTime > 0) timer = setInterval(() => socket.write(keepalive), (spec.holdTime * 1000) / 3);
      resolve(sessionOver(spec, socket, () => why));
    };
    const open = (): void => {
      socket.write(openMessage(spec));
    };
    if (opens === 'now') open();
    else socket.once('connect', open);
    socket.on('error', ({ message: text }) => {
      why ??= text;
    });
    socket.on('close', () => {
      why ??= 'closed by the other side';
      clearInterval(timer);
      resolve(why);
    });
    socket.on(
      'data',
      framer((type, bytes, start, end) => {
        if (type === 2) onUpdate(bytes, start, end);
        else if (type === 1) socket.write(keepalive);
        else if (type === 4) up();
        else if (type === 3) why ??= `NOTIFICATION ${bytes[start]}/${bytes[start + 1]}`;
      }, onChunk),
    );
  });
}

function sessionOver(spec: SessionSpec, socket: Socket, closed: () => string | undefined): Session {
  return {
    spec,
    closed,
    write: async (pieces) => {
      for (const piece of pieces)
        if (!socket.write(piece)) await new Promise((resolve) => socket.once('drain', resolve));
    },
    writeNow: (piece) => {
      socket.write(piece);
    },
    end: () => {
      socket.destroy();
    },
  };
}

type OnMessage = (type: number, bytes: Buffer, start: number, end: number) => void;

function framer(onMessage: OnMessage, onChunk: () => void): (chunk: Buffer) => void {
  let left: Buffer | undefined;
  return (chunk) => {
    const bytes = left === undefined ? chunk : Buffer.concat([left, chunk]);
    let at = 0;
    while (at + 19 <= bytes.length) {
      const length = bytes.readUInt16BE(at + 16);
      if (at + length > bytes.length) break;
      onMessage(bytes[at + 18] ?? 0, bytes, at + 19, at + length);
      at += length;
    }
    left = at === bytes.length ? undefined : bytes.subarray(at);
    onChunk();
  };
}
