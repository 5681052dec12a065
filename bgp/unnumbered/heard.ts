/**
 * Who is at the other end of each link: a table of what was heard, and which one counts. Pure.
 *
 * A link has one neighbour. The one that counts is kept while it is heard of; another one that is heard takes its place
 * only after it has been silent, since a router that was exchanged has another address and a second router would only
 * make the choice flap. Nothing is forgotten by time alone: whether a neighbour is alive is the session's to find out.
 */
import type { Ipv6, Millis } from '../../src/lib/net.ts';

export interface Heard {
  /** Scoped. */
  readonly address: Ipv6;
  readonly at: Millis;
}

/** Three advertisements lost, of one each ten seconds. */
export const silentAfterMs = 35_000;

/** The neighbour of a link after `address` was heard there; the same object if nothing is new but the moment, and that is not. */
export function hear(current: Heard | undefined, address: Ipv6, at: Millis): Heard {
  const isOther = current !== undefined && current.address !== address;
  return isOther && at - current.at < silentAfterMs ? current : { address, at };
}
