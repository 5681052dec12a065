/**
 * What kube-proxy makes of the address of a Service: which backends answer for it, by which nodes, and whose address they see.
 * Source: kube-proxy's rules of a Service (ready endpoints, else those that are being stopped and still serve; policy Local;
 * what is masqueraded).
 */
import { type Address, formatAddress, type IpVersion, parseAddress, versionOf } from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Node } from '../model/resource.ts';
import type { EndpointSlice, Service, ServiceEndpoint } from '../model/service.ts';
import type { Cluster } from './cluster.ts';
import { protocolNumbers } from './convert/ports.ts';
import type { Target } from './who.ts';
import { protocolWord } from './words.ts';

/** One address of a Service at one of its ports. */
export interface Dialled {
  readonly service: Service;
  /** Absent: it is headless, and its name is its backends' addresses. */
  readonly address?: Address;
  readonly version: IpVersion;
  /** external: an external address or a load balancer's. nodePort: a node's own. */
  readonly way: 'cluster' | 'external' | 'nodePort' | 'headless';
  /** Of a NodePort: the node that has the address. */
  readonly at?: string;
  /** IANA number. */
  readonly protocol: number;
  /** Of a headless one: what the backends have, where nobody said which. */
  readonly port?: number;
  readonly portName?: string;
}

export interface Behind {
  readonly address: Address;
  /** Absent: every port; then the one that was dialled. */
  readonly port?: number;
  readonly node?: string;
}

export const nameOfService = ({ meta }: Service): string => `${meta.namespace}/${meta.name}`;

/**
 * What of Services is meant by a destination; undefined: none, it is something else. Fails: a sentence.
 * @param namespace  of a name without one
 */
export function dialledBy(
  cluster: Cluster,
  target: Target,
  namespace: string,
): Result<readonly Dialled[] | undefined> {
  const name = /^svc:(.+)$/.exec(target.who)?.[1];
  if (name !== undefined)
    return dialledName(cluster, target, name.includes('/') ? name : `${namespace}/${name}`);
  const host = /^host:(.+)$/.exec(target.who)?.[1];
  const named = cluster.nodes.find(({ meta }) => meta.name === host);
  if (named !== undefined) return ok(nodePorts(cluster, target, named, named.internalIps));
  const address = parseAddress(target.who);
  return address === undefined ? ok(undefined) : dialledAddress(cluster, target, address);
}

/** Several Services may share an external address, and one may have that of a node. */
function dialledAddress(
  cluster: Cluster,
  target: Target,
  address: Address,
): Result<readonly Dialled[] | undefined> {
  const found = cluster.services
    .filter(({ clusterIps, externalIps, ingressIps }) =>
      [...clusterIps, ...externalIps, ...ingressIps].includes(address),
    )
    .map((service) => {
      const way = service.clusterIps.includes(address) ? 'cluster' : 'external';
      return portsOf(service, target, { service, address, version: versionOf(address), way });
    });
  const all = found.flatMap((one) => (one.ok ? one.value : []));
  const node = cluster.nodes.find(({ internalIps }) => internalIps.includes(address));
  if (all.length > 0) return ok(all);
  return node === undefined ? (found[0] ?? ok(undefined)) : ok(nodePorts(cluster, target, node, [address]));
}

/** Undefined: that port of the node is nobody's but the node's. */
function nodePorts(
  { services }: Cluster,
  { port, protocol }: Target,
  { meta: { name: at } }: Node,
  addresses: readonly Address[],
): readonly Dialled[] | undefined {
  if (typeof port !== 'number') return undefined;
  const found = services.flatMap((service) =>
    service.ports.flatMap((each): readonly Dialled[] => {
      const number = protocolNumbers[each.protocol];
      if (each.nodePort !== port || (protocol !== undefined && protocol !== number)) return [];
      const { name } = each;
      const own = addresses.filter((address) => service.ipFamilies.includes(versionOf(address)));
      const firsts = own.filter(
        (one, index) => own.findIndex((two) => versionOf(two) === versionOf(one)) === index,
      );
      return firsts.map((address) => ({
        ...{ service, address, version: versionOf(address), way: 'nodePort' as const, at },
        ...{ protocol: number, port },
        ...(name === undefined ? {} : { portName: name }),
      }));
    }),
  );
  return found.length === 0 ? undefined : found;
}

function dialledName(cluster: Cluster, target: Target, name: string): Result<readonly Dialled[]> {
  const service = cluster.services.find((each) => nameOfService(each) === name);
  if (service === undefined)
    return err(
      `There is no Service ${name}. Write svc:NAMESPACE/NAME, or svc:NAME with -n; \`kubectl get services -A\` lists them.`,
    );
  if (service.type === 'ExternalName')
    return err(
      `Service ${name} is of type ExternalName, another name in DNS: nothing translates it. Ask for the address behind that name.`,
    );
  if (service.clusterIps.length === 0) return headless(cluster, service, target);
  const all = service.clusterIps.map((address) =>
    portsOf(service, target, { service, address, version: versionOf(address), way: 'cluster' }),
  );
  const [wrong] = all.filter((one) => !one.ok);
  return wrong ?? ok(all.flatMap((one) => (one.ok ? one.value : [])));
}

