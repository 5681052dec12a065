/** What table `inet tortie` holds in the kernel, by name: read before it is replaced in place. */
import type { Kernel } from '../../src/kernel/kernel.ts';
import { tableName } from '../rules/model.ts';
import { foreignEndpoints } from '../rules/static.ts';
import type { TableContents } from '../rules/text.ts';

const lists = { chain: 'chains', set: 'sets', map: 'maps' } as const;
/** In a listing, but nothing that would have to be taken away by itself. */
const passedOver = ['metainfo', 'table', 'rule', 'element'];

/** Undefined if there is no table, or one that holds what we never make: then only deleting it helps. */
export async function presentContents(kernel: Pick<Kernel, 'nftList'>): Promise<TableContents | undefined> {
  const listing = await kernel.nftList(`table inet ${tableName}`);
  const found = { chains: [] as string[], sets: [] as string[], maps: [] as string[] };
  for (const object of objectsOf(listing)) {
    const [kind = '', value] = Object.entries(object)[0] ?? [];
    if (passedOver.includes(kind)) continue;
    const name = nameOf(value);
    if (!isListed(kind) || name === undefined) return undefined;
    found[lists[kind]].push(name);
  }
  return listing === undefined ? undefined : found;
}

/** The interfaces of other plugins whose policy the table in the kernel holds: an earlier life put them there. */
export async function presentForeign(kernel: Pick<Kernel, 'nftList'>): Promise<readonly string[]> {
  const listing = await kernel.nftList(`set inet ${tableName} ${foreignEndpoints.name}`);
  return objectsOf(listing).flatMap(({ set }) => {
    const elements = isRecord(set) ? set['elem'] : undefined;
    return Array.isArray(elements) ? elements.filter((one) => typeof one === 'string') : [];
  });
}

const isListed = (kind: string): kind is keyof typeof lists => Object.hasOwn(lists, kind);

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

function objectsOf(listing: unknown): readonly Readonly<Record<string, unknown>>[] {
  const objects = isRecord(listing) ? listing['nftables'] : undefined;
  return Array.isArray(objects) ? objects.filter(isRecord) : [];
}

function nameOf(value: unknown): string | undefined {
  const name = isRecord(value) ? value['name'] : undefined;
  return typeof name === 'string' ? name : undefined;
}
