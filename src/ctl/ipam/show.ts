/** `tortiectl ipam show`: in calicoctl's layouts. */
import { allocationsOf, inUse, ownerText, sameOwner } from '../../ipam/block.ts';
import { type Usage, usageOf } from '../../ipam/usage.ts';
import {
  type Address,
  comparePrefixes,
  contains,
  containsAddress,
  formatAddress,
  formatPrefix,
  parseAddress,
} from '../../lib/net.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import type { IpamBlock } from '../../model/ipam.ts';
import type { Global } from '../command.ts';
import { type Failure, print } from '../output.ts';
import { boxTable } from '../table.ts';
import type { ShowOptions } from './options.ts';
import { type Survey, survey, withObjects } from './survey.ts';

export const show = (options: ShowOptions & Global): Promise<number> =>
  withObjects(options, async (objects) => {
    const found = await survey(objects, ['Pod', 'Service', 'Node']);
    return found.ok ? await answer(found.value, options) : found;
  });

async function answer(found: Survey, options: ShowOptions): Promise<Result<number, Failure>> {
  if (options.ip !== undefined) return await showAddress(found, options.ip, options.output);
  const parts = partsOf(found, options);
  const value = Object.assign({}, ...parts.map(({ value: part }) => part)) as unknown;
  await print(value, options.output, () => parts.map(({ text }) => text()).join('\n'));
  return ok(0);
}

interface Part {
  readonly value: object;
  readonly text: () => string;
}

/** Usage unless something else is asked for. */
function partsOf(found: Survey, options: ShowOptions): readonly Part[] {
  const parts: Part[] = [];
  if (options.showConfiguration === true) parts.push(configuration(found));
  if (options.showBorrowed === true) parts.push(borrowed(found));
  if (options.showBlocks === true || parts.length === 0)
    parts.push(usage(found, options.showBlocks === true));
  return parts;
}

interface UsageRow extends Usage {
  readonly grouping: 'IP Pool' | 'Block';
  readonly cidr: string;
  /** Of a block. */
  readonly owner?: string;
}

export function usageRows(found: Survey, withBlocks: boolean): readonly UsageRow[] {
  const byCidr = <T extends { readonly cidr: IpamBlock['cidr'] }>(items: readonly T[]): readonly T[] =>
    items.toSorted((a, b) => comparePrefixes(a.cidr, b.cidr));
  const blockRow = (block: IpamBlock): UsageRow => ({
    grouping: 'Block',
    cidr: formatPrefix(block.cidr),
    ...(block.affinity === undefined ? {} : { owner: ownerText(block.affinity) }),
    ...usageOf(block.cidr, [block], found.reserved),
  });
  const blocks = withBlocks ? byCidr(found.blocks) : [];
  const rows = byCidr(found.pools).flatMap((pool): UsageRow[] => [
    {
      grouping: 'IP Pool',
      cidr: formatPrefix(pool.cidr),
      ...usageOf(pool.cidr, found.blocks, found.reserved),
    },
    ...blocks.filter(({ cidr }) => contains(pool.cidr, cidr)).map(blockRow),
  ]);
  const orphans = blocks.filter(({ cidr }) => !found.pools.some((pool) => contains(pool.cidr, cidr)));
  return [...rows, ...orphans.map(blockRow)];
}

function usage(found: Survey, withBlocks: boolean): Part {
  const rows = usageRows(found, withBlocks);
  return { value: { usage: rows }, text: () => usageText(rows) };
}

const usageHeaders = ['grouping', 'cidr', 'ips total', 'ips in use', 'ips reserved', 'ips free'];

/** Totals stand right, as calicoctl has them. */
export function usageText(rows: readonly UsageRow[]): string {
  const totals = rows.map(({ total }) => fiveDigits(total));
  const width = Math.max('IPS TOTAL'.length, ...totals.map((text) => text.length));
  return boxTable(
    usageHeaders,
    rows.map((row, at) => [
      row.grouping,
      row.cidr,
      (totals[at] ?? '').padStart(width),
      ...[row.inUse, row.reserved, row.free].map((count) => share(count, row.total)),
    ]),
  );
}

const share = (count: number, total: number): string =>
  `${fiveDigits(count)} (${total === 0 ? 0 : Math.round((100 * count) / total)}%)`;

