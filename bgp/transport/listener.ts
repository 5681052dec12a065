/** A listening socket that comes back: a port in use is reported once and tried again, ever more slowly. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../src/host/clock.ts';
import { isKernelError } from '../../src/kernel/kernel-error.ts';
import { boundSocket } from '../../src/kernel/tcp.ts';
import { type Address, formatAddress, millis } from '../../src/lib/net.ts';
import type { Problem } from '../../src/model/problem.ts';
import { portOwner } from '../status/port-owner.ts';
import { errnoOf } from './errno.ts';
import { type Keys, standingKeys } from './keys.ts';

const retryFirstMs = 1_000;
const retryMostMs = 30_000;

export interface Listener {
  /** The keys have changed: what stands on the socket follows. */
  renewKeys(): void;
  /** Resolves when the socket is closed. */
  stop(): Promise<void>;
}

export interface ListenerOptions {
  readonly address: Address;
  readonly port: number;
  /** No interface has it, and the kernel answers for it all the same. */
  readonly isGiven: boolean;
  /** Not ours to insist on: a host without IPv6 has nobody to listen to there. */
  readonly isOptional: boolean;
  readonly clock: Clock;
  /** Who must sign, and with what (RFC 2385): those of this family only. Set before the first SYN is answered. */
  readonly keys: () => Keys;
  /** It is not read before it is adopted. */
  readonly onConnection: (socket: Socket) => void;
  readonly onListening: (port: number) => void;
  readonly onProblem: (problem: Problem) => void;
}

/** Errors of a family this host does not have. */
const noSuchFamily: ReadonlySet<string> = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL']);

const remedies: Readonly<Record<string, (where: string, port: number) => Omit<Problem, 'where'>>> = {
  EADDRINUSE: (where, port) => ({
    what: `Port ${port} is owned by ${portOwner(port) ?? 'someone else'}, so neighbours cannot reach us at ${where}.`,
    fix: `Stop the other BGP speaker ("ss -ltnp" names it) or set another listenPort; we try again.`,
  }),
  EACCES: (_where, port) => ({
    what: `This process may not listen on port ${port}.`,
    fix: 'Give it the capability NET_BIND_SERVICE or set a listenPort above 1023; we try again.',
  }),
  EADDRNOTAVAIL: (where) => ({
    what: `${where} is not an address of this node.`,
    fix: 'Give the node this address, or set --listen or bindMode otherwise; we try again.',
  }),
};

function problemOf(errno: string, where: string, port: number): Problem {
  const known = remedies[errno]?.(where, port);
  return {
    where: `listening on ${where} port ${port}`,
    what: known?.what ?? `We cannot listen there (${errno}).`,
    fix: known?.fix ?? 'Check the network of this node; we try again.',
  };
}

/** Starts listening at once. */
export function startListener(options: ListenerOptions): Listener {
  const { address, port, isGiven, clock } = options;
  let server: Server | undefined;
  let fd: number | undefined;
  const standing = standingKeys(address, options.onProblem);
  let retryMs = retryFirstMs;
  let isReported = false;
  let isStopped = false;
  let cancelRetry = (): void => {};

  const failed = (errno: string): void => {
    server = undefined;
    fd = undefined;
    if (isStopped || (options.isOptional && noSuchFamily.has(errno))) return;
    if (!isReported) options.onProblem(problemOf(errno, formatAddress(address), port));
    isReported = true;
    cancelRetry = clock.after(millis(retryMs), attempt);
    retryMs = Math.min(retryMs * 2, retryMostMs);
  };

  const renewKeys = (): void => {
    if (fd !== undefined) standing.renew(fd, options.keys());
  };

  function attempt(): void {
    const made = createServer({ noDelay: true, pauseOnConnect: true }, options.onConnection);
    server = made;
    made.on('error', (error) => {
      // One that listens goes on: what failed is a single connection, which the neighbour will try again.
      if (!made.listening) failed(errnoOf(error));
    });
    try {
      fd = boundSocket(address, port, isGiven);
    } catch (error) {
      if (!isKernelError(error)) throw error;
      const { code } = error;
      setImmediate(() => failed(code));
      return;
    }
    standing.forget();
    renewKeys();
    made.listen({ fd }, () => {
      retryMs = retryFirstMs;
      isReported = false;
      options.onListening(portOf(made, port));
    });
  }

  attempt();
  return {
    renewKeys,
    stop: () => {
      isStopped = true;
      cancelRetry();
      const closing = server;
      server = undefined;
      fd = undefined;
      if (closing === undefined) return Promise.resolve();
      return new Promise((resolve) => closing.close(() => resolve()));
    },
  };
}

function portOf(server: Server, asked: number): number {
  const bound: AddressInfo | string | null = server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : asked;
}
