/**
 * `openLedger`: the loop that takes what waits, plans one turn (src/ipam/turn.ts), writes its blocks, and plans again until the
 * blocks say that everybody has what they asked for. One turn is under way at a time; what arrives meanwhile shares the next.
 */
import { allocationsOf, inUse, sameOwner } from '../ipam/block.ts';
import { type Seeker, seek } from '../ipam/seek.ts';
import type { Trouble } from '../ipam/talk.ts';
import { type Held, planTurn, type TurnRules, type Want } from '../ipam/turn.ts';
import { type Backoff, backoffDelay } from '../lib/backoff.ts';
import type { Address } from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { IpamBlock } from '../model/ipam.ts';
import { drive } from './drive.ts';
import { type AssignEntry, Entries, type Entry, type ReleaseEntry } from './entries.ts';
import { toInstant } from './instants.ts';
import type {
  Assigned,
  AssignRequest,
  Facts,
  Holding,
  Ledger,
  LedgerOptions,
  LedgerRefusal,
} from './ledger.ts';
import { listening } from './listening.ts';
import { away, closed, denied, exhausted, notReady } from './refusals.ts';
import { Table } from './table.ts';
import { wantsOf } from './wants.ts';

/** Of one request, before it is refused. */
const mostTries = 100;
const backoff: Backoff = { firstMs: 20, lastMs: 2000 };
const defaultPatienceMs = 60_000;
/** If nothing was answered for so long, an address is refused: kubelet comes again, and meanwhile the event says why. */
const silenceMs = 3000;
/** A block that was claimed longer ago than that and is empty is not in use. */
const idleMs = 60_000;
/** A search that found nothing is believed that long, so that a crowd that asks again does not list all blocks each time. */
const dryMs = 2000;
/** So long nobody tries to claim a block where only borrowing helped. */
const loanMs = 30_000;

export const openLedger = (options: LedgerOptions): Ledger => new OpenLedger(options);

interface Outlook {
  readonly until: number;
  readonly why?: string;
}

class OpenLedger implements Ledger {
  readonly #options: LedgerOptions;
  readonly #entries: Entries;
  readonly #table: Table;
  readonly #patienceMs: number;
  /** Handles of our own answers: of these our copy of the blocks knows everything, of others a second agent may know more. */
  readonly #given = new Set<string>();
  #facts: Facts | undefined;
  #lastTrouble: Trouble | undefined;
  /** When the API server answered last, whatever it said. */
  #heardAt = Number.NEGATIVE_INFINITY;
  /** What the last search for a block came to, for a while: with `why`, nothing; without, that others lend. */
  readonly #outlook = new Map<string, Outlook>();
  #isRunning = false;
  #isClosed = false;

