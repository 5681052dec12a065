/** Links, addresses and neighbours over netlink: the dumps of the Kernel port and the changes of the Links port. */
import { closeSync, openSync } from 'node:fs';
import { type Address, formatAddress, isIpv4 } from '../lib/net.ts';
import type { Link, LinkAddress, Neighbour } from './kernel.ts';
import { isKernelError, kernelError } from './kernel-error.ts';
import type { AddressRequest, LinkChange, Links, NeighbourRequest, VethRequest } from './links.ts';
import { decodeAddress, encodeAddress, encodeAddressDump } from './netlink/address.ts';
import { NLM_F, RTM } from './netlink/constants.ts';
import { decodeLink, encodeLink, encodeVeth, type LinkTarget } from './netlink/link.ts';
import { decodeNeighbour, encodeNeighbour, encodeNeighbourDump } from './netlink/neighbour.ts';
import type { Requests } from './netlink/requests.ts';

const IFNAMSIZ = 16;

export const dumpLinks = (requests: Requests): Promise<readonly Link[]> =>
  requests.dump(
    { asked: 'list links', type: RTM.GETLINK, write: (writer) => encodeLink(writer, { ifindex: 0 }) },
    decodeLink,
  );

export const dumpAddresses = (requests: Requests): Promise<readonly LinkAddress[]> =>
  requests.dump({ asked: 'list addresses', type: RTM.GETADDR, write: encodeAddressDump }, decodeAddress);

export const dumpNeighbours = (requests: Requests): Promise<readonly Neighbour[]> =>
  requests.dump(
    { asked: 'list neighbours', type: RTM.GETNEIGH, write: encodeNeighbourDump },
    decodeNeighbour,
  );

/** The part of the Links port that is netlink. */
export function linkRequests(requests: Requests): Omit<Links, 'readSysctl'> {
  return {
    addVeth: (request) => addVeth(requests, request),
    link: (name) => linkNamed(requests, name),
    deleteLink: (name) => deleteLink(requests, name),
    setLink: (name, change) => setLink(requests, name, change),
    addAddress: (link, request) => addAddress(requests, link, request),
    deleteAddress: (link, address, length) => deleteAddress(requests, { link, address, length }),
    addNeighbour: (link, request) => addNeighbour(requests, link, request),
    deleteNeighbour: (link, address) => deleteNeighbour(requests, link, address),
    addProxyNeighbour: (link, address) => addProxyNeighbour(requests, link, address),
  };
}

/** Runs `run` with an fd of the namespace at `path`; undefined if there is no path. */
async function withNamespace<T>(
  path: string | undefined,
  asked: string,
  run: (fd?: number) => Promise<T>,
): Promise<T> {
  if (path === undefined) return run();
  const fd = openNamespace(path, asked);
  try {
    return await run(fd);
  } finally {
    closeSync(fd);
  }
}

function openNamespace(path: string, asked: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'EIO';
    throw kernelError(asked, code, `network namespace ${path}`);
  }
}

/** The kernel would only say EINVAL or ERANGE. */
function assertName(name: string, asked: string): void {
  const octets = new TextEncoder().encode(name).byteLength;
  if (octets === 0 || octets >= IFNAMSIZ || /[\s/:]/.test(name))
    throw kernelError(
      asked,
      'EINVAL',
      `a link name has 1 to 15 octets, no space, "/" or ":", unlike "${name}"`,
    );
}

async function addVeth(requests: Requests, request: VethRequest): Promise<void> {
  const { peer } = request;
  const asked = `add veth ${request.name} with peer ${peer.name}${peer.netns === undefined ? '' : ` in ${peer.netns}`}`;
  assertName(request.name, asked);
  assertName(peer.name, asked);
  await withNamespace(peer.netns, asked, (fd) =>
    requests.change({
      asked,
      type: RTM.NEWLINK,
      flags: NLM_F.CREATE | NLM_F.EXCL,
      write: (writer) => encodeVeth(writer, request, peer, fd),
    }),
  );
}

/** Runs a request and says whether its object was there: these codes mean that it was not. */
async function unlessAbsent(absent: readonly string[], run: () => Promise<unknown>): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (error) {
    if (isKernelError(error) && absent.includes(error.code)) return false;
    throw error;
  }
}

