/**
 * What one end of a connection says of it, before and after a change: asked once for all that its own policies cannot tell apart.
 *
 * A connection is allowed if both ends allow it, and what an end says depends on its own policies alone. So of a thousand kinds of
 * peers an end whose rules name two labels knows a handful, and a change of the whole cluster costs no thousand times a thousand
 * verdicts.
 */
import {
  type Address,
  containsAddress,
  formatPrefix,
  type IpVersion,
  type Prefix,
  versionOf,
} from '../../lib/net.ts';
import { assert } from '../../lib/result.ts';
import type { Direction, ServiceRef } from '../../model/policy.ts';
import { formatSelector, matchesSelector, type Selector } from '../../model/selector.ts';
import type { Cluster } from '../cluster.ts';
import { whoIsAt } from '../known.ts';
import { connectionOf } from '../meet.ts';
import type { Entity, Policy } from '../policy.ts';
import { type Verdict, verdictUnder } from '../verdict.ts';
import type { Who } from '../who.ts';
import { backendsAt, type Class } from './classes.ts';
import { profileRules, rulesOf } from './criteria.ts';
import { failsafesOf } from './failsafes.ts';
import type { Meeting } from './meetings.ts';
import { type TrafficClass, trafficOf } from './traffic.ts';

export type Both<T> = readonly [old: T, next: T];

export interface EndsOptions {
  readonly clusters: Both<Cluster>;
  /** The policies that say something of it. */
  readonly policiesOf: (who: Who) => Both<readonly Policy[]>;
  /** Whether one who is asked for by these policies may say something else afterwards. */
  readonly isTouched: (policies: Both<readonly Policy[]>) => boolean;
}

/** What an end says of each kind of traffic that its policies tell apart. */
interface Said {
  /** By kind; undefined: not asked yet. */
  readonly allowed: (Both<boolean> | undefined)[];
  readonly because: Map<string, string>;
}

interface End {
  readonly policies: Both<readonly Policy[]>;
  /** What its policies tell apart. */
  readonly traffic: readonly TrafficClass[];
  /** Ports at which one kind of traffic ends and the next begins. */
  readonly bounds: readonly number[];
  /** How the other end looks to these policies. */
  readonly looks: readonly Look[];
  readonly kinds: Map<string, number>;
  readonly said: Map<string, Said>;
  /** By list of traffic: the kind of each. */
  readonly kindsOf: WeakMap<readonly TrafficClass[], readonly number[]>;
}

/** Says by a word what of a peer a policy sees, in both clusters. */
type Look = (address: Address) => string;

export class Ends {
  readonly #options: EndsOptions;
  readonly #ends = new Map<Class, End>();
  /** Words of looks by what is looked at: many ends look for the same. */
  readonly #words = new Map<string, Map<Address, string>>();
  /** Without host endpoints nobody but a pod has policies. */
  readonly #isPlain: boolean;
  #asked = 0;

  constructor(options: EndsOptions) {
    this.#options = options;
    this.#isPlain = options.clusters.every(({ hostEndpoints }) => hostEndpoints.length === 0);
  }

  /** Verdicts that were asked for. */
  get asked(): number {
    return this.#asked;
  }

