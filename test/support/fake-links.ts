/** Links, addresses and neighbours of a fake namespace. */
import type { Link } from '../../src/kernel/kernel.ts';
import { kernelError } from '../../src/kernel/kernel-error.ts';
import type { LinkChange, Links, VethEnd } from '../../src/kernel/links.ts';
import { type Address, formatAddress, isIpv4 } from '../../src/lib/net.ts';
import { dropRoutesOver } from './fake-routes.ts';
import { emit, type FakeLink, type FakeState, linkByName } from './fake-state.ts';

const NUD_PERMANENT = 0x80;

/** Finds the state of the namespace at a path; throws a KernelError if there is none. */
export type FindNamespace = (path: string) => FakeState;

export function fakeLinks(state: FakeState, find: FindNamespace): Omit<Links, 'readSysctl'> {
  return {
    addVeth: async ({ peer, ...near }) =>
      addVeth(state, near, peer.netns === undefined ? state : find(peer.netns), peer),
    link: async (name) => linkByName(state, name)?.link,
    deleteLink: async (name) => {
      const found = linkByName(state, name);
      if (found !== undefined) removeFakeLink(state, found);
      return found !== undefined;
    },
    setLink: async (name, change) => setLink(state, require(state, name, `set link ${name}`), change, find),
    addAddress: async (name, { address, length, scope = 'global' }) => {
      const { ifindex } =
        require(state, name, `add address ${formatAddress(address)}/${length} to ${name}`).link;
      const added = { ifindex, address, length, scope };
      state.addresses.set(addressKey(ifindex, address, length), added);
      emit(state, { kind: 'address', change: 'set', address: added });
    },
    deleteAddress: async (name, address, length) => {
      const key = addressKey(linkByName(state, name)?.link.ifindex ?? 0, address, length);
      const found = state.addresses.get(key);
      if (found === undefined) return false;
      state.addresses.delete(key);
      emit(state, { kind: 'address', change: 'delete', address: found });
      return true;
    },
    addNeighbour: async (name, { address, mac }) => {
      const { ifindex } =
        require(state, name, `add neighbour ${formatAddress(address)} ${mac} on ${name}`).link;
      const neighbour = { ifindex, address, mac, state: NUD_PERMANENT };
      state.neighbours.set(neighbourKey(ifindex, address), neighbour);
      emit(state, { kind: 'neighbour', change: 'set', neighbour });
    },
    deleteNeighbour: async (name, address) => {
      const key = neighbourKey(linkByName(state, name)?.link.ifindex ?? 0, address);
      const neighbour = state.neighbours.get(key);
      if (neighbour === undefined) return false;
      state.neighbours.delete(key);
      emit(state, { kind: 'neighbour', change: 'delete', neighbour });
      return true;
    },
    addProxyNeighbour: async (name, address) => {
      const { ifindex } =
        require(state, name, `answer for neighbour ${formatAddress(address)} on ${name}`).link;
      state.proxies.add(neighbourKey(ifindex, address));
    },
  };
}

const addressKey = (ifindex: number, address: Address, length: number): string =>
  `${ifindex} ${address} ${length}`;
const neighbourKey = (ifindex: number, address: Address): string =>
  `${ifindex} ${isIpv4(address) ? 4 : 6} ${address}`;

function require(state: FakeState, name: string, asked: string): FakeLink {
  const found = linkByName(state, name);
  if (found === undefined) throw kernelError(asked, 'ENODEV', `there is no link ${name}`);
  return found;
}

/** Puts a link where there is none; it starts down, as in the kernel. */
export function addFakeLink(
  state: FakeState,
  { name, mac, mtu = 1500 }: VethEnd,
  kind?: string,
  peer?: FakeLink['peer'],
): Link {
  const ifindex = state.nextIfindex++;
  const link: Link = {
    ifindex,
    name,
    ...(kind === undefined ? {} : { kind }),
    mtu,
    up: false,
    carrier: false,
    mac: mac ?? `02:00:00:00:00:${ifindex.toString(16).padStart(2, '0')}`,
  };
  state.links.set(ifindex, { link, peer });
  emit(state, { kind: 'link', change: 'set', link });
  return link;
}

function addVeth(state: FakeState, near: VethEnd, other: FakeState, peer: VethEnd): void {
  const taken = linkByName(state, near.name) ?? linkByName(other, peer.name);
  if (taken !== undefined) throw kernelError(`add veth ${near.name} with peer ${peer.name}`, 'EEXIST');
  const ifindex = state.nextIfindex;
  const otherIndex = other === state ? ifindex + 1 : other.nextIfindex;
  addFakeLink(state, near, 'veth', { state: other, ifindex: otherIndex });
  addFakeLink(other, peer, 'veth', { state, ifindex });
}

function update(state: FakeState, found: FakeLink, change: Partial<Link>): void {
  found.link = { ...found.link, ...change };
  emit(state, { kind: 'link', change: 'set', link: found.link });
}

function setLink(state: FakeState, found: FakeLink, change: LinkChange, find: FindNamespace): void {
  const { netns, up, ...rest } = change;
  if (rest.name !== undefined && linkByName(state, rest.name) !== undefined)
    throw kernelError(`rename link ${found.link.name} to ${rest.name}`, 'EEXIST');
  update(state, found, up === undefined ? rest : { ...rest, up });
  if (up === false) dropRoutesOver(state, found.link.ifindex);
  if (up !== undefined) settleCarrier(state, found);
  if (netns !== undefined) move(state, found, find(netns));
}

/** A veth has a carrier while both ends are up; a link without a peer while it is up. */
function settleCarrier(state: FakeState, found: FakeLink): void {
  const peer = found.peer?.state.links.get(found.peer.ifindex);
  const carrier = found.link.up && (found.peer === undefined || peer?.link.up === true);
  if (found.link.carrier !== carrier) update(state, found, { carrier });
  if (peer !== undefined && found.peer !== undefined && peer.link.carrier !== (carrier && peer.link.up))
    update(found.peer.state, peer, { carrier: carrier && peer.link.up });
}

function move(state: FakeState, found: FakeLink, other: FakeState): void {
  forget(state, found);
  addFakeLink(other, found.link, found.link.kind, found.peer);
}

/** Takes away a link with all that hangs on it; a veth takes its peer along. */
export function removeFakeLink(state: FakeState, found: FakeLink): void {
  forget(state, found);
  const peer = found.peer?.state.links.get(found.peer.ifindex);
  if (found.peer !== undefined && peer !== undefined) forget(found.peer.state, peer);
}

function forget(state: FakeState, { link }: FakeLink): void {
  state.links.delete(link.ifindex);
  for (const [key, { ifindex }] of state.addresses) if (ifindex === link.ifindex) state.addresses.delete(key);
  for (const [key, { ifindex }] of state.neighbours)
    if (ifindex === link.ifindex) state.neighbours.delete(key);
  dropRoutesOver(state, link.ifindex);
  emit(state, { kind: 'link', change: 'delete', link });
}
