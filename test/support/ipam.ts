/** Pools, blocks and ledgers for tests of IPAM, and what must always hold of the blocks there are. */

import type { Clock } from '../../src/host/clock.ts';
import { addressOf, blockName, inUse, sizeOf } from '../../src/ipam/block.ts';
import { readAll } from '../../src/ledger/facts.ts';
import type { AssignRequest, Facts, Ledger, Settings } from '../../src/ledger/ledger.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { type Address, formatAddress, type Prefix, parseAddress, parsePrefix } from '../../src/lib/net.ts';
import type { Random } from '../../src/lib/random.ts';
import { defaultIpamSettings, type IpamBlock } from '../../src/model/ipam.ts';
import type { IpPool } from '../../src/model/resource.ts';
import type { Objects } from '../../src/store/objects.ts';

export function cidr(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`no prefix: ${text}`);
  return prefix;
}

export function ip(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`no address: ${text}`);
  return address;
}

export const ipPool = (name: string, prefix: string, more: Partial<IpPool> = {}): IpPool => ({
  kind: 'IPPool',
  meta: { name, labels: {}, annotations: {} },
  cidr: cidr(prefix),
  disabled: false,
  disableBgpExport: false,
  blockSize: prefix.includes(':') ? 122 : 26,
  nodeSelector: { kind: 'all' },
  namespaceSelector: { kind: 'all' },
  allowedUses: ['Workload', 'Tunnel'],
  assignmentMode: 'Automatic',
  terminating: false,
  ...more,
});

export const factsOf = (
  pools: readonly IpPool[],
  settings: Partial<Settings> = {},
  more: Partial<Facts> = {},
): Facts => ({
  pools,
  reserved: [],
  settings: { ...defaultIpamSettings, ...settings },
  nodeLabels: {},
  ...more,
});

export interface LedgerWorld {
  readonly objects: Objects;
  readonly clock: Clock;
  readonly random: Random;
  readonly facts: () => Facts | undefined;
  readonly patienceMs?: number;
  /** Milliseconds since 1970. */
  readonly wallClock?: () => number;
  readonly onLog?: (sentence: string) => void;
}

export const ledgerOf = (node: string, world: LedgerWorld): Ledger =>
  openLedger({ ...world, owner: { type: 'host', node } });

export const podRequest = (handle: string, more: Partial<AssignRequest> = {}): AssignRequest => ({
  handle,
  attributes: { pod: handle, namespace: 'shop', type: 'pod' },
  families: [4],
  ...more,
});

/** Every block there is. */
export async function allBlocks(objects: Objects): Promise<readonly IpamBlock[]> {
  const blocks = await readAll(objects, 'IPAMBlock');
  if (!blocks.ok) throw new Error(blocks.error.what);
  return blocks.value;
}

/** "IPAMBlock/…", "BlockAffinity/…": what there is of IPAM, sorted. */
export async function ipamObjects(objects: Objects): Promise<readonly string[]> {
  const keys: string[] = [];
  for (const kind of ['BlockAffinity', 'IPAMBlock'] as const) {
    const all = await readAll(objects, kind);
    if (!all.ok) throw new Error(all.error.what);
    keys.push(...all.value.map(({ meta }) => `${kind}/${meta.name}`).sort());
  }
  return keys;
}

/** handle -> addresses in use, sorted by text. */
export function holders(blocks: readonly IpamBlock[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const block of blocks)
    for (const { address, attribute } of inUse(block))
      found.set(attribute.handle, [...(found.get(attribute.handle) ?? []), formatAddress(address)].sort());
  return found;
}

/** What is wrong with a block whatever happened to it; nothing as a rule. */
export function flawsOf(block: IpamBlock): readonly string[] {
  const flaws: string[] = [];
  const { allocations, unallocated, attributes } = block;
  if (block.meta.name !== blockName(block.cidr)) flaws.push('its name is another');
  if (allocations.length !== sizeOf(block.cidr)) flaws.push('its size is another');
  const free = new Set(unallocated);
  if (free.size !== unallocated.length) flaws.push('an ordinal is free twice');
  for (const [ordinal, index] of allocations.entries()) {
    const who = formatAddress(addressOf(block.cidr, ordinal));
    if ((index === undefined) !== free.has(ordinal)) flaws.push(`${who} is both free and given, or neither`);
    if (index !== undefined && attributes[index] === undefined) flaws.push(`${who} has no attributes`);
    const isNumbered = block.sequenceNumberForAllocation[String(ordinal)] !== undefined;
    if (isNumbered !== (index !== undefined)) flaws.push(`${who} has a sequence number too many or none`);
  }
  for (const index of attributes.keys())
    if (!allocations.includes(index)) flaws.push(`attribute ${index} is nobody's`);
  return flaws;
}