  /** Whether that end says something else afterwards of any traffic, in any family that both have. */
  changes(direction: Direction, meeting: Meeting): boolean {
    const { own } = sidesOf(direction, meeting);
    const { traffic, policies } = this.#endOf(own);
    if (!this.#options.isTouched(policies)) return false;
    return versionsOf(meeting).some((version) =>
      traffic.some((each, index) => {
        if (!isOfFamily(each, version)) return false;
        const [old, next] = this.says(direction, meeting, version, traffic, index);
        return old !== next;
      }),
    );
  }

  /** @param traffic  a list that is used again: what is found of it is kept by the list itself */
  says(
    direction: Direction,
    meeting: Meeting,
    version: IpVersion,
    traffic: readonly TrafficClass[],
    index: number,
  ): Both<boolean> {
    const { own, who } = sidesOf(direction, meeting);
    if (who.spot === undefined || (this.#isPlain && who.spot.kind !== 'workload')) return open;
    const end = this.#endOf(own);
    const said = this.#saidOf(end, direction, meeting, version);
    const kind = kindsIn(end, traffic)[index] ?? 0;
    const before = said.allowed[kind];
    if (before !== undefined) return before;
    const [old, next] = this.verdicts(direction, meeting, version, traffic[index]);
    const allowed: Both<boolean> =
      direction === 'Egress' ? [old.egress, next.egress] : [old.ingress, next.ingress];
    said.allowed[kind] = allowed;
    return allowed;
  }

  /** Of that end alone. */
  verdicts(
    direction: Direction,
    meeting: Meeting,
    version: IpVersion,
    traffic: TrafficClass | undefined,
  ): Both<Verdict> {
    const { policies } = this.#endOf(sidesOf(direction, meeting).own);
    const { source, destination } = meeting;
    this.#asked += 1;
    const ask = (cluster: Cluster, all: readonly Policy[]): Verdict =>
      verdictUnder(
        cluster,
        all,
        connectionOf(
          cluster,
          source,
          destination,
          [addressOf(source, version), addressOf(destination, version)],
          traffic ?? { protocol: 6 },
        ),
      );
    const [old, next] = this.#options.clusters;
    return [ask(old, policies[0]), ask(next, policies[1])];
  }

  /** Found once for all that this end cannot tell apart. @param find  makes it */
  because(
    direction: Direction,
    meeting: Meeting,
    version: IpVersion,
    traffic: readonly TrafficClass[],
    index: number,
    find: (verdicts: Both<Verdict>) => string,
  ): string {
    const end = this.#endOf(sidesOf(direction, meeting).own);
    const { because } = this.#saidOf(end, direction, meeting, version);
    const key = String(kindsIn(end, traffic)[index]);
    const before = because.get(key);
    if (before !== undefined) return before;
    const found = find(this.verdicts(direction, meeting, version, traffic[index]));
    because.set(key, found);
    return found;
  }

  /** One for all meetings with peers that are one to this end. */
  #saidOf(end: End, direction: Direction, meeting: Meeting, version: IpVersion): Said {
    const { peer } = sidesOf(direction, meeting);
    const address = addressOf(peer, version);
    const key = [
      `${direction.charAt(0)}${version} ${meeting.nodes ?? ''} ${peer.spot?.kind ?? ''}`,
      ...end.looks.map((look) => look(address)),
    ].join(' ');
    const before = end.said.get(key);
    if (before !== undefined) return before;
    const said: Said = { allowed: [], because: new Map() };
    end.said.set(key, said);
    return said;
  }

  #endOf(own: Class): End {
    const before = this.#ends.get(own);
    if (before !== undefined) return before;
    const [first] = own.members;
    const policies: Both<readonly Policy[]> =
      first === undefined ? [[], []] : this.#options.policiesOf(first);
    const all = [...new Set(policies.flat())];
    const traffic = trafficOf(all, this.#options.clusters);
    const end: End = {
      policies,
      traffic,
      bounds: traffic.flatMap(({ protocol, ports }) =>
        protocol === 6 && ports !== undefined ? [ports.first] : [],
      ),
      looks: this.#looksOf(all),
      kinds: new Map(),
      said: new Map(),
      kindsOf: new WeakMap(),
    };
    this.#ends.set(own, end);
    return end;
  }

  #looksOf(policies: readonly Policy[]): readonly Look[] {
    const { clusters } = this.#options;
    const rules = [...policies.flatMap(rulesOf), ...profileRules(clusters)];
    const sides = rules.flatMap(({ source, destination }) => [source, destination]);
    const failsafes = failsafesOf(clusters).flatMap(({ net }) => (net === undefined ? [] : [ofNet(net)]));
    const looks = new Map([...sides.flatMap(sightsOf), ...failsafes].map((sight) => [sight.key, sight]));
    return [...looks.values()].map((sight) => this.#remembered(sight));
  }

  #remembered({ key, see }: Sight): Look {
    const words = this.#words.get(key) ?? new Map<Address, string>();
    this.#words.set(key, words);
    return (address) => {
      const before = words.get(address);
      if (before !== undefined) return before;
      const word = this.#options.clusters.map((cluster) => see(cluster, address)).join('/');
      words.set(address, word);
      return word;
    };
  }
}

/** One thing that a rule looks at; `key` is its identity. */
interface Sight {
  readonly key: string;
  readonly see: (cluster: Cluster, address: Address) => string;
}

const bit = (is: boolean): string => (is ? '1' : '0');

const sightsOf = (side: Entity): readonly Sight[] => {
  const { selector, notSelector, nets = [], notNets = [], ports = [], notPorts = [], nodes } = side;
  return [
    ...[selector, notSelector].flatMap((each) => (each === undefined ? [] : [ofSelector(each)])),
    ...[...nets, ...notNets].map(ofNet),
    ...[...ports, ...notPorts].flatMap((port) => ('name' in port ? [ofPort(port.name)] : [])),
    ...(side.service === undefined ? [] : [ofService(side.service)]),
    ...(nodes === undefined ? [] : [ofNodes(nodes)]),
  ];
};

const ofSelector = (selector: Selector): Sight => ({
  key: `labels ${formatSelector(selector)}`,
  see: (cluster, address) =>
    whoIsAt(cluster, address)
      .map(({ labels }) => bit(matchesSelector(selector, labels)))
      .join(''),
});

const ofNet = (net: Prefix): Sight => ({
  key: `net ${formatPrefix(net)}`,
  see: (_, address) => bit(containsAddress(net, address)),
});

const ofPort = (wanted: string): Sight => ({
  key: `port ${wanted}`,
  see: (cluster, address) =>
    JSON.stringify(whoIsAt(cluster, address).map(({ ports }) => ports.filter(({ name }) => name === wanted))),
});

const ofService = ({ namespace, name }: ServiceRef): Sight => ({
  key: `service ${namespace}/${name}`,
  see: (cluster, address) =>
    (backendsAt(cluster).get(address) ?? [])
      .filter((each) => each.startsWith(`${namespace}/${name}/`))
      .join(),
});

const ofNodes = (selector: Selector): Sight => ({
  key: `nodes ${formatSelector(selector)}`,
  see: ({ nodes }, address) =>
    bit(
      nodes.some(
        ({ meta, internalIps }) => internalIps.includes(address) && matchesSelector(selector, meta.labels),
      ),
    ),
});

const open: Both<boolean> = [true, true];

interface Sides {
  readonly own: Class;
  readonly who: Who;
  readonly peer: Who;
}

/** Who is asked, and about whom. */
const sidesOf = (direction: Direction, { from, to, source, destination }: Meeting): Sides =>
  direction === 'Egress'
    ? { own: from, who: source, peer: destination }
    : { own: to, who: destination, peer: source };

function addressOf({ addresses, label }: Who, version: IpVersion): Address {
  const found = addresses.find((each) => versionOf(each) === version);
  assert(found !== undefined, `${label} has no address of IPv${version}`);
  return found;
}

/** Families that both have. */
export function versionsOf({ source, destination }: Meeting): readonly IpVersion[] {
  const has = (who: Who, version: IpVersion): boolean =>
    who.addresses.some((each) => versionOf(each) === version);
  return ([4, 6] as const).filter((version) => has(source, version) && has(destination, version));
}

export const isOfFamily = ({ protocol }: TrafficClass, version: IpVersion): boolean =>
  protocol === 1 ? version === 4 : protocol !== 58 || version === 6;

function kindsIn(end: End, traffic: readonly TrafficClass[]): readonly number[] {
  const before = end.kindsOf.get(traffic);
  if (before !== undefined) return before;
  const kinds = traffic.map(({ protocol, port, icmp }) => {
    const key =
      port === undefined
        ? `${protocol} ${icmp?.type}/${icmp?.code}`
        : `${protocol} ${end.bounds.findLastIndex((bound) => bound <= port)}`;
    const kind = end.kinds.get(key) ?? end.kinds.size;
    end.kinds.set(key, kind);
    return kind;
  });
  end.kindsOf.set(traffic, kinds);
  return kinds;
}
