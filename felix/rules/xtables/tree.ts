/**
 * Finding an interface's chain without looking at all of them: interfaces with a common beginning share a branch, and each branch
 * tells them apart by their next character, as iptables has no maps.
 */

/** A rule of a branch: this interface, or all that begin so (with `+` at the end), go there. */
export interface Turn {
  readonly interface: string;
  /** A leaf's chain, or another branch. */
  readonly to: { readonly chain: string } | { readonly branch: string };
}

/** Rules of a branch; the root's name is ''. */
export type Tree = ReadonlyMap<string, readonly Turn[]>;

/** So many are as quick to look through. */
const few = 8;

/** @param leaves  interface → chain */
export function treeOf(leaves: ReadonlyMap<string, string>): Tree {
  const tree = new Map<string, readonly Turn[]>();
  grow(tree, '', [...leaves].sort(byName));
  return tree;
}

type Leaf = readonly [name: string, chain: string];

const byName = ([a]: Leaf, [b]: Leaf): number => (a < b ? -1 : a > b ? 1 : 0);

function grow(tree: Map<string, readonly Turn[]>, branch: string, leaves: readonly Leaf[]): void {
  if (leaves.length <= few) {
    tree.set(
      branch,
      leaves.map(([name, chain]) => ({ interface: name, to: { chain } })),
    );
    return;
  }
  const length = commonLength(leaves) + 1;
  const groups = new Map<string, Leaf[]>();
  for (const leaf of leaves) {
    const head = leaf[0].slice(0, length);
    const group = groups.get(head);
    if (group === undefined) groups.set(head, [leaf]);
    else group.push(leaf);
  }
  const turns: Turn[] = [];
  for (const [head, group] of groups) {
    const [only] = group;
    if (group.length === 1 && only !== undefined) turns.push({ interface: only[0], to: { chain: only[1] } });
    else {
      turns.push({ interface: `${head}+`, to: { branch: head } });
      grow(tree, head, group);
    }
  }
  tree.set(branch, turns);
}

/** Sorted: what the first and the last share, all do. */
function commonLength(leaves: readonly Leaf[]): number {
  const first = leaves[0]?.[0] ?? '';
  const last = leaves.at(-1)?.[0] ?? '';
  let length = 0;
  while (length < first.length && first[length] === last[length]) length++;
  return length;
}
