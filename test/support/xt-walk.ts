/**
 * Walks rules of iptables for one packet: an interpreter of the texts that `felix/rules/xtables` writes, which knows nothing of
 * the model they were made of. Limits let everything past, no connection is one too many.
 */
import type { Packet } from '../../felix/rules/trace.ts';
import type { Builtin, XtTable } from '../../felix/rules/xtables/place.ts';
import type { Xtables } from '../../felix/rules/xtables/render.ts';
import type { XtRule } from '../../felix/rules/xtables/rule.ts';
import {
  type Address,
  compareAddresses,
  containsAddress,
  formatAddress,
  hostPrefix,
  parseAddress,
  parsePrefix,
  versionOf,
} from '../../src/lib/net.ts';

type Answer = 'ACCEPT' | 'DROP' | 'RETURN' | undefined;

const ends: Readonly<Record<string, Answer>> = { ACCEPT: 'ACCEPT', DROP: 'DROP', REJECT: 'DROP' };

const ways = {
  forward: [
    ['raw', 'PREROUTING'],
    ['mangle', 'PREROUTING'],
    ['nat', 'PREROUTING'],
    ['mangle', 'FORWARD'],
    ['filter', 'FORWARD'],
    ['mangle', 'POSTROUTING'],
    ['nat', 'POSTROUTING'],
  ],
  input: [
    ['raw', 'PREROUTING'],
    ['mangle', 'PREROUTING'],
    ['nat', 'PREROUTING'],
    ['filter', 'INPUT'],
  ],
  output: [
    ['raw', 'OUTPUT'],
    ['nat', 'OUTPUT'],
    ['filter', 'OUTPUT'],
    ['mangle', 'POSTROUTING'],
    ['nat', 'POSTROUTING'],
  ],
} as const satisfies Record<string, readonly (readonly [XtTable, Builtin])[]>;

interface Here {
  readonly table: XtTable;
  readonly builtin: Builtin;
}

export class XtWalk {
  readonly #tables: Xtables;
  readonly #foreign: 'accept' | 'drop';
  readonly #parsed = new Map<string, readonly string[]>();

  /** @param foreign  what the rules of others say of all that is forwarded, between ours and the end of FORWARD */
  constructor(tables: Xtables, foreign: 'accept' | 'drop' = 'accept') {
    this.#tables = tables;
    this.#foreign = foreign;
  }

  verdict(first: Packet): 'accept' | 'drop' {
    let packet = first;
    const way = packet.in === '' ? 'output' : packet.out === '' ? 'input' : 'forward';
    for (const [table, builtin] of ways[way]) {
      if (table === 'nat') {
        if (packet.translated !== undefined && packet.state !== 'untracked')
          packet = { ...packet, ...packet.translated };
        continue;
      }
      const here = { table, builtin };
      const told = this.#builtin(here, packet);
      if (told.answer === 'DROP') return 'drop';
      ({ packet } = told);
    }
    return 'accept';
  }

  #builtin(here: Here, packet: Packet): { readonly answer: Answer; readonly packet: Packet } {
    const { hooks } = this.#tables.families[versionOf(packet.source)].get(here.table) ?? { hooks: [] };
    const own = hooks.filter((hook) => hook.builtin === here.builtin);
    const [before, after] = (['first', 'last'] as const).map((at) =>
      own.filter((hook) => hook.at === at).map(({ rule }) => rule),
    );
    const run = new Run(this, here, packet);
    const answer = run.rules(before ?? []) ?? run.rules(after ?? []);
    const isForeign = here.table === 'filter' && here.builtin === 'FORWARD' && this.#foreign === 'drop';
    const settled = answer === undefined && isForeign ? 'DROP' : answer;
    return { answer: settled, packet: run.packet };
  }

  chain(here: Here, packet: Packet, name: string): readonly XtRule[] | undefined {
    return this.#tables.families[versionOf(packet.source)].get(here.table)?.chains.get(name);
  }

  members(name: string): ReadonlySet<string> {
    const set = this.#tables.sets.get(name);
    if (set === undefined) throw new Error(`a rule asks set ${name}, which is not there`);
    return set.members;
  }

  type(name: string): string {
    return this.#tables.sets.get(name)?.type ?? '';
  }

  words(text: string): readonly string[] {
    let words = this.#parsed.get(text);
    if (words === undefined) {
      words = [...text.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
      this.#parsed.set(text, words);
    }
    return words;
  }
}

