/** What our node sent in the whole of a test, IPv4 and IPv6, for tshark. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { rawSocket } from '../../src/kernel/sockets.ts';
import { type Address, formatAddress, parseAddress } from '../../src/lib/net.ts';

const tcp = 6;
/** Link type 101: each packet begins with its IP header. */
const header = Buffer.from('d4c3b2a1020004000000000000000000ffff000065000000', 'hex');

export interface Eyes {
  /** One line for each message of these that came to the namespace: the tshark fields asked for, separated by tabs. */
  read(filter: string, ...fields: readonly string[]): readonly string[];
  /** Octets of each BGP message this IPv4 address sent, read without tshark, whose 4.0 ends at 4096. */
  lengths(address: string): readonly number[];
  close(): void;
}

/** An IPv6 header for a segment whose own was taken off: from where it came, to where nobody looks. */
function withHeader(segment: Uint8Array, from: Address): Buffer {
  const ip = Buffer.alloc(40);
  ip[0] = 0x60;
  ip.writeUInt16BE(segment.byteLength, 4);
  ip[6] = tcp;
  ip[7] = 255;
  const unscoped = BigInt.asUintN(128, BigInt(from));
  ip.writeBigUInt64BE(unscoped >> 64n, 8);
  ip.writeBigUInt64BE(BigInt.asUintN(64, unscoped), 16);
  ip[39] = 1;
  return Buffer.concat([ip, segment]);
}

/** Sees all TCP that comes to the namespace from its return on. @param file  scratch */
export function watchTcp(netns: string, file: string): Eyes {
  const packets: Buffer[] = [header];
  let count = 0;
  const keep = (packet: Buffer): void => {
    count += 1;
    const record = Buffer.alloc(16);
    record.writeUInt32LE(count, 4);
    record.writeUInt32LE(packet.byteLength, 8);
    record.writeUInt32LE(packet.byteLength, 12);
    packets.push(record, packet);
  };
  const sockets = [
    rawSocket(`/run/netns/${netns}`, 4, tcp, (packet) => keep(Buffer.from(packet))),
    rawSocket(`/run/netns/${netns}`, 6, tcp, (packet, from) => keep(withHeader(packet, from))),
  ];
  return {
    read: (filter, ...fields) => {
      writeFileSync(file, Buffer.concat(packets));
      const asked = fields.length > 0 ? ['-T', 'fields', ...fields.flatMap((field) => ['-e', field])] : [];
      return execFileSync('tshark', ['-r', file, '-Y', filter, ...asked], {
        stdio: ['ignore', 'pipe', 'ignore'],
      })
        .toString()
        .split('\n')
        .filter((line) => line.trim() !== '');
    },
    lengths: (address) =>
      lengthsOf(
        packets.filter((packet) => packet[0] === 0x45),
        address,
      ),
    close: () => {
      for (const socket of sockets) socket.close();
    },
  };
}

/** @param packets  IPv4 without options, in any order */
function lengthsOf(packets: readonly Buffer[], address: string): readonly number[] {
  const flows = new Map<string, Map<number, Buffer>>();
  for (const packet of packets) {
    if (packet.subarray(12, 16).join('.') !== address) continue;
    const segment = packet.subarray(20);
    const payload = segment.subarray(((segment[12] ?? 0) >> 4) * 4);
    if (payload.length === 0) continue;
    const flow = segment.readUInt32BE(0).toString();
    flows.set(flow, (flows.get(flow) ?? new Map()).set(segment.readUInt32BE(4), payload));
  }
  return [...flows.values()].flatMap((segments) => messageLengths(streamOf(segments)));
}

/** By sequence number, what was sent twice once; ends where something is missing. */
function streamOf(segments: ReadonlyMap<number, Buffer>): Buffer {
  const sorted = [...segments].sort(([a], [b]) => a - b);
  const first = sorted[0]?.[0] ?? 0;
  let stream = Buffer.alloc(0);
  for (const [sequence, payload] of sorted) {
    const at = sequence - first;
    if (at > stream.length) break;
    stream = Buffer.concat([stream, payload.subarray(stream.length - at)]);
  }
  return stream;
}

function messageLengths(stream: Buffer): readonly number[] {
  const lengths: number[] = [];
  for (let at = 0; at + 19 <= stream.length; ) {
    const length = stream.readUInt16BE(at + 16);
    if (length < 19) break;
    lengths.push(length);
    at += length;
  }
  return lengths;
}

/** A display filter for what an address sent. */
export function from(address: string): string {
  const parsed = parseAddress(address);
  const text = parsed === undefined ? address : formatAddress(parsed);
  return address.includes(':') ? `ipv6.src == ${text}` : `ip.src == ${text}`;
}
