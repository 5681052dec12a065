/** discovery.k8s.io/v1 EndpointSlice. Unknown fields pass, those we read must be right. */
import { z } from 'zod';
import { ok, type Result } from '../../lib/result.ts';
import type { Meta } from '../../model/meta.ts';
import type { EndpointSlice, ServiceEndpoint, SlicePort } from '../../model/service.ts';
import { address } from './addresses.ts';
import { flag, list, maybe, oneOf, portNumber, text, textOrAbsent } from './fields.ts';
import type { Flaw } from './flaw.ts';
import { protocol } from './pod.ts';
import { read } from './read.ts';

/** Of FQDN slices the addresses are host names, which nothing here uses. */
const endpointOf = <T extends z.ZodType<ServiceEndpoint['addresses'][number] | undefined>>(one: T) =>
  z
    .object({
      addresses: maybe(list(one)),
      nodeName: maybe(textOrAbsent),
      conditions: maybe(z.object({ ready: maybe(flag), serving: maybe(flag), terminating: maybe(flag) })),
    })
    .transform(({ addresses = [], nodeName, conditions = {} }): ServiceEndpoint => {
      const ready = conditions.ready ?? true;
      return {
        addresses: addresses.filter((found) => found !== undefined),
        ...(nodeName === undefined ? {} : { nodeName }),
        ready,
        serving: conditions.serving ?? ready,
        terminating: conditions.terminating ?? false,
      };
    });

const hostName = text.transform(() => undefined);

const families = { IPv4: 4, IPv6: 6, FQDN: 'FQDN' } as const;

const port = z
  .object({ name: maybe(textOrAbsent), protocol: maybe(protocol), port: maybe(portNumber) })
  .transform(
    ({ name, protocol = 'TCP', port }): SlicePort => ({
      ...(name === undefined ? {} : { name }),
      protocol,
      ...(port === undefined ? {} : { port }),
    }),
  );

const typed = z.object({ addressType: oneOf('IPv4', 'IPv6', 'FQDN'), ports: maybe(list(port)) });
const withAddresses = z.object({ endpoints: maybe(list(endpointOf(address))) });
const withHostNames = z.object({ endpoints: maybe(list(endpointOf(hostName))) });

export function readEndpointSlice(meta: Meta, json: unknown): Result<EndpointSlice, readonly Flaw[]> {
  const type = read(typed, json);
  if (!type.ok) return type;
  const family = families[type.value.addressType];
  const parsed = read(family === 'FQDN' ? withHostNames : withAddresses, json);
  if (!parsed.ok) return parsed;
  const service = meta.labels['kubernetes.io/service-name'];
  return ok({
    kind: 'EndpointSlice',
    meta,
    ...(service === undefined ? {} : { service }),
    family,
    endpoints: parsed.value.endpoints ?? [],
    ports: type.value.ports ?? [],
  });
}