async function linkNamed(requests: Requests, name: string): Promise<Link | undefined> {
  let found: Link | undefined;
  await unlessAbsent(['ENODEV', 'ERANGE', 'EINVAL'], async () => {
    found = await requests.get(
      {
        asked: `find link ${name}`,
        type: RTM.GETLINK,
        write: (writer) => encodeLink(writer, { ifindex: 0, name }),
      },
      decodeLink,
    );
  });
  return found;
}

async function indexOf(requests: Requests, name: string, asked: string): Promise<number> {
  const link = await linkNamed(requests, name);
  if (link === undefined) throw kernelError(asked, 'ENODEV', `there is no link ${name}`);
  return link.ifindex;
}

const deleteLink = (requests: Requests, name: string): Promise<boolean> =>
  unlessAbsent(['ENODEV'], () =>
    requests.change({
      asked: `delete link ${name}`,
      type: RTM.DELLINK,
      write: (writer) => encodeLink(writer, { ifindex: 0, name }),
    }),
  );

async function setLink(requests: Requests, name: string, change: LinkChange): Promise<void> {
  const { netns, ...rest } = change;
  const asked = `set link ${name} ${JSON.stringify(change)}`;
  if (change.name !== undefined) assertName(change.name, asked);
  // By index, because a name in the request would be the new one.
  const ifindex = await indexOf(requests, name, asked);
  await withNamespace(netns, asked, (netnsFd) => {
    const target: LinkTarget = { ifindex, ...rest, ...(netnsFd === undefined ? {} : { netnsFd }) };
    return requests.change({ asked, type: RTM.NEWLINK, write: (writer) => encodeLink(writer, target) });
  });
}

const isLoopback = (address: Address): boolean =>
  isIpv4(address) ? Math.floor(address / 2 ** 24) === 127 : address === 1n;

async function addAddress(requests: Requests, link: string, request: AddressRequest): Promise<void> {
  const { address, length, nodad = false } = request;
  const asked = `add address ${formatAddress(address)}/${length} to ${link}`;
  const ifindex = await indexOf(requests, link, asked);
  const scope = request.scope ?? (isLoopback(address) ? 'host' : 'global');
  await requests.change({
    asked,
    type: RTM.NEWADDR,
    flags: NLM_F.CREATE | NLM_F.REPLACE,
    write: (writer) => encodeAddress(writer, { ifindex, address, length, scope, nodad }),
  });
}

async function deleteAddress(
  requests: Requests,
  { link, address, length }: { readonly link: string; readonly address: Address; readonly length: number },
): Promise<boolean> {
  const asked = `delete address ${formatAddress(address)}/${length} from ${link}`;
  return unlessAbsent(['EADDRNOTAVAIL', 'ENODEV'], async () => {
    const ifindex = await indexOf(requests, link, asked);
    await requests.change({
      asked,
      type: RTM.DELADDR,
      write: (writer) => encodeAddress(writer, { ifindex, address, length, scope: 'global', nodad: false }),
    });
  });
}

async function addNeighbour(
  requests: Requests,
  link: string,
  { address, mac }: NeighbourRequest,
): Promise<void> {
  const asked = `add neighbour ${formatAddress(address)} ${mac} on ${link}`;
  const ifindex = await indexOf(requests, link, asked);
  await requests.change({
    asked,
    type: RTM.NEWNEIGH,
    flags: NLM_F.CREATE | NLM_F.REPLACE,
    write: (writer) => encodeNeighbour(writer, { ifindex, address, mac }),
  });
}

async function deleteNeighbour(requests: Requests, link: string, address: Address): Promise<boolean> {
  const asked = `delete neighbour ${formatAddress(address)} on ${link}`;
  return unlessAbsent(['ENOENT', 'ENODEV'], async () => {
    const ifindex = await indexOf(requests, link, asked);
    await requests.change({
      asked,
      type: RTM.DELNEIGH,
      write: (writer) => encodeNeighbour(writer, { ifindex, address }),
    });
  });
}

async function addProxyNeighbour(requests: Requests, link: string, address: Address): Promise<void> {
  const asked = `answer for neighbour ${formatAddress(address)} on ${link}`;
  const ifindex = await indexOf(requests, link, asked);
  await requests.change({
    asked,
    type: RTM.NEWNEIGH,
    flags: NLM_F.CREATE | NLM_F.REPLACE,
    write: (writer) => encodeNeighbour(writer, { ifindex, address, proxy: true }),
  });
}
