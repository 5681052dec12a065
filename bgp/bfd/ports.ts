/** The BFD ports of this node: udp/3784 in single hop (RFC 5881 §4), udp/4784 in multihop (RFC 5883 §5). */
import type { Clock } from '../../src/host/clock.ts';
import { isKernelError } from '../../src/kernel/kernel-error.ts';
import {
  type Datagram,
  receiveUdp,
  sendUdp,
  type UdpReceiver,
  type UdpSender,
} from '../../src/kernel/udp.ts';
import { type IpVersion, millis, versionOf } from '../../src/lib/net.ts';
import type { Random } from '../../src/lib/random.ts';
import type { WantedSession } from './wanted.ts';

const portOf = (isMultihop: boolean): number => (isMultihop ? 4784 : 3784);

export interface PortsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly onDatagram: (datagram: Datagram, isMultihop: boolean) => void;
}

/** What the engine needs of the network. */
export interface BfdPorts {
  /** Opens what these sessions need, and closes the rest. */
  serve(sessions: readonly WantedSession[]): void;
  /** Hands over what has arrived by now. */
  drain(): void;
  /** @param sourcePort  that it had before; undefined: any. Throws a KernelError. */
  open(session: WantedSession, sourcePort: number | undefined): BfdLine;
  dropped(): number;
  failures(): readonly string[];
}

export interface BfdLine extends UdpSender {
  readonly sourcePort: number;
}

/** RFC 5881 §4: a source port of this range, the same for a session's whole life, unique among sessions. */
const firstSourcePort = 49_152;
const sourcePorts = 65_536 - firstSourcePort;
const attempts = 64;
const retryMs = 5000;

interface Need {
  readonly version: IpVersion;
  readonly isMultihop: boolean;
}

export function createPorts({ clock, random, onDatagram }: PortsOptions): BfdPorts {
  const receivers = new Map<string, UdpReceiver>();
  const failures = new Map<string, string>();
  let needed: ReadonlyMap<string, Need> = new Map();
  let cancelRetry: (() => void) | undefined;
  let droppedBefore = 0;

  function open(name: string, { version, isMultihop }: Need): void {
    try {
      const receiving = { version, port: portOf(isMultihop), isNear: !isMultihop };
      receivers.set(
        name,
        receiveUdp(receiving, (datagram) => onDatagram(datagram, isMultihop)),
      );
    } catch (error) {
      if (!isKernelError(error)) throw error;
      failures.set(name, error.message);
    }
  }

  function close(name: string, receiver: UdpReceiver): void {
    droppedBefore += receiver.dropped();
    receiver.close();
    receivers.delete(name);
  }

  function settle(): void {
    for (const [name, receiver] of receivers) if (!needed.has(name)) close(name, receiver);
    failures.clear();
    for (const [name, need] of needed) if (!receivers.has(name)) open(name, need);
    cancelRetry?.();
    cancelRetry = failures.size === 0 ? undefined : clock.after(millis(retryMs), settle);
  }

  return {
    serve: (sessions) => {
      needed = new Map(
        sessions.map(({ address, isMultihop }) => {
          const version = versionOf(address);
          return [`IPv${version} ${portOf(isMultihop)}`, { version, isMultihop }];
        }),
      );
      settle();
    },
    drain: () => {
      for (const receiver of receivers.values()) receiver.drain();
    },
    open: (session, sourcePort) => openLine(session, sourcePort, random),
    dropped: () => [...receivers.values()].reduce((sum, one) => sum + one.dropped(), droppedBefore),
    failures: () => [...failures.values()],
  };
}

function openLine(
  { address, localAddress, isMultihop }: WantedSession,
  sourcePort: number | undefined,
  random: Random,
): BfdLine {
  for (let attempt = 1; ; attempt += 1) {
    const isFirst = attempt === 1 && sourcePort !== undefined;
    const port = isFirst ? sourcePort : firstSourcePort + Math.floor(random() * sourcePorts);
    try {
      const sender = sendUdp({
        to: address,
        port: portOf(isMultihop),
        sourcePort: port,
        ...(localAddress === undefined ? {} : { source: localAddress }),
      });
      return { ...sender, sourcePort: port };
    } catch (error) {
      if (!isKernelError(error) || error.code !== 'EADDRINUSE' || attempt >= attempts) throw error;
    }
  }
}
