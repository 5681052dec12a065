/**
 * The members of the named sets in use.
 *
 * A set is filled once, when it is first asked for, through the indexes of whom it is made of; after that it hears of each
 * endpoint, network set, node or slice that enters or leaves it, and of nothing else.
 */
import { type IpVersion, type Prefix, versionOf } from '../../src/lib/net.ts';
import { assert } from '../../src/lib/result.ts';
import type { Element } from '../rules/model.ts';
import { addressOf, type Span, spanOf } from '../rules/span.ts';
import type { SetContent, SetSpec } from '../rules/spec.ts';
import { Backends, backendAddresses, backendPorts, type Slice, serviceKey } from './backends.ts';
import {
  addressMembers,
  type Endpoint,
  type Member,
  memberOf,
  portMembers,
  sameEndpoint,
  sameList,
  sharePorts,
} from './endpoints.ts';
import { KeyedSets } from './keyed-sets.ts';
import type { Wish } from './matching.ts';
import type { Output } from './output.ts';
import { Population, type Sources } from './population.ts';
import { Ranges } from './ranges.ts';

/** The wider prefixes of a network set. */
export type Networks = readonly Prefix[];
/** A node's own addresses. */
export type NodeAddresses = Endpoint;

const ipVersions: readonly IpVersion[] = [4, 6];

interface UsedSet {
  readonly spec: SetSpec;
  readonly version: IpVersion;
  /** What it is made of, where that is by selector. */
  readonly wish?: Wish;
  /** Of a set of networks. */
  readonly ranges?: Ranges;
}

export class Members {
  readonly #output: Output;
  readonly endpoints: Population<Endpoint>;
  readonly networks: Population<Networks>;
  readonly nodes: Population<NodeAddresses>;
  readonly backends: Backends;
  readonly #used = new Map<string, UsedSet>();
  /** Set name → who asks for it. */
  readonly #askers = new KeyedSets<string, string>();
  /** Asked for or dropped since the last settling; the askers say which it came to. */
  readonly #unsettled = new Map<string, SetSpec>();
  readonly #setsOf = new KeyedSets<Wish, UsedSet>();
  readonly #setsOfService = new KeyedSets<string, UsedSet>();
  /** Sets of networks in which something came or went. */
  readonly #shifted = new Set<UsedSet>();
  /** How many endpoints have, of each family. */
  readonly #addresses: Record<IpVersion, number> = { 4: 0, 6: 0 };
  /** Selectors of which the answer to "is there a network of it" may have changed. */
  readonly #flipped = new Set<Wish>();

