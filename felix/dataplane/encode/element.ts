/** Sets and their elements as the kernel has them. */

import { KEY } from '../../../src/kernel/netlink/nft/numbers.ts';
import type { NftElement, SetShape } from '../../../src/kernel/netlink/nft/object.ts';
import { openInterval } from '../../../src/kernel/netlink/nft/userdata.ts';
import { type Address, addressAt, isIpv4 } from '../../../src/lib/net.ts';
import type { Element, SetDecl } from '../../rules/model.ts';
import { addressOctets, ifnameOctets, portOctets, putAddress, u16 } from './octets.ts';

export function shapeOf({ kind, version, comment }: SetDecl): SetShape {
  const address = version === 6 ? KEY.ipv6 : KEY.ipv4;
  const shapes: Readonly<Record<SetDecl['kind'], SetShape>> = {
    address: { key: address },
    range: { key: address, interval: true },
    port: { key: version === 6 ? KEY.port6 : KEY.port4 },
    portRange: { key: KEY.service, interval: true },
    interface: { key: KEY.ifname },
    dispatch: { key: KEY.ifname, data: 'verdict' },
    translation: { key: address, data: address },
  };
  return { ...shapes[kind], ...(comment === undefined ? {} : { comment }) };
}

/** One, or for a range its start and its end, which is the first that is not in it; the end of all has none. */
export function nftElements(element: Element): readonly NftElement[] {
  switch (element.kind) {
    case 'address':
      return [{ key: addressOctets(element.address) }];
    case 'range':
      return interval(
        addressOctets(element.first),
        isLast(element.last) ? undefined : addressOctets(addressAt(element.last, 1)),
      );
    case 'port':
      return [{ key: portOctets(element.address, element.protocol, element.port) }];
    case 'portRange':
      return portInterval(element.first, element.last);
    case 'interface':
      return [{ key: ifnameOctets(element.interface) }];
    case 'dispatch':
      return [{ key: ifnameOctets(element.interface), jump: element.chain }];
    case 'translation':
      return [{ key: addressOctets(element.from), data: addressOctets(element.to) }];
  }
}

export const portInterval = (first: number, last: number): readonly NftElement[] =>
  interval(u16(first), last === 0xffff ? undefined : u16(last + 1));

const interval = (start: Uint8Array, end: Uint8Array | undefined): readonly NftElement[] =>
  end === undefined ? [{ key: start, userdata: openInterval }] : [{ key: start }, { key: end, isEnd: true }];

const lastIpv6 = (1n << 128n) - 1n;
const isLast = (address: Address): boolean =>
  isIpv4(address) ? address === 0xffff_ffff : address === lastIpv6;

const scratch = { 4: { key: new Uint8Array(4) }, 6: { key: new Uint8Array(16) } } as const;

/** What is yielded is valid until the next: there may be hundreds of thousands. */
export function* eachElement(elements: Iterable<Element>): Generator<NftElement> {
  for (const element of elements) {
    if (element.kind === 'address') {
      const shared = isIpv4(element.address) ? scratch[4] : scratch[6];
      putAddress(shared.key, element.address);
      yield shared;
    } else yield* nftElements(element);
  }
}