  constructor(options: LedgerOptions) {
    const { owner, clock } = options;
    const objects = listening(options.objects, () => {
      this.#heardAt = clock.now();
    });
    this.#options = { ...options, objects };
    this.#patienceMs = options.patienceMs ?? defaultPatienceMs;
    this.#entries = new Entries(clock);
    this.#table = new Table({
      objects,
      owner,
      cooledBy: () => this.#cooledBy(),
      onLog: (what) => this.#log(what),
    });
  }

  async assign(request: AssignRequest): Promise<Result<readonly Assigned[], LedgerRefusal>> {
    if (this.#isClosed) return err(closed);
    const facts = this.#learn();
    if (facts === undefined) return err(notReady);
    const wants = wantsOf(request, facts);
    if (!wants.ok) return wants;
    const { owner } = this.#options;
    const secondary = {
      ...request.attributes,
      ...(owner.type === 'host' ? { node: owner.node } : {}),
      timestamp: toInstant(this.#wallNow()),
    };
    return await this.#wait<AssignEntry, readonly Assigned[]>((settle) => ({
      ...{ kind: 'assign', handle: request.handle, secondary, wants: wants.value },
      ...{ borrows: false, settle, tries: 0 },
    }));
  }

  async releaseByHandle(handle: string): Promise<Result<readonly Address[], LedgerRefusal>> {
    if (this.#isClosed) return err(closed);
    const freshAt = this.#table.nextLoad;
    return await this.#wait<ReleaseEntry, readonly Address[]>((settle) => ({
      ...{ kind: 'release', handle, found: new Set<Address>(), freshAt, settle, tries: 0 },
    }));
  }

  async holdings(): Promise<Result<readonly Holding[], LedgerRefusal>> {
    if (this.#isClosed) return err(closed);
    const freshAt = this.#table.nextLoad;
    const looked = await this.#wait<Entry & { readonly kind: 'look' }, undefined>((settle) => ({
      ...{ kind: 'look', freshAt, settle, tries: 0 },
    }));
    return looked.ok ? ok(this.#table.blocks.flatMap((block) => this.#holdingsIn(block))) : looked;
  }

  blocks(): readonly IpamBlock[] {
    return this.#table.blocks;
  }

  mayHold(handle: string): boolean {
    const { loads, isInDoubt, blocks } = this.#table;
    return loads === 0 || isInDoubt || blocks.some((block) => hasHandle(block, handle));
  }

  close(): void {
    this.#isClosed = true;
    for (const entry of this.#entries.all()) entry.settle({ ok: false, error: closed });
  }

  #holdingsIn(block: IpamBlock): readonly Holding[] {
    const { owner } = this.#options;
    const isOwn = sameOwner(block.affinity, owner);
    const isMine = (node: string | undefined): boolean =>
      owner.type === 'host' ? node === owner.node || (isOwn && node === undefined) : isOwn;
    return inUse(block)
      .filter(({ attribute }) => isMine(attribute.secondary['node']))
      .map(({ address, attribute: { handle, secondary: attributes }, sequence }) => ({
        ...{ address, block: block.cidr, borrowed: !isOwn },
        ...{ handle, attributes, sequence },
      }));
  }

  async #wait<E extends Entry, T>(
    make: (settle: (result: Result<T, LedgerRefusal>) => void) => E,
  ): Promise<Result<T, LedgerRefusal>> {
    const began = this.#options.clock.now();
    const waiting = this.#entries.add<E, T>(make, [
      { afterMs: silenceMs, ring: (entry) => this.#giveUpInSilence(entry, began) },
      { afterMs: this.#patienceMs, ring: (entry) => this.#giveUp(entry, this.#patienceMs) },
    ]);
    void this.#run();
    return await waiting;
  }

  #giveUp(entry: Entry, afterMs: number): void {
    this.#refuse(entry, away(afterMs / 1000, this.#lastTrouble));
  }

  #giveUpInSilence(entry: Entry, began: number): void {
    if (entry.kind === 'assign' && this.#heardAt < began) this.#giveUp(entry, silenceMs);
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    // Everything that is asked in this very moment shares the first turn.
    await Promise.resolve();
    let failures = 0;
    while (!this.#isClosed && this.#entries.size > 0) {
      const trouble = await this.#turn();
      this.#lastTrouble = trouble;
      failures = trouble === undefined ? 0 : failures + 1;
      if (trouble !== undefined) {
        this.#blame(trouble);
        await this.#pause(failures);
      }
    }
    this.#isRunning = false;
  }

  #pause(failures: number): Promise<void> {
    const { clock, random } = this.#options;
    return new Promise((resolve) => clock.after(backoffDelay(backoff, failures, random), () => resolve()));
  }

  /** @returns  what went wrong, if anything did */
  async #turn(): Promise<Trouble | undefined> {
    this.#learn();
    const fresh = await this.#table.refresh();
    if (!fresh.ok) return fresh.error;
    for (const entry of this.#entries.all()) if (entry.kind === 'look') this.#settleLook(entry);
    const batch = this.#entries.turn();
    const plan = planTurn(this.#table.blocks, batch, this.#rules());
    for (const [entry, held] of plan.done) this.#give(entry, held);
    for (const [entry, addresses] of plan.released) this.#takeBack(entry, addresses);
    if (plan.changes.length > 0) {
      const written = await Promise.all(plan.changes.map((block) => this.#table.write(block)));
      const [failed] = written.flatMap((one) => (one.ok ? [] : [one.error]));
      return failed;
    }
    const troubles = await Promise.all(
      firstOfFamilies(plan.short).map((want) => this.#find(entriesLacking(want, plan.short), want)),
    );
    return troubles.find((trouble) => trouble !== undefined);
  }

  #settleLook(entry: Entry & { readonly kind: 'look' }): void {
    if (this.#table.loads >= entry.freshAt) entry.settle(ok(undefined));
    else this.#table.expire();
  }

  #give(entry: AssignEntry | ReleaseEntry, held: readonly Held[]): void {
    if (entry.kind !== 'assign') return;
    const { owner } = this.#options;
    this.#given.add(entry.handle);
    const isAskedFor = ({ address }: Held): boolean => entry.wants.some((want) => isMetBy(want, address));
    entry.settle(
      ok(
        held.filter(isAskedFor).map(({ address, block }) => ({
          ...{ address, block: block.cidr, borrowed: !sameOwner(block.affinity, owner) },
        })),
      ),
    );
  }

  /** Nothing more to take back: it is done, unless our copy of the blocks is older than the question. */
  #takeBack(entry: AssignEntry | ReleaseEntry, addresses: readonly Address[]): void {
    if (entry.kind !== 'release') return;
    for (const address of addresses) entry.found.add(address);
    if (addresses.length > 0) return;
    const isWhole = entry.found.size > 0 && this.#given.has(entry.handle);
    if (!isWhole && this.#table.loads < entry.freshAt) {
      this.#table.expire();
      return;
    }
    this.#given.delete(entry.handle);
    entry.settle(ok([...entry.found]));
  }

  /** A block for those who lack one alike; else they are refused. */
  async #find(entries: readonly AssignEntry[], want: Want): Promise<Trouble | undefined> {
    const { objects, owner, clock } = this.#options;
    if (this.#recalls(entries, want)) return undefined;
    const sought = await drive(seek(want, this.#seeker()), objects, (what) => this.#log(what));
    if (!sought.ok) return sought.error;
    const found = sought.value;
    if (found.kind === 'none') {
      this.#expect(want, { until: clock.now() + dryMs, why: found.why });
      return this.#refuseAll(entries, exhausted(want, owner, found.why));
    }
    const blocks = found.kind === 'claimed' ? [found.block] : found.blocks;
    const news = blocks.filter((kept) => !this.#isKnown(kept));
    for (const kept of blocks) this.#table.put(kept);
    const isFirstLoan = found.kind === 'lent' && entries.some(({ borrows }) => !borrows);
    if (isFirstLoan) this.#expect(want, { until: clock.now() + loanMs });
    if (found.kind === 'lent') for (const entry of entries) entry.borrows = true;
    if (news.length > 0 || isFirstLoan) return undefined;
    return this.#refuseAll(entries, exhausted(want, owner, whyTaken(want, blocks[0]?.thing)));
  }

  /** True if the last search, of moments ago, answers for these. */
  #recalls(entries: readonly AssignEntry[], want: Want): boolean {
    const { clock, owner } = this.#options;
    const known = this.#outlook.get(keyOf(want));
    if (known === undefined || clock.now() >= known.until) return false;
    if (known.why !== undefined) {
      this.#refuseAll(entries, exhausted(want, owner, known.why));
      return true;
    }
    const lenders = entries.filter(({ borrows }) => !borrows);
    for (const entry of lenders) entry.borrows = true;
    return lenders.length > 0;
  }

  /** Forgets what is over, so that this stays as small as what is asked for at the moment. */
  #expect(want: Want, outlook: Outlook): void {
    const now = this.#options.clock.now();
    for (const [key, { until }] of this.#outlook) if (until <= now) this.#outlook.delete(key);
    this.#outlook.set(keyOf(want), outlook);
  }

  #refuseAll(entries: readonly AssignEntry[], why: LedgerRefusal): undefined {
    for (const entry of entries) this.#refuse(entry, why);
  }

  /** The very version we planned with: it will give no more than it gave. */
  #isKnown({ version, thing }: { readonly version: string; readonly thing: IpamBlock }): boolean {
    return this.#table.versionOf(thing.meta.name) === version;
  }

  /** Trouble of a turn is everybody's who took part in it. */
  #blame(trouble: Trouble): void {
    const why = denied(trouble);
    for (const entry of this.#entries.all()) {
      entry.tries += 1;
      if (why !== undefined) this.#refuse(entry, why);
      else if (entry.tries >= mostTries) this.#refuse(entry, away(this.#patienceMs / 1000, trouble));
    }
  }

  /** All or nothing: what a refused request may have got is taken back in the background. */
  #refuse(entry: Entry, why: LedgerRefusal): void {
    entry.settle({ ok: false, error: why });
    if (entry.kind !== 'assign' || this.#isClosed) return;
    const holds = this.#table.isInDoubt || this.#table.blocks.some((block) => hasHandle(block, entry.handle));
    if (!holds) return;
    void this.releaseByHandle(entry.handle).then((released) => {
      if (!released.ok)
        this.#log(`What ${entry.handle} may hold is left to the leak collection: ${released.error.what}`);
    });
  }

  /** Settings outlive a moment in which the watches are out of sync. */
  #learn(): Facts | undefined {
    const facts = this.#options.facts();
    this.#facts = facts ?? this.#facts;
    return facts;
  }

  #seeker(): Seeker {
    const facts = this.#facts;
    return {
      own: this.#table.own.map(({ cidr }) => cidr),
      strictAffinity: facts?.settings.strictAffinity ?? true,
      autoAllocateBlocks: facts?.settings.autoAllocateBlocks ?? false,
      maxBlocksPerHost: facts?.settings.maxBlocksPerHost ?? 0,
      idleSince: toInstant(this.#wallNow() - idleMs),
      ...this.#rules(),
      ...(facts?.nodes === undefined ? {} : { nodes: facts.nodes }),
    };
  }

  #rules(): TurnRules {
    return {
      owner: this.#options.owner,
      reserved: this.#facts?.reserved ?? [],
      cooledBy: this.#cooledBy(),
      now: toInstant(this.#wallNow()),
      cooldownSeconds: this.#cooldownSeconds(),
    };
  }

  #cooldownSeconds(): number {
    return this.#facts?.settings.ipCooldownSeconds ?? 0;
  }

  #cooledBy(): string {
    return toInstant(this.#wallNow() - this.#cooldownSeconds() * 1000);
  }

  #wallNow(): number {
    return (this.#options.wallClock ?? Date.now)();
  }

  #log(what: string): void {
    this.#options.onLog?.(what);
  }
}

