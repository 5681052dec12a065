/** The elements of one set: those in the kernel against those there should be. */
import type { NftElement } from '../../src/kernel/netlink/nft/object.ts';
import { type ElementSeen, keyText } from '../../src/kernel/netlink/nft/read.ts';
import type { NamedSet } from '../rules/model.ts';
import { nftElements, shapeOf } from './encode/element.ts';
import { elementsAtOnce } from './encode/transaction.ts';

export interface ElementDifference {
  readonly removed: readonly NftElement[];
  readonly added: readonly NftElement[];
}

/** What has to change of what is seen. */
export async function compareElements(
  { decl, elements }: NamedSet,
  seen: readonly ElementSeen[],
  turn: () => Promise<void>,
): Promise<ElementDifference> {
  const present = shapeOf(decl).interval === true ? intervalsOf(seen) : singlesOf(seen);
  await turn();
  const added: NftElement[] = [];
  let done = 0;
  for (const element of elements.values()) {
    const wanted = nftElements(element);
    if (!present.delete(nameOf(wanted))) added.push(...wanted);
    done += 1;
    if (done % elementsAtOnce === 0) await turn();
  }
  return { removed: [...present.values()].flat(), added };
}

/** Keys of one set have one length, so what follows them is told apart. */
function nameOf([start, end]: readonly NftElement[]): string {
  if (start === undefined) return '';
  const value = start.jump ?? (start.data === undefined ? '' : keyText(start.data));
  return keyText(start.key) + value + (end === undefined ? '' : keyText(end.key));
}

const octets = (text: string): Uint8Array => Buffer.from(text, 'latin1');

function singlesOf(seen: readonly ElementSeen[]): Map<string, readonly NftElement[]> {
  return new Map(
    seen.map(({ key, isEnd, jump, data }) => [
      key + (jump ?? data ?? '') + (isEnd ? 'end' : ''),
      [{ key: octets(key), isEnd }],
    ]),
  );
}

/** Starts with the end that follows each. nft puts an end at zero, before the first start: it means nothing. */
function intervalsOf(seen: readonly ElementSeen[]): Map<string, readonly NftElement[]> {
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
