/** Traffic in classes: ports and protocols that no rule can tell apart are one. */
import type { PortRange } from '../../model/policy.ts';
import type { Cluster } from '../cluster.ts';
import type { Traffic } from '../meet.ts';
import type { Policy } from '../policy.ts';
import { namesIn, portsIn, profileRules, rulesOf } from './criteria.ts';
import { failsafesOf } from './failsafes.ts';

export interface TrafficClass extends Traffic {
  /** The ports that are as this one. */
  readonly ports?: PortRange;
}

/** Ports between two neighbouring bounds are one class; so is every protocol that no rule names. */
export function trafficOf(
  policies: readonly Policy[],
  clusters: readonly Cluster[],
): readonly TrafficClass[] {
  const rules = [...policies.flatMap(rulesOf), ...profileRules(clusters)];
  const [ports, names] = [portsIn(rules), namesIn(rules)];
  const declared = (names.size === 0 ? [] : clusters)
    .flatMap(({ pods }) => pods)
    .flatMap((pod) => pod.ports)
    .flatMap(({ name, port }) =>
      name !== undefined && names.has(name) ? [{ first: port, last: port }] : [],
    );
  const served = clusters
    .flatMap(({ backends }) => backends)
    .flatMap(({ port }) => (port === undefined ? [] : [{ first: port, last: port }]));
  const usesServices = rules.some(({ destination }) => destination.service !== undefined);
  const ranges = [
    ...ports.flatMap((port) => ('first' in port ? [port] : [])),
    ...declared,
    ...(usesServices ? served : []),
    ...failsafesOf(clusters).map(({ port }) => ({ first: port, last: port })),
  ];
  const bounds = [...new Set([1, ...ranges.flatMap(({ first, last }) => [first, last + 1])])]
    .filter((bound) => bound >= 1 && bound <= 65535)
    .sort((a, b) => a - b);
  const classes = bounds.map((first, index) => ({ first, last: (bounds[index + 1] ?? 65536) - 1 }));
  const protocols = new Set(
    rules.flatMap(({ protocol, notProtocol }) =>
      [protocol, notProtocol].filter((each) => each !== undefined),
    ),
  );
  const plain = [...protocols].filter((protocol) => ![6, 17, 132, 1, 58].includes(protocol));
  const icmp = rules.flatMap((rule) => [rule.icmp, rule.notIcmp].flatMap((each) => each ?? []));
  return [
    ...[6, 17, ...(protocols.has(132) ? [132] : [])].flatMap((protocol) =>
      classes.map((range) => ({ protocol, port: range.first, ports: range })),
    ),
    ...[{ type: 8, code: 0 }, { type: 128, code: 0 }, ...icmp].flatMap(({ type, code = 0 }) =>
      [1, 58].map((protocol) => ({ protocol, icmp: { type, code } })),
    ),
    ...plain.map((protocol) => ({ protocol })),
  ];
}
