/** What a monitor is told: sessions as they come and go, and the messages that came over them. */
import type { Address, Prefix } from '../../src/lib/net.ts';
import type { BgpState } from '../../src/model/bgp-state.ts';
import type { Path } from '../rib/path.ts';
import type { Neighbour, Session } from '../speaker/neighbour.ts';
import type { Ending } from './bmp.ts';
import type { Wire } from './mrt.ts';

/** An Established session, from its first moment to its last. */
export interface SeenSession {
  /** `PeerConfig.key`. */
  readonly key: string;
  readonly session: Session;
  readonly wire: Wire;
  readonly localPort: number;
  readonly remotePort: number;
}

/** All are optional; times are milliseconds of the wall clock. */
export interface Monitor {
  up?(seen: SeenSession, at: number): void;
  down?(seen: SeenSession, ending: Ending, at: number): void;
  state?(wire: Wire, from: BgpState, to: BgpState, at: number): void;
  /**
   * A whole message that came, after the speaker has heard it.
   * @param seen  undefined before the session is up
   */
  message?(neighbour: Neighbour, seen: SeenSession | undefined, frame: Uint8Array, at: number): void;
  /** The best path of a prefix is another one; undefined: none any more. */
  best?(prefix: Prefix, path: Path | undefined, at: number): void;
}

/** A connection that has not told its ends has none. */
export const wireOf = ({ config }: Neighbour, localAddress: Address | undefined): Wire => ({
  peerAsn: config.peerAsn,
  localAsn: config.localAsn,
  peerAddress: config.address,
  localAddress: localAddress ?? config.localAddress,
});
