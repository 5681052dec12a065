/**
 * A small change of the ruleset as netlink messages: what `renderChange` says in text, in the same order, for the objects a pod
 * brings or takes away. Measured: 0.5 ms instead of the 10 ms of an `nft` process (docs/BENCHMARKS.md).
 *
 * What is not of that kind (base chains, sets of ranges and ports, lists of ports) is left to nft: then the answer is undefined.
 */
import type { NftMessage } from '../../src/kernel/kernel.ts';
import {
  addChain,
  addSet,
  appendRule,
  BASE,
  CMP,
  changeElements,
  compare,
  deleteChain,
  deleteSet,
  flushChain,
  KEY,
  lookUp,
  META,
  metaLoad,
  type ObjectName,
  payloadLoad,
  type SetElement,
  verdict,
} from '../../src/kernel/netlink/nftables.ts';
import { type Address, type IpVersion, isIpv4 } from '../../src/lib/net.ts';
import {
  type Chain,
  type Element,
  type ElementChange,
  type Match,
  type Rule,
  type RulesetChange,
  tableName,
  type Verdict,
} from '../rules/model.ts';

type Expression = ReturnType<typeof lookUp>;

/** More than this is nft's: the send is done in one go, and nothing else runs meanwhile. */
const mostObjects = 500;
/** Of one message: 64 octets each, in a list of 64 KiB. */
const elementsAtOnce = 500;

const named = (name: string): ObjectName => ({ table: tableName, name });

/**
 * Transactions to run in order; undefined if the change is not small and plain.
 * @param chainsFreedLate  see `renderChange`
 */
export function encodeChange(
  change: RulesetChange,
  { chainsFreedLate }: { readonly chainsFreedLate: boolean },
): readonly (readonly NftMessage[])[] | undefined {
  if (sizeOf(change) > mostObjects) return undefined;
  const { sets, removedSets, elements, chains, removedChains } = change;
  const made = all(sets, ({ name, kind, version, comment }, index) =>
    kind !== 'address' || version === undefined
      ? undefined
      : [
          addSet(
            named(name),
            { key: keyOf(version), ...(comment === undefined ? {} : { comment }) },
            index + 1,
          ),
        ],
  );
  const filled = all(elements, encodeElements);
  const rules = all(chains, encodeRules);
  const isPlain =
    removedSets.every(({ kind }) => kind === 'address') && chains.every(({ base }) => base === undefined);
  if (made === undefined || filled === undefined || rules === undefined || !isPlain) return undefined;
  const deleted = removedChains.map((name) => deleteChain(named(name)));
  const now = [
    ...made,
    ...chains.map(({ name }) => addChain(named(name))),
    ...filled,
    ...rules,
    ...removedChains.map((name) => flushChain(named(name))),
    ...(chainsFreedLate ? [] : deleted),
    ...removedSets.map(({ name }) => deleteSet(named(name))),
  ];
  return [now, chainsFreedLate ? deleted : []].filter((messages) => messages.length > 0);
}

const sizeOf = ({ sets, elements, chains, removedChains }: RulesetChange): number =>
  sets.length +
  removedChains.length +
  elements.reduce((sum, { added, removed }) => sum + added.length + removed.length, 0) +
  chains.reduce((sum, { rules }) => sum + rules.length, 0);

/** Undefined as soon as one of them is. */
function all<From, To>(
  items: readonly From[],
  encode: (item: From, index: number) => readonly To[] | undefined,
): readonly To[] | undefined {
  const found: To[] = [];
  for (const [index, item] of items.entries()) {
    const one = encode(item, index);
    if (one === undefined) return undefined;
    found.push(...one);
  }
  return found;
}

const keyOf = (version: IpVersion): (typeof KEY)[keyof typeof KEY] => (version === 4 ? KEY.ipv4 : KEY.ipv6);

/** Deletions first, so that an interface can change its chain. */
function encodeElements({ decl, added, removed }: ElementChange): readonly NftMessage[] | undefined {
  const parts = [
    ['delete', all(removed, elementOf)],
    ['add', all(added, elementOf)],
  ] as const;
  return all(parts, ([kind, elements]) =>
    elements === undefined
      ? undefined
      : slices(elements).map((slice) => changeElements(kind, named(decl.name), slice)),
  );
}

