/**
 * A process of its own with BFD and nothing else, for tests in network namespaces: `node bfd-station.ts`, then one JSON
 * command a line on standard input; each thing it says is one JSON line on standard output.
 */
import { createInterface } from 'node:readline';
import { createBfd } from '../../bgp/bfd.ts';
import type { BfdConfig } from '../../bgp/config.ts';
import { realClock } from '../../src/host/clock.ts';
import { type Address, isIpv4, parseAddress, scoped } from '../../src/lib/net.ts';
import { peerConfig } from './peer.ts';

export type StationCommand =
  | { readonly kind: 'peers'; readonly peers: readonly StationPeer[] }
  /** Keeps the main thread busy for so long. */
  | { readonly kind: 'block'; readonly ms: number }
  | { readonly kind: 'show' }
  | { readonly kind: 'stop' };

export interface StationPeer {
  readonly address: string;
  readonly port?: number;
  readonly localAddress?: string;
  readonly bfd?: BfdConfig;
}

const say = (what: object): void => void process.stdout.write(`${JSON.stringify(what)}\n`);
const log = (message: string): void => say({ log: message });
const bfd = createBfd({
  clock: realClock,
  random: Math.random,
  log: { info: log, warn: log, error: log },
  onEvent: (event) => say({ at: Date.now(), ...event }),
});

/** "10.0.0.1", "fe80::1%7". */
const addressOf = (text: string): Address => {
  const [plain = '', ifindex] = text.split('%');
  const address = parseAddress(plain);
  if (address === undefined) throw new Error(`${text} is no address`);
  return ifindex === undefined || isIpv4(address) ? address : scoped(address, Number(ifindex));
};

function obey(command: StationCommand): void {
  if (command.kind === 'peers')
    bfd.configure(
      command.peers.map(({ address, port = 179, localAddress, bfd: asked }) => ({
        ...peerConfig({ key: `${address} ${port}`, address: addressOf(address), port }),
        ...(localAddress === undefined ? {} : { localAddress: addressOf(localAddress) }),
        ...(asked === undefined ? {} : { bfd: asked }),
      })),
    );
  else if (command.kind === 'block') {
    const end = performance.now() + command.ms;
    while (performance.now() < end);
    say({ blocked: command.ms });
  } else if (command.kind === 'show')
    say({
      thread: bfd.thread,
      problems: bfd.problems(),
      views: bfd.views().map(({ wanted: { key, peers }, report, downs }) => ({ key, peers, report, downs })),
    });
  else void bfd.stop().then(() => say({ stopped: true }));
}

createInterface({ input: process.stdin }).on('line', (line) => obey(JSON.parse(line) as StationCommand));
