/**
 * Which addresses nobody uses any more, and which blocks nobody needs: a decision over what was seen twice.
 *
 * An address leaks when its pod went away and its release never arrived. One look proves little: the pod may be starting, or our
 * copy of the pods may be older than that of the blocks. So a handle is a candidate when none of its addresses is in use, and
 * confirmed when it was a candidate all through a grace period, with the same allocations; at once when its node is gone.
 * A release names sequence numbers, so that an address given anew meanwhile is left alone.
 */
import { type Address, isPrefix4, type Millis, type Prefix } from '../lib/net.ts';
import type { BlockAffinity, BlockOwner, IpamBlock } from '../model/ipam.ts';
import type { Pod } from '../model/resource.ts';
import {
  type Allocation,
  type Instant,
  inUse,
  isEmpty,
  ownerOf,
  ownerText,
  sameOwner,
  sizeOf,
} from './block.ts';

export interface LeakView {
  readonly blocks: readonly IpamBlock[];
  readonly affinities: readonly BlockAffinity[];
  readonly pods: readonly Pod[];
  /** The names of all nodes. */
  readonly nodes: ReadonlySet<string>;
  /** Nothing at first, then `memory` of the last verdict. */
  readonly before: LeakMemory;
  readonly now: Millis;
  /** 900,000 ms as a rule. */
  readonly graceMs: number;
  /** Addresses released up to then have cooled down: the present less ipCooldownSeconds. */
  readonly cooledBy: Instant;
}

/** Since when each candidate is one; keys are ours. */
export interface LeakMemory {
  readonly leaks: ReadonlyMap<string, Millis>;
  readonly spare: ReadonlyMap<string, Millis>;
  readonly unsettled: ReadonlyMap<string, Millis>;
}

export const nothingSeen: LeakMemory = { leaks: new Map(), spare: new Map(), unsettled: new Map() };

export interface Leak {
  readonly handle: string;
  /** As its attributes say. */
  readonly node?: string;
  readonly addresses: readonly LeakedAddress[];
  /** For a log line or Event. */
  readonly why: string;
}

export interface LeakedAddress {
  readonly address: Address;
  readonly block: Prefix;
  readonly sequence: number;
}

/** A block that its owner can do without. */
export interface SpareBlock {
  readonly block: Prefix;
  readonly owner: BlockOwner;
  readonly why: string;
}

export interface LeakVerdict {
  /** To be handed in next time. */
  readonly memory: LeakMemory;
  /** Suspected and not confirmed. */
  readonly candidates: readonly Leak[];
  /** To be released. */
  readonly confirmed: readonly Leak[];
  /** To be given back, if still empty then. */
  readonly spare: readonly SpareBlock[];
  /** Claims and deletions that stopped half-way, to be settled; a node does not announce such a block. */
  readonly unsettled: readonly BlockAffinity[];
}

export function findLeaks(view: LeakView): LeakVerdict {
  const pods = new Map(view.pods.map((pod) => [`${pod.meta.namespace}/${pod.meta.name}`, pod]));
  const leaks = new Map<string, Millis>();
  const candidates: Leak[] = [];
  const confirmed: Leak[] = [];
  for (const [handle, held] of heldByHandle(view.blocks)) {
    const leak = leakOf(handle, held, pods, view.nodes);
    if (leak === undefined) continue;
    const key = JSON.stringify([handle, ...leak.addresses.map((one) => [String(one.address), one.sequence])]);
    const since = view.before.leaks.get(key) ?? view.now;
    leaks.set(key, since);
    const isGone = leak.node !== undefined && !view.nodes.has(leak.node);
    const isSeenTwice = view.before.leaks.has(key) && view.now - since >= view.graceMs;
    (isGone || isSeenTwice ? confirmed : candidates).push(leak);
  }
  const spare = findSpare(view);
  const unsettled = findUnsettled(view);
  return {
    memory: { leaks, spare: spare.memory, unsettled: unsettled.memory },
    candidates,
    confirmed,
    spare: spare.spare,
    unsettled: unsettled.unsettled,
  };
}

/** A claim takes seconds; one that took as long as this is not going on. */
const settleMs = 60_000;

function findUnsettled(view: LeakView): {
  readonly unsettled: readonly BlockAffinity[];
  readonly memory: LeakMemory['unsettled'];
} {
  const blocks = new Map(view.blocks.map((block) => [block.cidr, block]));
  const memory = new Map<string, Millis>();
  const unsettled: BlockAffinity[] = [];
  for (const affinity of view.affinities) {
    const isTheirs = sameOwner(blocks.get(affinity.cidr)?.affinity, ownerOf(affinity));
    if (affinity.state === 'confirmed' && isTheirs) continue;
    const key = `${affinity.meta.name} ${affinity.state}`;
    const since = view.before.unsettled.get(key) ?? view.now;
    memory.set(key, since);
    const isGone = affinity.type === 'host' && !view.nodes.has(affinity.node);
    if (isGone || (view.before.unsettled.has(key) && view.now - since >= settleMs)) unsettled.push(affinity);
  }
  return { unsettled, memory };
}

