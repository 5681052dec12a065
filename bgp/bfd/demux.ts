/** Which session a packet belongs to (RFC 5880 §6.3, RFC 5881 §3, RFC 5883 §3), if it may be heard at all (RFC 5881 §5). */
import { type Address, scopeOf } from '../../src/lib/net.ts';
import { err, ok, type Result } from '../../src/lib/result.ts';
import type { ControlPacket } from './packet.ts';

export interface Arrival {
  readonly packet: ControlPacket;
  /** A link-local one is scoped. */
  readonly from: Address;
  /** Ours, that it was sent to. */
  readonly to: Address | undefined;
  /** Of the link it came in on. */
  readonly ifindex: number | undefined;
  /** As it arrived; undefined: not known. */
  readonly ttl: number | undefined;
  /** It came to udp/4784. */
  readonly isMultihop: boolean;
}

export interface Reachable {
  readonly address: Address;
  readonly localAddress: Address | undefined;
  readonly isMultihop: boolean;
  /** Packets with a lesser one are not its neighbour's: 255 in single hop. */
  readonly leastTtl: number;
  readonly myDiscriminator: number;
}

/** The error says why the packet is discarded. */
export function sessionFor<S extends Reachable>(sessions: Iterable<S>, arrival: Arrival): Result<S> {
  const { packet, from, to, isMultihop, ttl } = arrival;
  const all = [...sessions].filter((one) => one.isMultihop === isMultihop);
  const found =
    packet.yourDiscriminator === 0
      ? all.find((one) => one.address === from && (one.localAddress === undefined || one.localAddress === to))
      : all.find((one) => one.myDiscriminator === packet.yourDiscriminator);
  if (found === undefined)
    return err(
      packet.yourDiscriminator === 0
        ? 'no session is configured with its sender'
        : `no session has discriminator ${packet.yourDiscriminator}`,
    );
  if (found.address !== from) return err('its sender is not the neighbour of the session it names');
  if (ttl === undefined || ttl < found.leastTtl)
    return err(`its TTL is ${ttl}, not ${found.leastTtl} or more`);
  const scope = scopeOf(found.address);
  if (scope !== undefined && scope !== arrival.ifindex) return err('it came in on another link');
  return ok(found);
}