type At = Pick<Dialled, 'service' | 'address' | 'version' | 'way'>;

/** Without a port every one it has; with a number and no protocol, of each protocol that has it. */
function portsOf(service: Service, { port, protocol }: Target, at: At): Result<readonly Dialled[]> {
  const ports = service.ports
    .map((each) => ({ ...each, number: protocolNumbers[each.protocol] }))
    .filter(
      (each) =>
        (protocol === undefined || each.number === protocol) &&
        (port === undefined || (typeof port === 'number' ? each.port === port : each.name === port)),
    );
  if (ports.length > 0)
    return ok(
      ports.map(({ number, port: dialled, name }) => ({
        ...at,
        protocol: number,
        port: dialled,
        ...(name === undefined ? {} : { portName: name }),
      })),
    );
  const asked = `${protocol === undefined ? '' : `${protocolWord(protocol)} `}${port ?? ''}`.trim();
  const has = service.ports.map(
    (each) => `${each.protocol} ${each.port}${each.name === undefined ? '' : ` (${each.name})`}`,
  );
  return err(
    `Service ${nameOfService(service)} has no port ${asked}, so nothing translates it and nobody answers; it has ${has.length === 0 ? 'none' : has.join(', ')}.`,
  );
}

/** Its ports are its backends': a number is dialled as it is. */
function headless(cluster: Cluster, service: Service, target: Target): Result<readonly Dialled[]> {
  const { port, protocol } = target;
  const slices = slicesOf(cluster, service);
  const known = slices.flatMap(({ ports }) => ports);
  const named = typeof port === 'string' ? known.filter(({ name }) => name === port) : known;
  if (typeof port === 'string' && named.length === 0)
    return err(
      `No backend of the headless Service ${nameOfService(service)} has a port called ${JSON.stringify(port)}. Write the number.`,
    );
  const found =
    typeof port === 'number'
      ? []
      : named.map((each) => ({ ...each, number: protocolNumbers[each.protocol] }));
  const asked = found.filter(({ number }) => protocol === undefined || number === protocol);
  const wanted =
    asked.length > 0
      ? asked.map(({ name, number }) => ({
          protocol: number,
          ...(name === undefined ? {} : { portName: name }),
        }))
      : [{ protocol: protocol ?? protocolNumbers.TCP, ...(typeof port === 'number' ? { port } : {}) }];
  const distinct = new Map(wanted.map((one) => [JSON.stringify(one), one]));
  const families = new Set(slices.flatMap(({ family }) => (family === 'FQDN' ? [] : [family])));
  return ok(
    [...(families.size === 0 ? service.ipFamilies.slice(0, 1) : families)].flatMap((version) =>
      [...distinct.values()].map((one): Dialled => ({ service, version, way: 'headless', ...one })),
    ),
  );
}

const slicesOf = ({ slices }: Cluster, { meta }: Service): readonly EndpointSlice[] =>
  slices.filter((slice) => slice.service === meta.name && slice.meta.namespace === meta.namespace);

/**
 * Those that traffic goes to: the ready ones; if there is none, those that are being stopped and still serve.
 * @param node  only of this one, as where policy is Local
 */
export function backendsBehind(cluster: Cluster, dialled: Dialled, node?: string): readonly Behind[] {
  const slices = slicesOf(cluster, dialled.service).filter(({ family }) => family === dialled.version);
  const found = (serves: (endpoint: ServiceEndpoint) => boolean): readonly Behind[] =>
    slices.flatMap((slice) => {
      const endpoints = slice.endpoints.filter(
        (endpoint) => serves(endpoint) && (node === undefined || endpoint.nodeName === node),
      );
      return portsBehind(slice, dialled).flatMap((port) => endpoints.flatMap((each) => behindOf(each, port)));
    });
  const ready = found((endpoint) => endpoint.ready);
  const behind = ready.length > 0 ? ready : found(({ serving, terminating }) => serving && terminating);
  return [...new Map(behind.map((each) => [`${formatAddress(each.address)} ${each.port}`, each])).values()];
}

/** Undefined: every port, and nobody said which. */
function portsBehind(
  { ports }: EndpointSlice,
  { protocol, port, portName, way }: Dialled,
): readonly (number | undefined)[] {
  const isHeadless = way === 'headless';
  return ports
    .filter(
      (each) =>
        protocolNumbers[each.protocol] === protocol &&
        ((isHeadless && portName === undefined) || each.name === portName),
    )
    .map((each) => (isHeadless ? (port ?? each.port) : (each.port ?? port)));
}

const behindOf = ({ addresses, nodeName }: ServiceEndpoint, port: number | undefined): readonly Behind[] =>
  addresses.map((address) => ({
    address,
    ...(port === undefined ? {} : { port }),
    ...(nodeName === undefined ? {} : { node: nodeName }),
  }));