/** One builtin chain with what it leads to. */
class Run {
  packet: Packet;
  readonly #walk: XtWalk;
  readonly #here: Here;

  constructor(walk: XtWalk, here: Here, packet: Packet) {
    this.#walk = walk;
    this.#here = here;
    this.packet = packet;
  }

  /** Undefined: the end of the chain was reached, or RETURN. */
  rules(rules: readonly XtRule[]): Answer {
    for (const { text } of rules) {
      const words = this.#walk.words(text);
      const at = words.findIndex((word) => word === '-j' || word === '-g');
      if (!this.#holds(words.slice(0, at))) continue;
      const target = words[at + 1] ?? '';
      if (target === 'RETURN') return undefined;
      const end = ends[target];
      if (end !== undefined) return end;
      const chain = this.#walk.chain(this.#here, this.packet, target);
      if (chain === undefined) this.#act(target, words.slice(at + 2));
      else {
        const answer = this.rules(chain);
        if (answer !== undefined || words[at] === '-g') return answer;
      }
    }
    return undefined;
  }

  #act(target: string, words: readonly string[]): void {
    const { packet } = this;
    if (target === 'MARK') {
      const [value = 0, mask = 0] = (words[1] ?? '').split('/').map(Number);
      this.packet = { ...packet, mark: (((packet.mark ?? 0) & ~mask) | value) >>> 0 };
    } else if (target === 'CT') this.packet = { ...packet, state: 'untracked' };
    else if (!['NFLOG', 'LOG', 'DSCP', 'TCPMSS'].includes(target)) throw new Error(`no chain ${target}`);
  }

