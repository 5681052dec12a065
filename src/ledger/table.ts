/**
 * The blocks of one owner as last seen, with the versions that the next write compares: its own, those it borrowed from, and
 * those it may borrow from. Somebody else may change any of them; a write that finds out makes the block stale, and it is read anew.
 */
import { blockName, changed, ownerName, ownerOf, sameOwner } from '../ipam/block.ts';
import { isSettled, settle } from '../ipam/claim.ts';
import type { Kept, Thing, Trouble } from '../ipam/talk.ts';
import { borrowLabel } from '../ipam/turn.ts';
import { ok, type Result } from '../lib/result.ts';
import type { BlockAffinity, BlockOwner, IpamBlock } from '../model/ipam.ts';
import type { Objects } from '../store/objects.ts';
import { drive, list, perform } from './drive.ts';

export interface TableOptions {
  readonly objects: Objects;
  readonly owner: BlockOwner;
  readonly cooledBy: () => string;
  readonly onLog: (what: string) => void;
}

export class Table {
  readonly #options: TableOptions;
  #kept = new Map<string, Kept<IpamBlock>>();
  readonly #stale = new Set<string>();
  /** By block: the version that a write compared whose answer never came. */
  readonly #haunted = new Map<string, string>();
  #loads = 0;
  #isLoading = false;
  #isDue = true;

  constructor(options: TableOptions) {
    this.#options = options;
  }

  /** How often everything was read. */
  get loads(): number {
    return this.#loads;
  }

  /** What `loads` will be when everything was read from now on. */
  get nextLoad(): number {
    return this.#loads + (this.#isLoading ? 2 : 1);
  }

  /** Own blocks first, each group by the time it was seen first. */
  get blocks(): readonly IpamBlock[] {
    const blocks = [...this.#kept.values()].map(({ thing }) => thing);
    const isOwn = (block: IpamBlock): boolean => sameOwner(block.affinity, this.#options.owner);
    return [...blocks.filter(isOwn), ...blocks.filter((block) => !isOwn(block))];
  }

  get own(): readonly IpamBlock[] {
    return this.blocks.filter(({ affinity }) => sameOwner(affinity, this.#options.owner));
  }

  /** A write of some block has not been answered, or is not understood. */
  get isInDoubt(): boolean {
    return this.#stale.size > 0;
  }

  /** As last seen; undefined if the block is unknown or in doubt. */
  versionOf(name: string): string | undefined {
    return this.#stale.has(name) ? undefined : this.#kept.get(name)?.version;
  }

  put(kept: Kept<IpamBlock>): void {
    this.#kept.set(kept.thing.meta.name, kept);
    this.#stale.delete(kept.thing.meta.name);
  }

  /** The next refresh reads everything. */
  expire(): void {
    this.#isDue = true;
  }

  /** Reads what is not known, or no longer. */
  async refresh(): Promise<Result<undefined, Trouble>> {
    if (this.#isDue) {
      this.#isLoading = true;
      const loaded = await this.#load();
      this.#isLoading = false;
      return loaded;
    }
    const answers = await Promise.all([...this.#stale].map((name) => this.#read(name)));
    return answers.find((answer) => !answer.ok) ?? (await this.#fence());
  }

  /**
   * A write that was never answered may still happen, as long as its block has the version it compares. Whatever is decided
   * meanwhile would come on top of it: so such a block is first written as it is, after which the lost write can only fail.
   */
  async #fence(): Promise<Result<undefined, Trouble>> {
    for (const [name, version] of this.#haunted) {
      const kept = this.#kept.get(name);
      if (kept?.version === version) {
        const fenced = await this.write(changed(kept.thing, {}));
        if (!fenced.ok) return fenced;
      }
      this.#haunted.delete(name);
    }
    return ok(undefined);
  }

  /** Compare-and-swap of a block of this table. */
  async write(block: IpamBlock): Promise<Result<undefined, Trouble>> {
    const { name } = block.meta;
    const { objects, onLog } = this.#options;
    const version = this.#kept.get(name)?.version ?? '';
    // Until the answer is here, nobody may believe the old value.
    this.#stale.add(name);
    const answer = await perform({ op: 'update', thing: block, version }, objects, onLog);
    if (!answer.ok && answer.error.kind === 'unknown') this.#haunted.set(name, version);
    if (!answer.ok) return answer;
    for (const kept of answer.value) this.put({ thing: block, version: kept.version });
    return ok(undefined);
  }

  async #read(name: string): Promise<Result<undefined, Trouble>> {
    const { objects, onLog } = this.#options;
    const answer = await perform({ op: 'read', kind: 'IPAMBlock', name }, objects, onLog);
    // One that cannot be read gives nothing, and does not keep the others from giving.
    if (!answer.ok && answer.error.kind !== 'invalid') return answer;
    if (!answer.ok) onLog(answer.error.what);
    this.#kept.delete(name);
    this.#stale.delete(name);
    for (const { thing, version } of answer.ok ? answer.value : [])
      if (thing.kind === 'IPAMBlock') this.put({ thing, version });
    return ok(undefined);
  }

  async #load(): Promise<Result<undefined, Trouble>> {
    const { objects, owner, onLog } = this.#options;
    const [affinities, own, borrowed] = await Promise.all([
      list(objects, 'BlockAffinity', { fields: { 'spec.node': ownerName(owner) } }, onLog),
      list(objects, 'IPAMBlock', { fields: { 'spec.affinity': affinityText(owner) } }, onLog),
      list(objects, 'IPAMBlock', { labels: { [borrowLabel(owner)]: 'true' } }, onLog),
    ]);
    if (!affinities.ok) return affinities;
    if (!own.ok) return own;
    if (!borrowed.ok) return borrowed;
    const blocks = new Map(own.value.filter(isBlock).map((kept) => [kept.thing.cidr, kept]));
    const mine = affinities.value.filter(isAffinity).filter(({ thing }) => sameOwner(ownerOf(thing), owner));
    const settled = await Promise.all(mine.map((one) => this.#blockOf(one, blocks.get(one.thing.cidr))));
    const failed = settled.find((one) => !one.ok);
    if (failed?.ok === false) return failed;
    const found = [
      ...settled.flatMap((one) => (one.ok ? (one.value ?? []) : [])),
      ...borrowed.value.filter(isBlock),
    ];
    this.#kept = new Map(found.map((kept) => [kept.thing.meta.name, kept]));
    this.#stale.clear();
    this.#loads += 1;
    this.#isDue = false;
    return await this.#fence();
  }

  /** What was left half done is finished or undone on the way. */
  async #blockOf(
    affinity: Kept<BlockAffinity>,
    block: Kept<IpamBlock> | undefined,
  ): Promise<Result<Kept<IpamBlock> | undefined, Trouble>> {
    if (isSettled(affinity.thing) && block?.thing.deleted === false) return ok(block);
    const { objects, cooledBy, onLog } = this.#options;
    const settled = await drive(settle(affinity, cooledBy()), objects, onLog);
    if (settled.ok || settled.error.kind !== 'invalid') return settled;
    onLog(`${blockName(affinity.thing.cidr)} gives no addresses: ${settled.error.what}`);
    return ok(undefined);
  }
}

/** As it stands in spec.affinity. */
const affinityText = (owner: BlockOwner): string => `${owner.type}:${ownerName(owner)}`;

const isBlock = (kept: Kept<Thing>): kept is Kept<IpamBlock> => kept.thing.kind === 'IPAMBlock';
const isAffinity = (kept: Kept<Thing>): kept is Kept<BlockAffinity> => kept.thing.kind === 'BlockAffinity';