function slices<T>(items: readonly T[]): readonly (readonly T[])[] {
  const count = Math.ceil(items.length / elementsAtOnce);
  return Array.from({ length: count }, (_, index) =>
    items.slice(index * elementsAtOnce, (index + 1) * elementsAtOnce),
  );
}

function elementOf(element: Element): readonly SetElement[] | undefined {
  switch (element.kind) {
    case 'address':
      return [{ key: octetsOf(element.address) }];
    case 'interface':
      return [{ key: ifnameOf(element.interface) }];
    case 'dispatch':
      return [{ key: ifnameOf(element.interface), jump: element.chain }];
    default:
      return undefined;
  }
}

function octetsOf(address: Address): Uint8Array {
  const bytes = new Uint8Array(isIpv4(address) ? 4 : 16);
  const view = new DataView(bytes.buffer);
  if (isIpv4(address)) view.setUint32(0, address);
  else {
    view.setBigUint64(0, address >> 64n);
    view.setBigUint64(8, address & 0xffffffffffffffffn);
  }
  return bytes;
}

/** IFNAMSIZ octets, filled up with NUL. */
function ifnameOf(name: string): Uint8Array {
  const bytes = new Uint8Array(16);
  new TextEncoder().encodeInto(name, bytes);
  return bytes;
}

/** Every chain is emptied and filled again. */
function encodeRules({ name, rules }: Chain): readonly NftMessage[] | undefined {
  const filled = all(rules, (rule) => encodeRule(name, rule));
  return filled === undefined ? undefined : [flushChain(named(name)), ...filled];
}

function encodeRule(chain: string, rule: Rule): readonly NftMessage[] | undefined {
  const matches = all(rule.matches, encodeMatch);
  const end = encodeVerdict(rule.verdict);
  if (matches === undefined || end === undefined) return undefined;
  return [appendRule(named(chain), [...matches, end], rule.comment)];
}

function encodeVerdict(asked: Verdict): Expression | undefined {
  switch (asked.kind) {
    case 'accept':
    case 'drop':
      return verdict(asked.kind);
    case 'jump':
      return verdict('jump', asked.chain);
    case 'dispatch':
      return undefined;
  }
}

const is = (...octets: readonly number[]): Expression => compare(CMP.EQ, Uint8Array.from(octets));
/** NFPROTO_IPV4, NFPROTO_IPV6: what nft writes before anything of an IP header in an inet table. */
const family = (version: IpVersion): readonly Expression[] => [
  metaLoad(META.NFPROTO),
  is(version === 4 ? 2 : 10),
];
const protocols = { TCP: 6, UDP: 17, SCTP: 132 } as const;
/** Offsets of the addresses in an IP header. */
const offsets = { 4: { source: 12, destination: 16 }, 6: { source: 8, destination: 24 } } as const;
const destinationPort = payloadLoad(BASE.TRANSPORT, 2, 2);
const u16 = (value: number): Uint8Array => Uint8Array.from([value >> 8, value & 0xff]);

function encodeMatch(match: Match): readonly Expression[] | undefined {
  switch (match.kind) {
    case 'interface': {
      if (match.name.endsWith('*') || match.not === true) return undefined;
      const key = match.way === 'in' ? META.IIFNAME : META.OIFNAME;
      return [metaLoad(key), compare(CMP.EQ, ifnameOf(match.name))];
    }
    case 'version':
      return family(match.version);
    case 'addressSet': {
      const { length } = keyOf(match.version);
      const offset = offsets[match.version][match.side];
      return [...family(match.version), payloadLoad(BASE.NETWORK, offset, length), lookUp(match.set)];
    }
    case 'protocol':
      return [metaLoad(META.L4PROTO), is(protocols[match.protocol])];
    case 'ports':
      return encodePorts(match);
    default:
      return undefined;
  }
}

function encodePorts({
  protocol,
  ranges,
}: Extract<Match, { kind: 'ports' }>): readonly Expression[] | undefined {
  const [only, ...others] = ranges;
  if (only === undefined || others.length > 0) return undefined;
  const { first, last } = only;
  const bounds =
    first === last
      ? [compare(CMP.EQ, u16(first))]
      : [compare(CMP.GTE, u16(first)), compare(CMP.LTE, u16(last))];
  return [metaLoad(META.L4PROTO), is(protocols[protocol]), destinationPort, ...bounds];
}