  constructor(output: Output, sources: Sources) {
    this.#output = output;
    const onEndpoint = (wish: Wish, endpoint: Endpoint, is: boolean): void => {
      for (const set of this.#setsOf.get(wish)) this.#change(set, membersOf(set, endpoint), is);
    };
    this.endpoints = new Population({
      sources,
      onChange: onEndpoint,
      onItem: ({ addresses }, is) => {
        for (const address of addresses) this.#addresses[versionOf(address)] += is ? 1 : -1;
      },
      same: sameEndpoint,
      share: sharePorts,
    });
    this.nodes = new Population({ sources, onChange: onEndpoint, same: sameEndpoint });
    this.networks = new Population<Networks>({
      sources,
      onChange: (wish, networks, is) => {
        this.#flipped.add(wish);
        for (const set of this.#setsOf.get(wish)) this.#shift(set, networks, is);
      },
      same: sameList,
    });
    this.backends = new Backends((service, slice, is) => {
      for (const set of this.#setsOfService.get(service)) this.#change(set, slicesMembers(set, slice), is);
    });
  }

  /** Of which any endpoint has an address. */
  get families(): readonly IpVersion[] {
    return ipVersions.filter((version) => this.#addresses[version] > 0);
  }

  get used(): ReadonlyMap<string, unknown> {
    return this.#used;
  }

  /** All that is remembered: none, when all is gone. */
  get size(): number {
    const { endpoints, networks, nodes, backends } = this;
    return endpoints.size + networks.size + nodes.size + backends.size + this.#used.size + this.#askers.size;
  }

  /** From now on `asker` asks for exactly `after`; before it asked for `before`. */
  askFor(asker: string, before: readonly SetSpec[], after: readonly SetSpec[]): void {
    for (const spec of before) {
      this.#askers.delete(spec.decl.name, asker);
      this.#unsettled.set(spec.decl.name, spec);
    }
    for (const spec of after) {
      this.#askers.add(spec.decl.name, asker);
      this.#unsettled.set(spec.decl.name, spec);
    }
  }

  /** The selectors whose networks came or went since the last call. */
  takeFlipped(): readonly Wish[] {
    const flipped = [...this.#flipped];
    this.#flipped.clear();
    return flipped;
  }

  /** Ends the sets nobody asks for any more and fills the new ones. */
  settle(): void {
    for (const [name, spec] of this.#unsettled) {
      const set = this.#used.get(name);
      const isWanted = this.#askers.has(name);
      if (isWanted && set === undefined) this.#begin(spec);
      if (!isWanted && set !== undefined) this.#end(set);
    }
    this.#unsettled.clear();
    for (const set of this.#shifted) this.#writeRanges(set);
    this.#shifted.clear();
  }

  #begin(spec: SetSpec): void {
    const { decl, content } = spec;
    const version = decl.version ?? 4;
    const population = this.#populationOf(content);
    const set: UsedSet = {
      spec,
      version,
      ...(population === undefined ? {} : { wish: population.want(selectorOf(content)) }),
      ...(content.kind === 'networks' ? { ranges: new Ranges(version === 4 ? 32 : 128) } : {}),
    };
    this.#used.set(decl.name, set);
    this.#output.declare(decl);
    if (set.wish !== undefined) this.#setsOf.add(set.wish, set);
    this.#fill(set);
  }

  #fill(set: UsedSet): void {
    const { content } = set.spec;
    const { wish } = set;
    switch (content.kind) {
      case 'fixed':
        this.#change(set, content.elements.map(memberOf), true);
        break;
      case 'endpoints':
      case 'namedPort':
        assert(wish !== undefined, 'a set of endpoints has its selector');
        this.#fillWith(set, this.endpoints.itemsOf(wish));
        break;
      case 'nodes':
        assert(wish !== undefined, 'a set of nodes has its selector');
        this.#fillWith(set, this.nodes.itemsOf(wish));
        break;
      case 'networks':
        assert(wish !== undefined, 'a set of networks has its selector');
        for (const networks of this.networks.itemsOf(wish)) this.#shift(set, networks, true);
        break;
      case 'servicePorts':
      case 'serviceAddresses': {
        const service = serviceKey(content.service);
        this.#setsOfService.add(service, set);
        for (const slice of this.backends.of(service)) this.#change(set, slicesMembers(set, slice), true);
      }
    }
  }

  #fillWith(set: UsedSet, endpoints: Iterable<Endpoint>): void {
    const all: Member[] = [];
    for (const endpoint of endpoints) all.push(...membersOf(set, endpoint));
    this.#change(set, all, true);
  }

  #end(set: UsedSet): void {
    const { decl, content } = set.spec;
    this.#used.delete(decl.name);
    this.#shifted.delete(set);
    if (set.wish !== undefined) {
      this.#setsOf.delete(set.wish, set);
      this.#populationOf(content)?.drop(set.wish);
    }
    if (content.kind === 'servicePorts' || content.kind === 'serviceAddresses') {
      this.#setsOfService.delete(serviceKey(content.service), set);
    }
    this.#output.removeSet(decl.name);
  }

  #populationOf({ kind }: SetContent): Pick<Population<unknown>, 'want' | 'drop'> | undefined {
    switch (kind) {
      case 'endpoints':
      case 'namedPort':
        return this.endpoints;
      case 'networks':
        return this.networks;
      case 'nodes':
        return this.nodes;
      default:
        return undefined;
    }
  }

  #change({ spec }: UsedSet, members: readonly Member[], is: boolean): void {
    if (members.length === 0) return;
    if (is) this.#output.hold(spec.decl.name, members);
    else this.#output.release(spec.decl.name, members);
  }

  #shift(set: UsedSet, networks: Networks, is: boolean): void {
    for (const prefix of networks) {
      if (versionOf(prefix) !== set.version) continue;
      if (is) set.ranges?.add(spanOf(prefix));
      else set.ranges?.remove(spanOf(prefix));
    }
    this.#shifted.add(set);
  }

  #writeRanges(set: UsedSet): void {
    const { added = [], removed = [] } = set.ranges?.settle() ?? {};
    this.#change(
      set,
      added.map((span) => memberOf(rangeElement(set.version, span))),
      true,
    );
    this.#change(
      set,
      removed.map((span) => memberOf(rangeElement(set.version, span))),
      false,
    );
  }
}

function selectorOf(content: SetContent): Extract<SetContent, { readonly selector: unknown }>['selector'] {
  assert('selector' in content, `a set of kind ${content.kind} has no selector`);
  return content.selector;
}

function membersOf({ spec, version }: UsedSet, endpoint: Endpoint): readonly Member[] {
  const { content } = spec;
  if (content.kind !== 'namedPort') return addressMembers(endpoint, version);
  if (content.local === true && !endpoint.isLocal) return [];
  return portMembers(endpoint, version, content.name, content.protocol);
}

const slicesMembers = ({ spec, version }: UsedSet, slice: Slice): readonly Member[] =>
  spec.content.kind === 'servicePorts' ? backendPorts(slice, version) : backendAddresses(slice, version);

const rangeElement = (version: IpVersion, { first, last }: Span): Element => ({
  kind: 'range',
  first: addressOf(version, first),
  last: addressOf(version, last),
});
