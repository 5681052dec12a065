/** v1 Pod. It has hundreds of fields; unknown ones pass, those we read must be right. */
import { z } from 'zod';
import type { Address } from '../../lib/net.ts';
import { ok, type Result } from '../../lib/result.ts';
import type { ContainerPort, Meta, Pod } from '../../model/resource.ts';
import { parseAddressField } from './addresses.ts';
import { flag, list, maybe, oneOf, portNumber, text, textOrAbsent } from './fields.ts';
import type { Flaw, Wrong } from './flaw.ts';
import { isDeleting } from './meta.ts';
import { field, read } from './read.ts';

export const protocol = oneOf('TCP', 'UDP', 'SCTP');

const port = z
  .object({ name: maybe(textOrAbsent), protocol: maybe(protocol), containerPort: portNumber })
  .transform(
    ({ name, protocol = 'TCP', containerPort }): ContainerPort => ({
      ...(name === undefined ? {} : { name }),
      protocol,
      port: containerPort,
    }),
  );

const container = z.object({ ports: maybe(list(port)) });

/** "" is what a Pod has before the first address. */
export const addressOrAbsent = field(
  (json): Result<Address | undefined, Wrong> =>
    json === '' || json === undefined ? ok(undefined) : parseAddressField(json),
);

const schema = z.object({
  spec: maybe(
    z.object({
      nodeName: maybe(textOrAbsent),
      serviceAccountName: maybe(textOrAbsent),
      hostNetwork: maybe(flag),
      containers: maybe(list(container)),
      initContainers: maybe(list(container)),
    }),
  ),
  status: maybe(
    z.object({
      phase: maybe(text),
      podIP: maybe(addressOrAbsent),
      podIPs: maybe(list(z.object({ ip: addressOrAbsent }))),
    }),
  ),
});

export function readPod(meta: Meta, json: unknown): Result<Pod, readonly Flaw[]> {
  const parsed = read(schema, json);
  if (!parsed.ok) return parsed;
  const { spec = {}, status = {} } = parsed.value;
  const addresses = status.podIPs?.length ? status.podIPs.map(({ ip }) => ip) : [status.podIP];
  return ok({
    kind: 'Pod',
    meta,
    ...(spec.nodeName === undefined ? {} : { nodeName: spec.nodeName }),
    ...(spec.serviceAccountName === undefined ? {} : { serviceAccount: spec.serviceAccountName }),
    hostNetwork: spec.hostNetwork ?? false,
    finished: status.phase === 'Succeeded' || status.phase === 'Failed',
    ips: [...new Set(addresses.filter((ip) => ip !== undefined))],
    ports: [...(spec.initContainers ?? []), ...(spec.containers ?? [])].flatMap(({ ports }) => ports ?? []),
    deleting: isDeleting(json),
  });
}