type Short = ReadonlyMap<Entry, readonly Want[]>;

/** Families have no block in common, so both are searched for at once; two searches of one family could end in one block. */
const firstOfFamilies = (short: Short): readonly Want[] => {
  const wants = [...short.values()].flat();
  return ([4, 6] as const).flatMap((version) => wants.find(({ family }) => family === version) ?? []);
};

const entriesLacking = (want: Want, short: Short): readonly AssignEntry[] =>
  [...short].flatMap(([entry, wants]) =>
    entry.kind === 'assign' && wants.some((one) => keyOf(one) === keyOf(want)) ? [entry] : [],
  );

/** Wants with the same key are met by the same blocks. */
const keyOf = ({ family, pools, address }: Want): string =>
  JSON.stringify([family, String(address ?? ''), pools.map(({ meta }) => meta.name)]);

const isMetBy = (want: Want, address: Address): boolean =>
  want.address === undefined
    ? typeof address === (want.family === 4 ? 'number' : 'bigint')
    : want.address === address;

const hasHandle = (block: IpamBlock, handle: string): boolean =>
  inUse(block).some(({ attribute }) => attribute.handle === handle);

/** Of an address that was asked for and is not free in its block as just read. */
function whyTaken({ address }: Want, block: IpamBlock | undefined): string {
  const holder =
    block === undefined ? undefined : allocationsOf(block).find((one) => one.address === address)?.attribute;
  if (holder === undefined) return 'its block is being deleted';
  if (holder.releasedAt !== undefined) return `it was released at ${holder.releasedAt} and still cools down`;
  const { pod, namespace } = holder.secondary;
  return pod === undefined ? `it is held by ${holder.handle}` : `it is held by the pod ${namespace}/${pod}`;
}
