/** The sets of the model as ipsets: how each is made, and its members as ipset prints them. */
import {
  type Address,
  formatAddress,
  type IpVersion,
  lengthOf,
  networkOf,
  type Prefix,
  widthOf,
} from '../../../src/lib/net.ts';
import { type Element, type PortRange, protocolText, type SetDecl } from '../model.ts';
import { prefixesOfSpan } from '../span.ts';
import { xtSetName } from './name.ts';

export interface XtSet {
  readonly name: string;
  /** After its name in `create`. */
  readonly type: string;
  readonly members: ReadonlySet<string>;
}

const family: Readonly<Record<IpVersion, string>> = { 4: 'inet', 6: 'inet6' };

const types: Partial<Record<SetDecl['kind'], string>> = {
  address: 'hash:ip',
  range: 'hash:net',
  port: 'hash:ip,port',
};

export const bitmapType = 'bitmap:port range 0-65535';

/** Undefined: sets of this kind become rules. @param most  members it may have (maxIpsetSize) */
export function xtSetType({ kind, version }: SetDecl, most: number): string | undefined {
  const type = types[kind];
  return type === undefined || version === undefined
    ? undefined
    : `${type} family ${family[version]} maxelem ${most}`;
}

/** Of a range as many as it takes prefixes. */
export function xtMembers(element: Element): readonly string[] {
  switch (element.kind) {
    case 'address':
      return [addressText(element.address)];
    case 'range':
      return netMembers(element.first, element.last);
    case 'port':
      return [`${addressText(element.address)},${protocolText(element.protocol)}:${element.port}`];
    default:
      return [];
  }
}

/** Its last 32 bits as of IPv4 where the 96 before are 0, as the C library writes them. */
function addressText(address: Address): string {
  const text = formatAddress(address);
  const found = /^::([0-9a-f]+):([0-9a-f]+)$/.exec(text);
  if (found === null) return text;
  const words = found.slice(1).map((word) => Number.parseInt(word, 16));
  return `::${words.flatMap((word) => [word >> 8, word & 0xff]).join('.')}`;
}

const netMembers = (first: Address, last: Address): readonly string[] => {
  const version: IpVersion = typeof first === 'number' ? 4 : 6;
  return prefixesOfSpan(version, { first: BigInt(first), last: BigInt(last) }).flatMap((prefix) =>
    lengthOf(prefix) === 0 ? halves(version) : [netText(prefix)],
  );
};

/** ipset does not keep a net of length 0. */
const halves = (version: IpVersion): readonly string[] =>
  version === 4 ? ['0.0.0.0/1', '128.0.0.0/1'] : ['::/1', '8000::/1'];

/** ipset leaves out the length of a single address. */
function netText(prefix: Prefix): string {
  const [address, length] = [networkOf(prefix), lengthOf(prefix)];
  return length === widthOf(address) ? addressText(address) : `${addressText(address)}/${length}`;
}

export const portsSetName = (ranges: readonly PortRange[]): string =>
  xtSetName(`ports-${ranges.map(({ first, last }) => `${first}-${last}`).join(',')}`);

export function portMembers(ranges: readonly PortRange[]): ReadonlySet<string> {
  const members = new Set<string>();
  for (const { first, last } of ranges) for (let port = first; port <= last; port++) members.add(`${port}`);
  return members;
}