interface Held extends Allocation {
  readonly block: Prefix;
}

/** Without the virtual owners' blocks, whose controller knows better, and without allocations that name nobody. */
function heldByHandle(blocks: readonly IpamBlock[]): ReadonlyMap<string, readonly Held[]> {
  const found = new Map<string, Held[]>();
  for (const block of blocks) {
    if (block.affinity?.type === 'virtual') continue;
    for (const allocation of inUse(block)) {
      const { handle } = allocation.attribute;
      if (handle === '') continue;
      const held = found.get(handle) ?? [];
      held.push({ ...allocation, block: block.cidr });
      found.set(handle, held);
    }
  }
  return found;
}

function leakOf(
  handle: string,
  held: readonly Held[],
  pods: ReadonlyMap<string, Pod>,
  nodes: ReadonlySet<string>,
): Leak | undefined {
  const whys = held.map((one) => whyUnused(one, pods, nodes));
  const [why] = whys;
  if (why === undefined || whys.includes(undefined)) return undefined;
  const node = held[0]?.attribute.secondary['node'];
  return {
    handle,
    ...(node === undefined ? {} : { node }),
    addresses: held.map(({ address, block, sequence }) => ({ address, block, sequence })),
    why,
  };
}

/** Undefined: it is in use, or nobody can tell. */
export function whyUnused(
  { address, attribute }: Pick<Allocation, 'address' | 'attribute'>,
  pods: ReadonlyMap<string, Pod>,
  nodes: ReadonlySet<string>,
): string | undefined {
  const { pod: name, namespace, node } = attribute.secondary;
  if (name === undefined || namespace === undefined)
    return node !== undefined && !nodes.has(node) ? `Its node ${node} is gone.` : undefined;
  const pod = pods.get(`${namespace}/${name}`);
  if (pod === undefined) return `There is no pod ${namespace}/${name}.`;
  if (pod.finished) return `The pod ${namespace}/${name} has finished.`;
  if (pod.ips.includes(address)) return undefined;
  if (node !== undefined && pod.nodeName !== undefined && pod.nodeName !== node)
    return `The pod ${namespace}/${name} is on ${pod.nodeName}, not on ${node}.`;
  // It is starting, and what it will get may be this very address.
  if (pod.ips.length === 0) return undefined;
  return `The pod ${namespace}/${name} has other addresses.`;
}

/** Share of another block that must be free before an empty one is given back: else the next pods would claim it again. */
const roomLeft = 1 / 4;

/** Empty blocks of nodes that are gone, at once; of others, after the grace period and only beside one with room. */
function findSpare(view: LeakView): {
  readonly spare: readonly SpareBlock[];
  readonly memory: LeakMemory['spare'];
} {
  const memory = new Map<string, Millis>();
  const spare: SpareBlock[] = [];
  for (const { owner, blocks } of byOwner(view.blocks)) {
    const isGone = owner.type === 'host' && !view.nodes.has(owner.node);
    for (const block of dispensable(blocks, isGone, view.cooledBy)) {
      const key = `${ownerText(owner)} ${block.meta.name}`;
      const since = view.before.spare.get(key) ?? view.now;
      memory.set(key, since);
      const isSeenTwice = view.before.spare.has(key) && view.now - since >= view.graceMs;
      const why = isGone
        ? `Its node ${ownerText(owner)} is gone.`
        : `It is empty, and ${ownerText(owner)} has room in another block.`;
      if (isGone || isSeenTwice) spare.push({ block: block.cidr, owner, why });
    }
  }
  return { spare, memory };
}

/** The empty blocks of one owner and family; if it is still there, without the first one unless another has room. */
function dispensable(blocks: readonly IpamBlock[], isGone: boolean, cooledBy: Instant): readonly IpamBlock[] {
  const empty = blocks.filter((block) => isEmpty(block, cooledBy));
  const hasRoom = blocks.some(
    (block) => !empty.includes(block) && block.unallocated.length >= sizeOf(block.cidr) * roomLeft,
  );
  return isGone || hasRoom ? empty : empty.slice(1);
}

/** One group per owner and family, with its blocks in the order given. */
function byOwner(
  blocks: readonly IpamBlock[],
): readonly { readonly owner: BlockOwner; readonly blocks: readonly IpamBlock[] }[] {
  const groups = new Map<string, { readonly owner: BlockOwner; readonly blocks: IpamBlock[] }>();
  for (const block of blocks) {
    if (block.affinity === undefined) continue;
    const key = `${isPrefix4(block.cidr) ? 4 : 6} ${block.affinity.type} ${ownerText(block.affinity)}`;
    const group = groups.get(key) ?? { owner: block.affinity, blocks: [] };
    group.blocks.push(block);
    groups.set(key, group);
  }
  return [...groups.values()];
}
