/** Ports of Kubernetes' policies: those of one protocol come to one list, without what another already covers. */
import type { PortMatch, PortRange } from '../../model/policy.ts';

/** Ranges in order, none overlapping or touching another. */
export function merged(ranges: readonly PortRange[]): readonly PortRange[] {
  const result: { first: number; last: number }[] = [];
  for (const { first, last } of [...ranges].sort((a, b) => a.first - b.first)) {
    const before = result.at(-1);
    if (before !== undefined && first <= before.last + 1) before.last = Math.max(before.last, last);
    else result.push({ first, last });
  }
  return result;
}

/** IANA numbers. */
export const protocolNumbers = { TCP: 6, UDP: 17, SCTP: 132 } as const;

/** One line of a rule's ports. */
export interface PortLine {
  /** IANA number; absent: whatever the named port has. */
  readonly protocol?: number;
  /** Absent: every port. */
  readonly port?: PortMatch;
}

export interface ProtocolPorts {
  readonly protocol?: number;
  /** Absent: every port. */
  readonly ports?: readonly PortMatch[];
}

/** One entry for each protocol, in the order they come first; every port of a protocol beats single ones. */
export function byProtocol(lines: readonly PortLine[]): readonly ProtocolPorts[] {
  const protocols = new Set(lines.map(({ protocol }) => protocol));
  return [...protocols].map((protocol) => {
    const ports = lines.filter((line) => line.protocol === protocol).map(({ port }) => port);
    const named = ports.flatMap((port) => (port !== undefined && 'name' in port ? [port.name] : []));
    const ranges = ports.flatMap((port) => (port !== undefined && 'first' in port ? [port] : []));
    return {
      ...(protocol === undefined ? {} : { protocol }),
      ...(ports.includes(undefined)
        ? {}
        : { ports: [...merged(ranges), ...[...new Set(named)].map((name) => ({ name }))] }),
    };
  });
}
