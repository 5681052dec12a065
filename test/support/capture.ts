/**
 * What comes to a namespace over IPv4, as a pcap file for tshark. A raw socket of our own: tcpdump insists on changing
 * its user, which a user namespace does not let it, and dumpcap says that it listens before it does.
 */
import { writeFileSync } from 'node:fs';
import { rawSocket } from '../../src/kernel/sockets.ts';
import { Writer } from '../../src/lib/bytes.ts';

const tcp = 6;
const udp = 17;
/** Packets begin with their IP header. */
const linktypeRaw = 101;

export interface Capture {
  /** Writes what was seen so far, in the order it came; times are not kept. */
  write(path: string): void;
  close(): void;
}

/** Sees every packet from its return on. */
export const captureTcp = (netns: string): Capture => captureProtocol(netns, tcp);
export const captureUdp = (netns: string): Capture => captureProtocol(netns, udp);

function captureProtocol(netns: string, protocol: number): Capture {
  const packets: Uint8Array[] = [];
  const socket = rawSocket(`/run/netns/${netns}`, 4, protocol, (packet) => {
    packets.push(packet.slice());
  });
  return {
    write: (path) => {
      const file = new Writer(1 << 20);
      file.u32(0xa1b2c3d4).u16(2).u16(4).u32(0).u32(0).u32(65_535).u32(linktypeRaw);
      packets.forEach((packet, index) => {
        file.u32(0).u32(index).u32(packet.byteLength).u32(packet.byteLength).bytes(packet);
      });
      writeFileSync(path, file.done());
    },
    close: () => socket.close(),
  };
}
