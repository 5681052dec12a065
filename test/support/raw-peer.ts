/** A BGP neighbour made of nothing but a TCP socket: says what octets it is told to, well-formed or not, and keeps what it hears. */
import type { Socket } from 'node:net';
import { tcpConnect } from '../../src/kernel/sockets.ts';
import { type Address, parseAddress } from '../../src/lib/net.ts';
import { eventually } from './eventually.ts';
import { bytesOf, messageHex } from './wire.ts';

export interface Heard {
  readonly type: number;
  /** The message without its header, in hexadecimal. */
  readonly body: string;
}

export interface RawPeer {
  say(hex: string): void;
  /** All whole messages so far. */
  heard(): readonly Heard[];
  /** The first message of the type, once it has come. */
  hears(type: number): Promise<Heard>;
  /** Resolves when the other side has closed. */
  closed(): Promise<void>;
  hangUp(): void;
}

const address = (text: string): Address => parseAddress(text) as Address;

/** @param netns  path of the namespace it dials from, with the source address `from` */
export async function dialRaw(netns: string, from: string, to: string): Promise<RawPeer> {
  const socket: Socket = await tcpConnect(netns, address(to), 179, {
    source: address(from),
    timeoutMs: 5000,
  });
  let bytes = Buffer.alloc(0);
  let isClosed = false;
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    isClosed = true;
  });
  socket.resume();

  function heard(): readonly Heard[] {
    const messages: Heard[] = [];
    for (let at = 0; at + 19 <= bytes.length; ) {
      const length = bytes.readUInt16BE(at + 16);
      if (at + length > bytes.length) break;
      messages.push({ type: bytes[at + 18] ?? 0, body: bytes.toString('hex', at + 19, at + length) });
      at += length;
    }
    return messages;
  }
  return {
    say: (hex) => {
      socket.write(bytesOf(hex));
    },
    heard,
    hears: (type) =>
      eventually(
        () => {
          const found = heard().find((message) => message.type === type);
          if (found === undefined)
            throw new Error(`no message of type ${type} in ${JSON.stringify(heard())}`);
          return found;
        },
        { within: 15_000, every: 5 },
      ),
    closed: () =>
      eventually(
        () => {
          if (!isClosed) throw new Error(`still open after ${JSON.stringify(heard())}`);
        },
        { within: 15_000, every: 5 },
      ),
    hangUp: () => {
      socket.destroy();
    },
  };
}

export interface OpenFields {
  readonly version?: string;
  /** Four octets; the two-octet field has its lower half. */
  readonly asn?: string;
  readonly holdTime?: string;
  readonly id?: string;
}

/** An OPEN that offers IPv4 unicast and four-octet AS numbers. */
export function openHex(fields: OpenFields = {}): string {
  const { version = '04', asn = '0000fde8', holdTime = '005a', id = 'ac1e0063' } = fields;
  return messageHex(1, `${version}${asn.slice(4)}${holdTime}${id} 10 0206010400010001 02064104${asn}`);
}

export const keepaliveHex = messageHex(4, '');
