/** A capture file of one TCP stream from port 179, written by hand: for letting other programs read what we send. */

/** Classic pcap, link type 101 (raw IP): one packet per chunk, with sequence numbers that go on. */
export function pcapOf(chunks: readonly Uint8Array[]): Uint8Array {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(101, 20);
  let sequence = 1;
  const packets = chunks.map((chunk) => {
    const packet = packetOf(chunk, sequence);
    sequence += chunk.byteLength;
    const record = Buffer.alloc(16);
    record.writeUInt32LE(packet.byteLength, 8);
    record.writeUInt32LE(packet.byteLength, 12);
    return Buffer.concat([record, packet]);
  });
  return Buffer.concat([header, ...packets]);
}

/** IPv4 10.0.0.1 to 10.0.0.2, TCP 179 to 40000; checksums stay zero, which tshark does not check. */
function packetOf(payload: Uint8Array, sequence: number): Buffer {
  const ip = Buffer.alloc(20);
  ip[0] = 0x45;
  ip.writeUInt16BE(40 + payload.byteLength, 2);
  ip[8] = 64;
  ip[9] = 6;
  ip.writeUInt32BE(0x0a000001, 12);
  ip.writeUInt32BE(0x0a000002, 16);
  const tcp = Buffer.alloc(20);
  tcp.writeUInt16BE(179, 0);
  tcp.writeUInt16BE(40000, 2);
  tcp.writeUInt32BE(sequence, 4);
  tcp[12] = 0x50;
  tcp[13] = 0x18;
  tcp.writeUInt16BE(65535, 14);
  return Buffer.concat([ip, tcp, payload]);
}
