/** Whether a rule holds of a packet: everything it names must, field by field. */
import { type Address, containsAddress, versionOf } from '../lib/net.ts';
import type { IcmpMatch, PortMatch } from '../model/policy.ts';
import { matchesSelector, type Selector } from '../model/selector.ts';
import type { Cluster } from './cluster.ts';
import { type Known, whoIsAt } from './known.ts';
import type { Entity, Rule } from './policy.ts';

export interface Packet {
  readonly source: Address;
  readonly destination: Address;
  /** IANA number. */
  readonly protocol: number;
  /** Of protocols that have ports. */
  readonly sourcePort?: number;
  readonly port?: number;
  /** Of ICMP and ICMPv6. */
  readonly icmp?: { readonly type: number; readonly code: number };
}

/** One end of a packet. */
interface End {
  readonly address: Address;
  readonly protocol: number;
  readonly port?: number;
}

export function ruleHolds(cluster: Cluster, rule: Rule, packet: Packet): boolean {
  const { source, destination, protocol, sourcePort, port } = packet;
  return (
    (rule.version === undefined || rule.version === versionOf(source)) &&
    (rule.protocol === undefined || rule.protocol === protocol) &&
    (rule.notProtocol === undefined || rule.notProtocol !== protocol) &&
    (rule.icmp === undefined || icmpIs(rule.icmp, packet)) &&
    (rule.notIcmp === undefined || !icmpIs(rule.notIcmp, packet)) &&
    entityHolds(cluster, rule.source, endOf(source, protocol, sourcePort)) &&
    entityHolds(cluster, rule.destination, endOf(destination, protocol, port)) &&
    (rule.source.service === undefined ||
      cluster.backends.some(
        (backend) => isOf(backend.service, rule.source.service) && backend.address === source,
      )) &&
    (rule.destination.service === undefined ||
      cluster.backends.some(
        (backend) =>
          isOf(backend.service, rule.destination.service) &&
          backend.address === destination &&
          backend.port !== undefined &&
          backend.protocol === protocol &&
          backend.port === port,
      ))
  );
}

const endOf = (address: Address, protocol: number, port: number | undefined): End => ({
  address,
  protocol,
  ...(port === undefined ? {} : { port }),
});

const icmpIs = ({ type, code }: IcmpMatch, { icmp }: Packet): boolean =>
  icmp !== undefined && icmp.type === type && (code === undefined || icmp.code === code);

const isOf = (service: Entity['service'], wanted: Entity['service']): boolean =>
  service?.namespace === wanted?.namespace && service?.name === wanted?.name;

function entityHolds(cluster: Cluster, entity: Entity, end: End): boolean {
  const { nets, notNets, selector, notSelector, nodes, ports, notPorts } = entity;
  const who = whoIsAt(cluster, end.address);
  const someone = (wanted: Selector): boolean => who.some(({ labels }) => matchesSelector(wanted, labels));
  return (
    (nets === undefined || nets.some((net) => containsAddress(net, end.address))) &&
    (notNets === undefined || !notNets.some((net) => containsAddress(net, end.address))) &&
    (selector === undefined || someone(selector)) &&
    (notSelector === undefined || !someone(notSelector)) &&
    (nodes === undefined || isNode(cluster, nodes, end.address)) &&
    (ports === undefined || ports.some((port) => portIs(port, entity, who, end))) &&
    (notPorts === undefined || !notPorts.some((port) => portIs(port, entity, who, end)))
  );
}

const isNode = (cluster: Cluster, selector: Selector, address: Address): boolean =>
  cluster.nodes.some(
    ({ meta, internalIps }) => internalIps.includes(address) && matchesSelector(selector, meta.labels),
  );

/** A name is what an endpoint at this address, one that satisfies the side's selector, calls this port of this protocol. */
function portIs(match: PortMatch, { selector }: Entity, who: readonly Known[], end: End): boolean {
  const { port, protocol } = end;
  if (port === undefined) return false;
  if ('first' in match) return match.first <= port && port <= match.last;
  return who.some(
    ({ labels, ports }) =>
      (selector === undefined || matchesSelector(selector, labels)) &&
      ports.some((own) => own.name === match.name && own.protocol === protocol && own.port === port),
  );
}
