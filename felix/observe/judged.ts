/** Which connections the rules forbid, as if each began now. */
import type { Flow } from '../../src/kernel/netlink/conntrack.ts';
import { ctStatus } from '../../src/kernel/netlink/conntrack.ts';
import type { Address } from '../../src/lib/net.ts';
import type { Packet, Trace } from '../rules/trace.ts';

export interface Places {
  /** The interface that leads to it; empty: it is this host's own. */
  readonly interfaceOf: (address: Address) => string;
  readonly local: readonly Address[];
}

/** What made the first packet of the connection, as the rules see it. */
function firstPacket({ original, reply, status, mark }: Flow, places: Places): Packet {
  const isTranslated = (status & ctStatus.destinationTranslated) !== 0;
  const { source, destination, protocol, sourcePort, destinationPort, icmp } = original;
  const translated = {
    destination: reply.source,
    ...(reply.sourcePort === undefined ? {} : { destinationPort: reply.sourcePort }),
  };
  return {
    ...{ source, destination, protocol },
    ...(sourcePort === undefined ? {} : { sourcePort }),
    ...(destinationPort === undefined ? {} : { destinationPort }),
    ...(icmp === undefined ? {} : { icmp: { type: icmp.type, code: icmp.code } }),
    ...(isTranslated ? { translated } : {}),
    state: 'new',
    in: places.interfaceOf(source),
    out: places.interfaceOf(reply.source),
    mark: mark ?? 0,
    local: places.local,
  };
}

/** One that another connection brought about (FTP's data) goes on with that. */
const isRelated = ({ status }: Flow): boolean => (status & ctStatus.expected) !== 0;

export const isForbidden = (flow: Flow, places: Places, trace: (packet: Packet) => Trace): boolean => {
  if (isRelated(flow)) return false;
  const packet = firstPacket(flow, places);
  // Of the host to itself no rule is asked.
  if (packet.in === '' && packet.out === '') return false;
  return trace(packet).verdict !== 'accept';
};
