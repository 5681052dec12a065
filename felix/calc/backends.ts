/** The backends of Services, by EndpointSlice: what sets of a service are made of. */
import type { Address, IpVersion } from '../../src/lib/net.ts';
import { versionOf } from '../../src/lib/net.ts';
import type { ServiceRef } from '../../src/model/policy.ts';
import type { EndpointSlice } from '../../src/model/service.ts';
import { type Member, memberOf, sameList } from './endpoints.ts';
import { KeyedSets } from './keyed-sets.ts';

export interface Slice {
  /** Key of the Service. */
  readonly service: string;
  /** Of backends, ready or not: who is not ready yet may have to ask others first. */
  readonly addresses: readonly Address[];
  /** Each "protocol * 65536 + port": a slice that names no port has none, and is no destination of a rule. */
  readonly ports: readonly number[];
}

const protocolNumbers = { TCP: 6, UDP: 17, SCTP: 132 } as const;
const portSpace = 65_536;

export const serviceKey = ({ namespace, name }: ServiceRef): string => `${namespace}/${name}`;

/** Undefined: it is of no Service, or of names and not addresses. */
export function sliceOf({ meta, service, family, endpoints, ports }: EndpointSlice): Slice | undefined {
  if (service === undefined || family === 'FQDN') return undefined;
  const addresses = endpoints.flatMap(({ addresses: own }) => own);
  return {
    service: serviceKey({ namespace: meta.namespace ?? '', name: service }),
    addresses: [...new Set(addresses)],
    ports: [
      ...new Set(
        ports.flatMap(({ protocol, port }) =>
          port === undefined ? [] : [protocolNumbers[protocol] * portSpace + port],
        ),
      ),
    ],
  };
}

export const backendAddresses = ({ addresses }: Slice, version: IpVersion): readonly Member[] =>
  addresses
    .filter((address) => versionOf(address) === version)
    .map((address) => memberOf({ kind: 'address', address }));

export const backendPorts = ({ addresses, ports }: Slice, version: IpVersion): readonly Member[] =>
  addresses
    .filter((address) => versionOf(address) === version)
    .flatMap((address) =>
      ports.map((each) =>
        memberOf({
          kind: 'port',
          address,
          protocol: Math.floor(each / portSpace),
          port: each % portSpace,
        }),
      ),
    );

export class Backends {
  readonly #onChange: (service: string, slice: Slice, is: boolean) => void;
  readonly #slices = new Map<string, Slice>();
  readonly #slicesOf = new KeyedSets<string, Slice>();

  constructor(onChange: (service: string, slice: Slice, is: boolean) => void) {
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#slices.size + this.#slicesOf.size;
  }

  of(service: string): Iterable<Slice> {
    return this.#slicesOf.get(service);
  }

  /** @param after  absent: the slice is gone */
  put(key: string, after: Slice | undefined): void {
    const before = this.#slices.get(key);
    if (before !== undefined && after !== undefined && sameSlice(before, after)) return;
    if (after !== undefined) {
      this.#slices.set(key, after);
      this.#slicesOf.add(after.service, after);
      this.#onChange(after.service, after, true);
    } else this.#slices.delete(key);
    if (before === undefined) return;
    this.#slicesOf.delete(before.service, before);
    this.#onChange(before.service, before, false);
  }
}

const sameSlice = (a: Slice, b: Slice): boolean =>
  a.service === b.service && sameList(a.addresses, b.addresses) && sameList(a.ports, b.ports);
