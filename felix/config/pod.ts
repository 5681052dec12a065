/**
 * What a pod asks of its node's kernel by annotations: floating addresses, further source prefixes, and limits
 * (qos.projectcalico.org). Calico's names and bounds. What cannot be read is a problem and counts as not said.
 */
import { type Address, type Prefix, parseAddress, parsePrefix, versionOf } from '../../src/lib/net.ts';
import { err, ok, type Result } from '../../src/lib/result.ts';
import type { Problem } from '../../src/model/problem.ts';
import type { Labels } from '../../src/model/resource.ts';
import type { FloatingAddress } from '../rules/floating.ts';
import type { TrafficLimit } from '../rules/qos.ts';

/** Of one direction of a pod; bits and bits a second. */
export interface BandwidthLimit {
  readonly rate: number;
  readonly burst: number;
  /** `minBurst` in octets; absent: one packet. */
  readonly peak?: { readonly rate: number; readonly minBurst?: number };
}

export interface PodTraffic {
  readonly floating: readonly Address[];
  readonly sources: readonly Prefix[];
  readonly ingress: TrafficLimit;
  readonly egress: TrafficLimit;
  /** To the pod, from the pod. */
  readonly bandwidth: { readonly ingress?: BandwidthLimit; readonly egress?: BandwidthLimit };
  readonly dscp?: number;
}

interface Range {
  readonly least: number;
  readonly most: number;
}

const qos = 'qos.projectcalico.org/';
const cni = 'cni.projectcalico.org/';
const ranges = {
  Bandwidth: { least: 1e3, most: 1e15 },
  Burst: { least: 1e3, most: 34_359_738_360 },
  Peakrate: { least: 1.01e3, most: 1.01e15 },
  Minburst: { least: 1e3, most: 1e8 },
  PacketRate: { least: 1, most: 1e4 },
  PacketBurst: { least: 1, most: 1e4 },
  MaxConnections: { least: 1, most: 4_294_967_295 },
} as const satisfies Readonly<Record<string, Range>>;

type Limit = keyof typeof ranges;

/** 4 Gibit: so much may come at once before the rate holds. */
const usualBurst = 2 ** 32;
const usualPacketBurst = 5;

const suffixes: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
};

/** A quantity as Kubernetes has them: "10M", "1Gi", "1500". */
export function parseQuantity(text: string): number | undefined {
  const parts = /^(\d+(?:\.\d+)?)([A-Za-z]{0,2})$/.exec(text);
  const factor = suffixes[parts?.[2] ?? ''];
  return parts === null || factor === undefined ? undefined : Number(parts[1]) * factor;
}

/** RFC 2474, RFC 2597, RFC 3246, RFC 5865, RFC 8622, by the names of IANA's registry. */
const dscpNames: ReadonlyMap<string, number> = new Map<string, number>([
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((one) => [`CS${one}`, one * 8] as const),
  ...[1, 2, 3, 4].flatMap((one) => [1, 2, 3].map((drop) => [`AF${one}${drop}`, one * 8 + drop * 2] as const)),
  ...([
    ['DF', 0],
    ['EF', 46],
    ['VA', 44],
    ['LE', 1],
  ] as const),
]);

export function parseDscp(text: string): number | undefined {
  const named = dscpNames.get(text.toUpperCase());
  if (named !== undefined) return named;
  return /^\d{1,2}$/.test(text) && Number(text) <= 63 ? Number(text) : undefined;
}

function parseList<T>(
  text: string,
  one: (text: string) => T | undefined,
  example: string,
): Result<readonly T[]> {
  const wrong = `is ${JSON.stringify(text)}; write a JSON list like ${example}.`;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return err(wrong);
  }
  if (!Array.isArray(json)) return err(wrong);
  const parsed = json.map((item: unknown) => (typeof item === 'string' ? one(item) : undefined));
  const found = parsed.filter((item) => item !== undefined);
  return found.length === parsed.length ? ok(found) : err(wrong);
}

export interface ReadTraffic {
  readonly traffic: PodTraffic;
  readonly problems: readonly Problem[];
}

/** @param where  "Pod/shop/web" */
export function readTraffic(where: string, annotations: Labels): ReadTraffic {
  const problems: Problem[] = [];
  const complain = (name: string, why: string): undefined => {
    problems.push({
      where,
      what: `The annotation ${name} ${why}`,
      fix: 'Correct or remove it; it is ignored.',
    });
  };
  const listed = <T>(name: string, one: (text: string) => T | undefined, example: string): readonly T[] => {
    const text = annotations[cni + name];
    if (text === undefined || text === '') return [];
    const list = parseList(text, one, example);
    if (list.ok) return list.value;
    complain(cni + name, list.error);
    return [];
  };
  const amount = (way: 'ingress' | 'egress', limit: Limit): number | undefined => {
    const name = `${qos}${way}${limit}`;
    const text = annotations[name];
    if (text === undefined) return undefined;
    const value = parseQuantity(text);
    const { least, most } = ranges[limit];
    return value !== undefined && value >= least && value <= most
      ? value
      : complain(name, `is ${JSON.stringify(text)}; it must be a quantity from ${least} to ${most}.`);
  };
  const dscpText = annotations[`${qos}dscp`];
  const dscp =
    dscpText === undefined
      ? undefined
      : (parseDscp(dscpText) ??
        complain(`${qos}dscp`, `is ${JSON.stringify(dscpText)}; write 0 to 63, or a name like EF or AF11.`));
  const { ingress, egress } = {
    ingress: bandwidthOf((limit) => amount('ingress', limit)),
    egress: bandwidthOf((limit) => amount('egress', limit)),
  };
  const traffic: PodTraffic = {
    floating: listed('floatingIPs', parseAddress, '["192.0.2.1"]'),
    sources: listed('allowedSourcePrefixes', parsePrefix, '["192.0.2.0/24"]'),
    ingress: limitOf((limit) => amount('ingress', limit)),
    egress: limitOf((limit) => amount('egress', limit)),
    bandwidth: {
      ...(ingress === undefined ? {} : { ingress }),
      ...(egress === undefined ? {} : { egress }),
    },
    ...(dscp === undefined ? {} : { dscp }),
  };
  return { traffic, problems };
}

type Amount = (limit: Limit) => number | undefined;

function limitOf(amount: Amount): TrafficLimit {
  const perSecond = amount('PacketRate');
  const burst = amount('PacketBurst') ?? usualPacketBurst;
  const maxConnections = amount('MaxConnections');
  return {
    ...(perSecond === undefined ? {} : { packetRate: { perSecond, burst } }),
    ...(maxConnections === undefined ? {} : { maxConnections }),
  };
}

function bandwidthOf(amount: Amount): BandwidthLimit | undefined {
  const rate = amount('Bandwidth');
  if (rate === undefined) return undefined;
  const peakRate = amount('Peakrate');
  const minBurst = amount('Minburst');
  return {
    rate,
    burst: amount('Burst') ?? usualBurst,
    ...(peakRate === undefined || peakRate <= rate
      ? {}
      : { peak: { rate: peakRate, ...(minBurst === undefined ? {} : { minBurst }) } }),
  };
}

/** Each floating address leads to the pod's first address of its family. */
export const floatingOf = (
  floating: readonly Address[],
  own: readonly Address[],
): readonly FloatingAddress[] =>
  floating.flatMap((one) => {
    const target = own.find((address) => versionOf(address) === versionOf(one));
    return target === undefined ? [] : [{ floating: one, own: target }];
  });
