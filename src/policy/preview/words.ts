/** Classes of traffic in as few words as they need. */
import type { PortRange } from '../../model/policy.ts';
import { merged } from '../convert/ports.ts';
import { protocolWord } from '../words.ts';
import type { TrafficClass } from './classes.ts';

/** @param all  every class there is: if these are all of them that matter, it is "everything" */
export function trafficWords(these: readonly TrafficClass[], all: readonly TrafficClass[]): string {
  const [own, whole] = [withPorts(these), withPorts(all)];
  const isWhole = [...whole].every(([protocol, ranges]) => sameRanges(own.get(protocol) ?? [], ranges));
  const icmp = these.filter((each) => each.icmp !== undefined);
  const plain = these.filter((each) => each.ports === undefined && each.icmp === undefined);
  if (isWhole && icmp.length > 0) return 'everything';
  const words = [
    ...[...own].map(([protocol, ranges]) => `${protocolWord(protocol)}${rangeWords(ranges)}`),
    ...new Set(icmp.map(({ icmp: match }) => `ICMP type ${match?.type}`)),
    ...plain.map(({ protocol }) => protocolWord(protocol)),
  ];
  return [...new Set(words)].join(', ');
}

function withPorts(classes: readonly TrafficClass[]): ReadonlyMap<number, readonly PortRange[]> {
  const byProtocol = new Map<number, PortRange[]>();
  for (const { protocol, ports } of classes)
    if (ports !== undefined) byProtocol.set(protocol, [...(byProtocol.get(protocol) ?? []), ports]);
  return new Map([...byProtocol].map(([protocol, ranges]) => [protocol, merged(ranges)]));
}

const sameRanges = (a: readonly PortRange[], b: readonly PortRange[]): boolean =>
  a.length === b.length &&
  a.every(({ first, last }, index) => b[index]?.first === first && b[index]?.last === last);

function rangeWords(ranges: readonly PortRange[]): string {
  const [first] = ranges;
  if (first !== undefined && ranges.length === 1 && first.first === 1 && first.last === 65535)
    return ' on any port';
  return ` ${ranges.map((range) => (range.first === range.last ? range.first : `${range.first}-${range.last}`)).join(', ')}`;
}
