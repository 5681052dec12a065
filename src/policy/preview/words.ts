/** Classes of traffic in as few words as they need. */
import type { PortRange } from '../../model/policy.ts';
import { merged } from '../convert/ports.ts';
import { protocolWord } from '../words.ts';
import type { TrafficClass } from './traffic.ts';

/** @param all  every class there is: what is most of them is told by what it is not */
export function trafficWords(these: readonly TrafficClass[], all: readonly TrafficClass[]): string {
  const said = new Set(these.map(keyOf));
  const rest = all.filter((each) => !said.has(keyOf(each)));
  const isMost = these.some(({ icmp }) => icmp !== undefined) && new Set(rest.map(keyOf)).size < said.size;
  if (!isMost) return phrase(these);
  return rest.length === 0 ? 'everything' : `everything but ${phrase(rest)}`;
}

/** ICMP and ICMPv6 are one to a reader: which of the two it is follows from the addresses. */
const keyOf = ({ protocol, ports, icmp }: TrafficClass): string =>
  icmp === undefined ? `${protocol} ${ports?.first ?? ''}` : `icmp ${icmp.type} ${icmp.code}`;

function phrase(classes: readonly TrafficClass[]): string {
  const plain = classes.filter(({ ports, icmp }) => ports === undefined && icmp === undefined);
  const words = [
    ...[...portsOf(classes)].map(([protocol, ranges]) => `${protocolWord(protocol)}${rangeWords(ranges)}`),
    ...classes.flatMap(({ icmp }) => (icmp === undefined ? [] : [`ICMP type ${icmp.type}`])),
    ...plain.map(({ protocol }) => protocolWord(protocol)),
  ];
  return [...new Set(words)].join(', ');
}

function portsOf(classes: readonly TrafficClass[]): ReadonlyMap<number, readonly PortRange[]> {
  const byProtocol = new Map<number, PortRange[]>();
  for (const { protocol, ports } of classes)
    if (ports !== undefined) byProtocol.set(protocol, [...(byProtocol.get(protocol) ?? []), ports]);
  return new Map([...byProtocol].map(([protocol, ranges]) => [protocol, merged(ranges)]));
}

function rangeWords(ranges: readonly PortRange[]): string {
  const [first] = ranges;
  if (first !== undefined && ranges.length === 1 && first.first === 1 && first.last === 65535)
    return ' on any port';
  return ` ${ranges.map((range) => (range.first === range.last ? range.first : `${range.first}-${range.last}`)).join(', ')}`;
}