/** C's %.5g. */
export function fiveDigits(count: number): string {
  if (count < 100_000) return String(count);
  const [digits = '', exponent = ''] = Number(count.toPrecision(5)).toExponential().split('e+');
  return `${digits}e+${exponent.padStart(2, '0')}`;
}

interface BorrowedRow {
  readonly ip: string;
  readonly borrowingNode: string;
  readonly block: string;
  readonly blockOwner: string;
  readonly type: string;
  readonly allocatedTo: string;
}

export function borrowedRows({ blocks }: Pick<Survey, 'blocks'>): readonly BorrowedRow[] {
  return blocks
    .toSorted((a, b) => comparePrefixes(a.cidr, b.cidr))
    .flatMap((block) =>
      inUse(block).flatMap(({ address, attribute: { secondary } }): BorrowedRow[] => {
        const { node, namespace, pod, type = 'unknown' } = secondary;
        if (node === undefined || sameOwner(block.affinity, { type: 'host', node })) return [];
        return [
          {
            ip: formatAddress(address),
            borrowingNode: node,
            block: formatPrefix(block.cidr),
            blockOwner: block.affinity === undefined ? '' : ownerText(block.affinity),
            type,
            allocatedTo: pod === undefined ? '' : `${namespace}/${pod}`,
          },
        ];
      }),
    );
}

const borrowedHeaders = ['ip', 'borrowing-node', 'block', 'block owner', 'type', 'allocated-to'];

function borrowed(found: Survey): Part {
  const rows = borrowedRows(found);
  const mute = found.blocks
    .flatMap(inUse)
    .filter(({ attribute }) => attribute.secondary['node'] === undefined);
  const note =
    mute.length === 0
      ? ''
      : `\n${mute.length} allocations do not say on which node they are, and may be borrowed.`;
  const text = (): string =>
    `${boxTable(
      borrowedHeaders,
      rows.map((row) => [row.ip, row.borrowingNode, row.block, row.blockOwner, row.type, row.allocatedTo]),
    )}${note}`;
  return { value: { borrowed: rows }, text };
}

function configuration({ settings }: Survey): Part {
  const value = {
    StrictAffinity: settings.strictAffinity,
    AutoAllocateBlocks: settings.autoAllocateBlocks,
    MaxBlocksPerHost: settings.maxBlocksPerHost,
    IPCooldownSeconds: settings.ipCooldownSeconds,
  };
  return {
    value: { configuration: value },
    text: () =>
      boxTable(
        ['property', 'value'],
        Object.entries(value).map(([name, one]) => [name, String(one)]),
      ),
  };
}

async function showAddress(
  { blocks }: Survey,
  asked: string,
  form: ShowOptions['output'],
): Promise<Result<number, Failure>> {
  const address = parseAddress(asked);
  if (address === undefined)
    return err({ code: 2, sentence: `--ip must be an address, but is ${JSON.stringify(asked)}.` });
  const found = addressOf(blocks, address);
  await print(found.value, form, () => found.text);
  return ok(found.isAssigned ? 0 : 1);
}

export function addressOf(
  blocks: readonly IpamBlock[],
  address: Address,
): { readonly value: object; readonly text: string; readonly isAssigned: boolean } {
  const ip = formatAddress(address);
  const block = blocks.find(({ cidr }) => containsAddress(cidr, address));
  const found = block && allocationsOf(block).find((one) => one.address === address);
  if (block === undefined || found === undefined)
    return { value: { ip, assigned: false }, text: `${ip} is not assigned`, isAssigned: false };
  const { handle, secondary, releasedAt } = found.attribute;
  const value = {
    ip,
    assigned: releasedAt === undefined,
    handle,
    block: formatPrefix(block.cidr),
    attributes: secondary,
  };
  if (releasedAt !== undefined)
    return {
      value: { ...value, releasedAt },
      text: `${ip} is not assigned: it was released at ${releasedAt} by ${handle} and is cooling down`,
      isAssigned: false,
    };
  const attributes = Object.entries(secondary)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, one]) => `  ${key}: ${one}`);
  const lines = [`IP ${ip} is in use`, `Handle ID: ${handle}`, 'Active Owner Attributes:', ...attributes];
  return { value, text: lines.join('\n'), isAssigned: true };
}
