/** A listening socket that comes back: a port in use is reported once and tried again, ever more slowly. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../src/host/clock.ts';
import { type Address, formatAddress, isIpv4, millis } from '../../src/lib/net.ts';
import type { Problem } from '../../src/model/problem.ts';
import { errnoOf } from './errno.ts';

const retryFirstMs = 1_000;
const retryMostMs = 30_000;

export interface ListenerOptions {
  readonly address: Address;
  readonly port: number;
  /** Not ours to insist on: a host without IPv6 has nobody to listen to there. */
  readonly isOptional: boolean;
  readonly clock: Clock;
  readonly onConnection: (socket: Socket) => void;
  readonly onListening: (port: number) => void;
  readonly onProblem: (problem: Problem) => void;
}

/** Errors of a family this host does not have. */
const noSuchFamily: ReadonlySet<string> = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL']);

const remedies: Readonly<Record<string, (where: string, port: number) => Omit<Problem, 'where'>>> = {
  EADDRINUSE: (where, port) => ({
    what: `Port ${port} is owned by someone else, so neighbours cannot reach us at ${where}.`,
    fix: `Stop the other BGP speaker ("ss -ltnp" names it) or set another listenPort; we try again.`,
  }),
  EACCES: (_where, port) => ({
    what: `This process may not listen on port ${port}.`,
    fix: 'Give it the capability NET_BIND_SERVICE or set a listenPort above 1023; we try again.',
  }),
  EADDRNOTAVAIL: (where) => ({
    what: `${where} is not an address of this node.`,
    fix: 'Set --listen to an address the node has; we try again.',
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

/** Starts listening at once. Call the result to stop; it resolves when the socket is closed. */
export function startListener(options: ListenerOptions): () => Promise<void> {
  const { address, port, clock } = options;
  let server: Server | undefined;
  let retryMs = retryFirstMs;
  let isReported = false;
  let isStopped = false;
  let cancelRetry = (): void => {};

  const failed = (errno: string): void => {
    server = undefined;
    if (isStopped || (options.isOptional && noSuchFamily.has(errno))) return;
    if (!isReported) options.onProblem(problemOf(errno, formatAddress(address), port));
    isReported = true;
    cancelRetry = clock.after(millis(retryMs), attempt);
    retryMs = Math.min(retryMs * 2, retryMostMs);
  };

  function attempt(): void {
    const made = createServer({ noDelay: true }, options.onConnection);
    server = made;
    made.on('error', (error) => failed(errnoOf(error)));
    made.listen({ host: formatAddress(address), port, ipv6Only: !isIpv4(address), exclusive: true }, () => {
      retryMs = retryFirstMs;
      isReported = false;
      options.onListening(portOf(made, port));
    });
  }

  attempt();
  return () => {
    isStopped = true;
    cancelRetry();
    const closing = server;
    server = undefined;
    if (closing === undefined) return Promise.resolve();
    return new Promise((resolve) => closing.close(() => resolve()));
  };
}

function portOf(server: Server, asked: number): number {
  const bound: AddressInfo | string | null = server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : asked;
}
