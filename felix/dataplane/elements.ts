/** The elements of one set: those in the kernel against those there should be. */
import type { NftElement } from '../../src/kernel/netlink/nft/object.ts';
import { type ElementSeen, keyText } from '../../src/kernel/netlink/nft/read.ts';
import { isIpv4 } from '../../src/lib/net.ts';
import type { Element, NamedSet } from '../rules/model.ts';
import { nftElements, shapeOf } from './encode/element.ts';
import { elementsAtOnce } from './encode/transaction.ts';

export interface ElementDifference {
  readonly removed: readonly NftElement[];
  readonly added: readonly Element[];
}

/** What has to change of what is seen. */
export async function compareElements(
  { decl, elements }: NamedSet,
  seen: readonly ElementSeen[],
  turn: () => Promise<void>,
): Promise<ElementDifference> {
  const isInterval = shapeOf(decl).interval === true;
  const present = isInterval ? intervalsOf(seen) : await singlesOf(seen, turn);
  const added: Element[] = [];
  let done = 0;
  for (const element of elements.values()) {
    if (!present.delete(nameOf(element))) added.push(element);
    done += 1;
    if (done % elementsAtOnce === 0) await turn();
  }
  const removed = [...present.values()].flatMap((one) => ('key' in one ? [nftElementOf(one)] : one));
  return { removed, added };
}

/** Keys of one set have one length, so what follows them is told apart. */
function nameOf(element: Element): string {
  if (element.kind === 'address' && isIpv4(element.address)) {
    const { address } = element;
    return String.fromCharCode(address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255);
  }
  const [start, end] = nftElements(element);
  if (start === undefined) return '';
  const value = start.jump ?? (start.data === undefined ? '' : keyText(start.data));
  return keyText(start.key) + value + (end === undefined ? '' : keyText(end.key));
}

const octets = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const nftElementOf = ({ key, isEnd }: ElementSeen): NftElement => ({ key: octets(key), isEnd });

async function singlesOf(
  seen: readonly ElementSeen[],
  turn: () => Promise<void>,
): Promise<Map<string, ElementSeen | readonly NftElement[]>> {
  const found = new Map<string, ElementSeen>();
  for (const [index, one] of seen.entries()) {
    found.set(one.key + (one.jump ?? one.data ?? '') + (one.isEnd ? 'end' : ''), one);
    if (index % elementsAtOnce === 0) await turn();
  }
  return found;
}

/** Starts with the end that follows each. nft puts an end at zero, before the first start: it means nothing. */
function intervalsOf(seen: readonly ElementSeen[]): Map<string, ElementSeen | readonly NftElement[]> {
  const found = new Map<string, readonly NftElement[]>();
  let start: string | undefined;
  for (const { key, isEnd } of [...seen].sort(byKey)) {
    if (!isEnd) {
      if (start !== undefined) found.set(start, [{ key: octets(start) }]);
      start = key;
    } else if (start !== undefined) {
      found.set(start + key, [{ key: octets(start) }, { key: octets(key), isEnd }]);
      start = undefined;
    } else if (/[^\0]/.test(key)) found.set(`${key}end`, [{ key: octets(key), isEnd }]);
  }
  if (start !== undefined) found.set(start, [{ key: octets(start) }]);
  return found;
}

/** An end before the start at the same key: one interval ends where the next begins. */
const byKey = (a: ElementSeen, b: ElementSeen): number =>
  a.key < b.key ? -1 : a.key > b.key ? 1 : Number(b.isEnd) - Number(a.isEnd);
