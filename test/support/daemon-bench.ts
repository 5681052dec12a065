/** The speaker's process without a process: real loop and sockets on loopback, a store and a kernel in memory, virtual time. */
import { expect, onTestFinished } from 'vitest';
import { createDaemon } from '../../bgp/daemon.ts';
import type { IpamMode } from '../../bgp/intent.ts';
import type { Logger } from '../../src/host/log.ts';
import type { Reporter } from '../../src/host/report.ts';
import type { Answer } from '../../src/host/socket.ts';
import type { Route } from '../../src/kernel/kernel.ts';
import { type Address, formatPrefix, type Prefix, parseAddress, parsePrefix } from '../../src/lib/net.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { ok } from '../../src/lib/result.ts';
import type { BgpStatus } from '../../src/model/status.ts';
import type { Store } from '../../src/store/store.ts';
import { virtualClock } from './clock.ts';
import { eventually } from './eventually.ts';
import { createFakeKernel } from './fake-kernel.ts';

const address = (text: string): Address => parseAddress(text) as Address;

/** A route that an earlier life of the speaker left. */
const leftOver: Route = {
  dst: parsePrefix('10.244.7.0/24') as Prefix,
  table: 254,
  protocol: 80,
  metric: 1024,
  type: 'unicast',
  nextHops: [{ via: address('172.30.0.12'), ifindex: 2 }],
};

export interface BenchOptions {
  readonly withFib?: boolean;
  readonly ipam?: IpamMode;
  readonly reporter?: Reporter<'bgp'>;
  /** Besides what an earlier life learned. */
  readonly kernelHas?: readonly Route[];
}

/** Stopped at the end of the test, unless the test does it itself. */
export async function daemonBench(store: Store, options: BenchOptions = {}) {
  const { withFib = true, ipam = 'pod-cidrs', reporter, kernelHas = [] } = options;
  const kernel = createFakeKernel();
  const clock = virtualClock();
  const link = kernel.addLink({ name: 'eth0' });
  await kernel.setLink('eth0', { up: true });
  await kernel.addAddress('eth0', { address: address('172.30.0.11'), length: 24 });
  for (const route of [leftOver, ...kernelHas]) kernel.foreignSetRoute(route);
  const logged: string[] = [];
  const note = (message: string): void => {
    logged.push(message);
  };
  const log: Logger = { debug: note, info: note, warn: note, error: note };
  const daemon = createDaemon({
    node: 'node1',
    ipam,
    version: '0.0.0',
    store,
    secrets: { everyMs: 15_000, place: (name) => name, read: () => Promise.resolve(ok(undefined)) },
    kernel,
    clock,
    random: seededRandom(1),
    log,
    listen: { address: address('127.0.0.1'), port: 0 },
    withFib,
    ...(reporter === undefined ? {} : { reporter }),
  });
  let stopping: Promise<void> | undefined;
  /** Time passes meanwhile. */
  const stop = async (why: string): Promise<void> => {
    let isOver = false;
    stopping ??= daemon.stop(why).finally(() => {
      isOver = true;
    });
    await eventually(
      () => {
        clock.advance(10);
        if (!isOver) throw new Error('it still runs');
      },
      { within: 30_000, every: 1 },
    );
  };
  onTestFinished(async () => {
    if (stopping === undefined) await stop('the test is over');
  });
  daemon.start();
  const ask = (path: string, query = ''): Answer => {
    const endpoint = daemon.endpoints[path];
    if (endpoint === undefined) throw new Error(`there is no ${path}`);
    return endpoint({ query: new URLSearchParams(query), headers: {}, body: '' }) as Answer;
  };
  const status = (): BgpStatus => ask('GET /status').body as BgpStatus;
  const until = (check: () => void | Promise<void>): Promise<void> =>
    eventually(
      async () => {
        clock.advance(10);
        await check();
      },
      { within: 30_000, every: 1 },
    );
  const routes = async (): Promise<readonly string[]> =>
    (await kernel.routes({ version: 4, protocol: 80 }))
      .map(({ dst, type }) => `${formatPrefix(dst)} ${type}`)
      .sort();
  const installed = (lines: readonly string[]): Promise<void> =>
    until(async () => expect(await routes()).toEqual(lines));
  /** What is originated, by prefix. */
  const origins = (): readonly string[] => (daemon.speaker.life.config?.origins ?? []).map(formatPrefix);
  return { daemon, kernel, clock, link, logged, ask, status, until, routes, installed, origins, stop };
}
