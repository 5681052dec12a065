/** A node's sockets under test, with what they said, for tests with real TCP on loopback. */
import { type SocketEvent, Sockets, type Target } from '../../bgp/transport/sockets.ts';
import { type Clock, realClock } from '../../src/host/clock.ts';
import { type Address, parseAddress } from '../../src/lib/net.ts';
import { eventually } from './eventually.ts';

export const address = (text: string): Address => {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`${text} is no address`);
  return parsed;
};

export interface Station {
  readonly sockets: Sockets;
  readonly said: SocketEvent[];
  /** The first event of the kind, once it is said. */
  hears<K extends SocketEvent['kind']>(kind: K): Promise<Extract<SocketEvent, { readonly kind: K }>>;
  /** How many events of the kind were said. */
  count(kind: SocketEvent['kind']): number;
  /** Listens on this address and tells where. */
  listens(on: string): Promise<Target>;
  /** All bytes of all connections, in order. */
  received(): Uint8Array;
}

export function station(
  options: { readonly clock?: Clock; readonly connectTimeoutMs?: number } = {},
): Station {
  const said: SocketEvent[] = [];
  const bytes: Uint8Array[] = [];
  const sockets = new Sockets({
    clock: realClock,
    ...options,
    onEvent: (event) => {
      said.push(event);
      if (event.kind === 'data') bytes.push(event.bytes.slice());
    },
  });
  const hears = <K extends SocketEvent['kind']>(kind: K) =>
    eventually(
      () => {
        const found = said.find(
          (event): event is Extract<SocketEvent, { readonly kind: K }> => event.kind === kind,
        );
        if (found === undefined)
          throw new Error(`no ${kind} among ${said.map((event) => event.kind).join(' ')}`);
        return found;
      },
      { within: 15_000, every: 2 },
    );
  return {
    sockets,
    said,
    hears,
    count: (kind) => said.filter((event) => event.kind === kind).length,
    async listens(on) {
      sockets.listen({ addresses: [address(on)], port: 0 });
      const { port } = await hears('listening');
      return { address: address(on), port };
    },
    received: () => new Uint8Array(Buffer.concat(bytes)),
  };
}
