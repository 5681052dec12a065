/**
 * How fast 20,000 routes go into the kernel, and are listed: our batches beside `ip -batch` and `ip route show`, in turn, in a
 * namespace of their own. Needs root.
 */
import { execFileSync, spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import type { Route, RouteOp } from '../../src/kernel/kernel.ts';
import type { NetnsKernel } from '../../src/kernel/links.ts';
import { openKernel } from '../../src/kernel/linux.ts';
import {
  type Address,
  formatAddress,
  formatPrefix,
  ipv4,
  ipv6,
  type Prefix,
  prefix4,
  prefix6,
} from '../../src/lib/net.ts';
import { eventually } from '../support/eventually.ts';
import { inTurns } from './interleave.ts';
import type { Row } from './table.ts';

const count = 20_000;
const rounds = 5;
const near6 = 0xfdn << 120n;

const families: readonly {
  readonly version: 4 | 6;
  readonly via: Address;
  readonly dst: (index: number) => Prefix;
}[] = [
  { version: 4, via: ipv4(0x0a000002), dst: (index) => prefix4(ipv4(0x0b000000 + index * 256), 24) },
  {
    version: 6,
    via: ipv6(near6 + 2n),
    dst: (index) => prefix6(ipv6((0xfd11n << 112n) + (BigInt(index) << 64n)), 64),
  },
];

export async function run(): Promise<readonly Row[]> {
  const home = readlinkSync('/proc/self/ns/net');
  const holder = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
  const path = `/proc/${holder.pid}/ns/net`;
  try {
    await eventually(() => assertOther(readlinkSync(path), home), { within: 5_000 });
    const kernel = openKernel(path);
    const ifindex = await prepare(kernel);
    const rows: Row[] = [];
    for (const family of families) rows.push(...(await compare(kernel, path, ifindex, family)));
    kernel.close();
    return rows;
  } finally {
    holder.kill('SIGKILL');
  }
}

function assertOther(there: string, home: string): void {
  if (there === home) throw new Error('routes: unshare has not made a network namespace; this needs root');
}

async function prepare(kernel: NetnsKernel): Promise<number> {
  await kernel.addVeth({ name: 'eth0', peer: { name: 'eth1' } });
  await kernel.setLink('eth0', { up: true });
  await kernel.setLink('eth1', { up: true });
  await kernel.addAddress('eth0', { address: ipv4(0x0a000001), length: 24 });
  await kernel.addAddress('eth0', { address: ipv6(near6 + 1n), length: 64, nodad: true });
  return (await kernel.link('eth0'))?.ifindex ?? 0;
}

async function compare(
  kernel: NetnsKernel,
  path: string,
  ifindex: number,
  family: (typeof families)[number],
): Promise<readonly Row[]> {
  const { version, via, dst } = family;
  const routes: readonly Route[] = Array.from({ length: count }, (_, index) => ({
    dst: dst(index),
    table: 254,
    protocol: 80,
    metric: 1024,
    type: 'unicast',
    nextHops: [{ via, ifindex }],
  }));
  const ip = (args: readonly string[], input?: string): void => {
    execFileSync('nsenter', [`--net=${path}`, 'ip', `-${version}`, ...args], { input, maxBuffer: 1 << 28 });
  };
  const apply = (kind: RouteOp['kind']) => kernel.applyRoutes(routes.map((route) => ({ kind, route })));
  const script = (verb: string): string[] =>
    routes.map(
      (route) =>
        `route ${verb} ${formatPrefix(route.dst)} via ${formatAddress(via)} dev eth0 proto 80 metric 1024\n`,
    );
  const time = async (work: () => unknown): Promise<number> => {
    const began = performance.now();
    await work();
    return performance.now() - began;
  };
  const figures = { add: row(), list: row(), delete: row() };
  await inTurns(
    rounds,
    async () => {
      figures.add.ours.push(await time(() => apply('add')));
      figures.list.ours.push(await time(() => kernel.routes({ version, protocol: 80 })));
      figures.delete.ours.push(await time(() => apply('delete')));
    },
    async () => {
      figures.add.peer.push(await time(() => ip(['-batch', '-'], script('add').join(''))));
      figures.list.peer.push(await time(() => ip(['route', 'show', 'proto', '80'])));
      figures.delete.peer.push(await time(() => ip(['-batch', '-'], script('delete').join(''))));
    },
  );
  return Object.entries(figures).map(([what, { ours, peer }]) => ({
    name: `routes: ${what} 20k, IPv${version}`,
    unit: 'ms',
    ours,
    peer,
    peerName: what === 'list' ? 'ip route show' : 'ip -batch',
  }));
}

const row = (): { readonly ours: number[]; readonly peer: number[] } => ({ ours: [], peer: [] });
