/** v1 Service. Unknown fields pass, those we read must be right. */
import { z } from 'zod';
import { type Address, type IpVersion, versionOf } from '../../lib/net.ts';
import { ok, type Result } from '../../lib/result.ts';
import type { Meta } from '../../model/meta.ts';
import type { Service, ServicePort } from '../../model/service.ts';
import { address, parseAddressField } from './addresses.ts';
import { flag, list, maybe, oneOf, portNumber, text, textOrAbsent } from './fields.ts';
import type { Flaw, Wrong } from './flaw.ts';
import { isDeleting } from './meta.ts';
import { addressOrAbsent, protocol } from './pod.ts';
import { field, read } from './read.ts';

/** "None" is a headless Service's, "" one's that waits for its address. */
const clusterIp = field(
  (json): Result<Address | undefined, Wrong> =>
    json === 'None' || json === '' ? ok(undefined) : parseAddressField(json),
);

const policy = oneOf('Cluster', 'Local');
const family = oneOf('IPv4', 'IPv6').transform((word): IpVersion => (word === 'IPv4' ? 4 : 6));

const port = z
  .object({
    name: maybe(textOrAbsent),
    protocol: maybe(protocol),
    port: portNumber,
    nodePort: maybe(portNumber),
  })
  .transform(
    ({ name, protocol = 'TCP', port, nodePort }): ServicePort => ({
      ...(name === undefined ? {} : { name }),
      protocol,
      port,
      ...(nodePort === undefined ? {} : { nodePort }),
    }),
  );

const schema = z.object({
  spec: maybe(
    z.object({
      type: maybe(oneOf('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName')),
      clusterIP: maybe(clusterIp),
      clusterIPs: maybe(list(clusterIp)),
      externalIPs: maybe(list(address)),
      ports: maybe(list(port)),
      loadBalancerIP: maybe(addressOrAbsent),
      loadBalancerClass: maybe(textOrAbsent),
      externalTrafficPolicy: maybe(policy),
      internalTrafficPolicy: maybe(policy),
      ipFamilies: maybe(list(family)),
      allocateLoadBalancerNodePorts: maybe(flag),
    }),
  ),
  status: maybe(
    z.object({
      loadBalancer: maybe(
        z.object({ ingress: maybe(list(z.object({ ip: maybe(addressOrAbsent), hostname: maybe(text) }))) }),
      ),
    }),
  ),
});

const given = (addresses: readonly (Address | undefined)[]): readonly Address[] => [
  ...new Set(addresses.filter((one) => one !== undefined)),
];

export function readService(meta: Meta, json: unknown): Result<Service, readonly Flaw[]> {
  const parsed = read(schema, json);
  if (!parsed.ok) return parsed;
  const { spec = {}, status = {} } = parsed.value;
  const { clusterIPs = [], loadBalancerIP, loadBalancerClass } = spec;
  const clusterIps = given(clusterIPs.length > 0 ? clusterIPs : [spec.clusterIP]);
  return ok({
    kind: 'Service',
    meta,
    type: spec.type ?? 'ClusterIP',
    clusterIps,
    externalIps: spec.externalIPs ?? [],
    ...(loadBalancerIP === undefined ? {} : { loadBalancerIp: loadBalancerIP }),
    ...(loadBalancerClass === undefined ? {} : { loadBalancerClass }),
    ingressIps: given((status.loadBalancer?.ingress ?? []).map(({ ip }) => ip)),
    externalTrafficPolicy: spec.externalTrafficPolicy ?? 'Cluster',
    internalTrafficPolicy: spec.internalTrafficPolicy ?? 'Cluster',
    ports: spec.ports ?? [],
    ipFamilies: spec.ipFamilies ?? clusterIps.map(versionOf),
    allocateLoadBalancerNodePorts: spec.allocateLoadBalancerNodePorts ?? true,
    deleting: isDeleting(json),
  });
}
