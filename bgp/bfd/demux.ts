/** Which session a packet belongs to (RFC 5880 §6.3, RFC 5881 §3, RFC 5883 §3), if it may be heard at all (RFC 5881 §5). */
import { type Address, scopeOf } from '../../src/lib/net.ts';
import { err, ok, type Result } from '../../src/lib/result.ts';
import type { ControlPacket } from './packet.ts';
import type { WantedSession } from './wanted.ts';

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

/** Those there are, by what a packet may name them with. */
export interface Sessions<S extends { readonly wanted: WantedSession }> {
  named(discriminator: number): S | undefined;
  with(address: Address): readonly S[];
}

const nearTtl = 255;

/** The error says why the packet is discarded. */
export function sessionFor<S extends { readonly wanted: WantedSession }>(
  sessions: Sessions<S>,
  { packet: { yourDiscriminator }, from, to, isMultihop, ttl, ifindex }: Arrival,
): Result<S> {
  const found =
    yourDiscriminator === 0
      ? sessions
          .with(from)
          .find(
            ({ wanted }) => wanted.isMultihop === isMultihop && [undefined, to].includes(wanted.localAddress),
          )
      : sessions.named(yourDiscriminator);
  if (found === undefined)
    return err(
      yourDiscriminator === 0
        ? 'no session is configured with its sender'
        : `no session has discriminator ${yourDiscriminator}`,
    );
  const { wanted } = found;
  if (wanted.isMultihop !== isMultihop) return err('it came to the port of the other kind of session');
  if (wanted.address !== from) return err('its sender is not the neighbour of the session it names');
  // Over several hops nothing is said of the TTL, and BIRD sends what the kernel gives.
  if (!isMultihop && ttl !== nearTtl) return err(`its TTL is ${ttl}, not ${nearTtl}`);
  const scope = scopeOf(wanted.address);
  if (scope !== undefined && scope !== ifindex) return err('it came in on another link');
  return ok(found);
}