  #holds(words: readonly string[]): boolean {
    let isNot = false;
    for (let index = 0; index < words.length; index++) {
      const word = words[index] ?? '';
      if (word === '!') {
        isNot = true;
        continue;
      }
      const option = options[word];
      if (option === undefined) throw new Error(`what is ${word} in ${words.join(' ')}?`);
      const values = words.slice(index + 1, index + 1 + option.values);
      index += option.values;
      if (option.holds !== undefined && option.holds(this.packet, values, this.#walk, this.#here) === isNot)
        return false;
      isNot = false;
    }
    return true;
  }
}

interface Option {
  readonly values: number;
  /** Absent: it tells of another option, or is of no account here. */
  readonly holds?: (packet: Packet, values: readonly string[], walk: XtWalk, here: Here) => boolean;
}

const nameIs = (pattern = '', name: string): boolean =>
  pattern.endsWith('+') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;

const inPrefix = (text = '', address: Address): boolean => {
  const single = parseAddress(text);
  const prefix = single === undefined ? parsePrefix(text) : hostPrefix(single);
  return prefix !== undefined && versionOf(prefix) === versionOf(address) && containsAddress(prefix, address);
};

const inPorts = (list = '', port: number | undefined): boolean =>
  port !== undefined &&
  list.split(',').some((range) => {
    const [first = 0, last = first] = range.split(':').map(Number);
    return first <= port && port <= last;
  });

function outOf({ out, outBefore }: Packet, { table, builtin }: Here): string {
  if (builtin === 'PREROUTING') return '';
  return builtin === 'OUTPUT' && table !== 'nat' ? (outBefore ?? out) : out;
}

const protocols: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp', 136: 'udplite' };

function inSet(packet: Packet, [name = '', ends = '']: readonly string[], walk: XtWalk): boolean {
  const isSource = ends.startsWith('src');
  const address = isSource ? packet.source : packet.destination;
  const port = isSource ? packet.sourcePort : packet.destinationPort;
  const members = walk.members(name);
  const type = walk.type(name);
  if (type.startsWith('bitmap:port')) return port !== undefined && members.has(`${port}`);
  if (type.startsWith('hash:ip,port'))
    return members.has(`${formatAddress(address)},${protocols[packet.protocol]}:${port}`);
  if (type.startsWith('hash:net')) return [...members].some((member) => inPrefix(member, address));
  return members.has(formatAddress(address));
}

const icmpIs =
  (protocol: number) =>
  ({ icmp, protocol: given }: Packet, [text = '']: readonly string[]): boolean => {
    const [type, code] = text.split('/').map(Number);
    return given === protocol && icmp?.type === type && (code === undefined || icmp?.code === code);
  };

const range =
  (side: 'source' | 'destination') =>
  (packet: Packet, [text = '']: readonly string[]): boolean => {
    const [first, last] = text.split('-').map(parseAddress);
    if (first === undefined || last === undefined) throw new Error(`no range: ${text}`);
    return compareAddresses(first, packet[side]) <= 0 && compareAddresses(packet[side], last) <= 0;
  };

const states: Readonly<Record<string, (packet: Packet) => boolean>> = {
  NEW: ({ state }) => state === 'new',
  ESTABLISHED: ({ state }) => state === 'established',
  RELATED: ({ state }) => state === 'related',
  INVALID: ({ state }) => state === 'invalid',
  UNTRACKED: ({ state }) => state === 'untracked',
  DNAT: ({ translated, state }) => translated !== undefined && state !== 'untracked',
};

const always: Option = { values: 1 };

const options: Readonly<Record<string, Option>> = {
  '-i': { values: 1, holds: (packet, [name]) => nameIs(name, packet.in) },
  '-o': { values: 1, holds: (packet, [name], _, here) => nameIs(name, outOf(packet, here)) },
  '-p': { values: 1, holds: (packet, [number]) => packet.protocol === Number(number) },
  '-s': { values: 1, holds: (packet, [prefix]) => inPrefix(prefix, packet.source) },
  '-d': { values: 1, holds: (packet, [prefix]) => inPrefix(prefix, packet.destination) },
  '-m': always,
  '--comment': always,
  '--src-range': { values: 1, holds: range('source') },
  '--dst-range': { values: 1, holds: range('destination') },
  '--match-set': { values: 2, holds: inSet },
  '--sports': { values: 1, holds: (packet, [list]) => inPorts(list, packet.sourcePort) },
  '--dports': { values: 1, holds: (packet, [list]) => inPorts(list, packet.destinationPort) },
  '--icmp-type': { values: 1, holds: icmpIs(1) },
  '--icmpv6-type': { values: 1, holds: icmpIs(58) },
  '--ctstate': {
    values: 1,
    holds: (packet, [list = '']) => list.split(',').some((state) => states[state]?.(packet) === true),
  },
  '--mark': {
    values: 1,
    holds: ({ mark = 0 }, [text = '']) => {
      const [value = 0, mask = 0] = text.split('/').map(Number);
      return (mark & mask) >>> 0 === value;
    },
  },
  '--src-type': { values: 1, holds: ({ local, source }) => local?.includes(source) === true },
  '--dst-type': { values: 1, holds: ({ local, destination }) => local?.includes(destination) === true },
  // `--invert` says that the check fails.
  '--invert': { values: 0, holds: ({ hasReturnPath }) => hasReturnPath === false },
  '--limit': always,
  '--limit-burst': always,
  '--hashlimit-upto': always,
  '--hashlimit-above': { values: 1, holds: () => false },
  '--hashlimit-burst': always,
  '--hashlimit-name': always,
  '--connlimit-above': { values: 1, holds: () => false },
  '--connlimit-mask': always,
  '--connlimit-saddr': { values: 0 },
  '--tcp-flags': { values: 2 },
};
