/**
 * Carries out plan.ts through the kernel port: the pair of interfaces of a pod, in two namespaces.
 *
 * The kernel owns all state. Whatever fails throws the kernel's own KernelError; the caller takes back what was made,
 * for which `unplumb` is enough: a veth takes its peer, and with it every address and route, along.
 */

import type { Kernel, Link, Route } from '../kernel/kernel.ts';
import { kernelError } from '../kernel/kernel-error.ts';
import type { InNetns, NetnsKernel } from '../kernel/links.ts';
import { type Address, formatAddress, formatPrefix, lengthOf, parseAddress, versionOf } from '../lib/net.ts';
import { gatewayOf, hostMac, type PlumbOp, planPlumbing, type Wiring } from './plan.ts';

const mainTable = 254;
/** rtm_protocol "static": the pod's own routes. */
const staticProtocol = 4;
const defaultMtu = 1500;

/** @returns  the host end, as the kernel made it */
export async function plumb(kernel: NetnsKernel, inNetns: InNetns, wiring: Wiring): Promise<Link> {
  const plan = planPlumbing(wiring);
  for (const op of plan.host) await apply(kernel, op);
  await inNetns(wiring.netns, async (pod) => {
    for (const op of plan.pod) await apply(pod, op);
  });
  return linkNamed(kernel, wiring.interface);
}

/** False if it was gone already. */
export const unplumb = (kernel: NetnsKernel, hostInterface: string): Promise<boolean> =>
  kernel.deleteLink(hostInterface);

async function apply(kernel: NetnsKernel, op: PlumbOp): Promise<void> {
  switch (op.kind) {
    case 'delete-link':
      await kernel.deleteLink(op.name);
      return;
    case 'veth': {
      const peer = { name: op.peer, netns: op.netns, mtu: op.mtu, mac: op.peerMac };
      return kernel.addVeth({ name: op.name, mac: op.mac, mtu: op.mtu, peer });
    }
    case 'sysctl':
      return kernel.sysctl(op.path, op.value);
    case 'up':
      return kernel.setLink(op.link, { up: true });
    case 'address':
      return kernel.addAddress(op.link, { address: op.address, length: op.length, nodad: true });
    case 'neighbour':
      return kernel.addNeighbour(op.link, { address: op.address, mac: op.mac });
    case 'route':
      return addRoute(kernel, op);
  }
}

async function linkNamed(kernel: NetnsKernel, name: string): Promise<Link> {
  const link = await kernel.link(name);
  if (link === undefined) throw kernelError(`set up ${name}`, 'ENODEV', 'the interface went away meanwhile');
  return link;
}

async function addRoute(kernel: NetnsKernel, op: Extract<PlumbOp, { kind: 'route' }>): Promise<void> {
  const { ifindex } = await linkNamed(kernel, op.link);
  const route: Route = {
    dst: op.dst,
    table: mainTable,
    protocol: staticProtocol,
    metric: 0,
    type: 'unicast',
    scope: op.via === undefined ? 'link' : 'global',
    nextHops: [op.via === undefined ? { ifindex } : { via: op.via, ifindex }],
  };
  const [failure] = await kernel.applyRoutes([{ kind: 'set', route }]);
  if (failure !== undefined) {
    throw kernelError(`add route ${formatPrefix(op.dst)} dev ${op.link}`, failure.errno, failure.why);
  }
}

/** The MTU for pods: that of the link the default route leaves by, or 1500. */
export async function nodeMtu(kernel: Kernel): Promise<number> {
  // Documentation addresses (RFC 5737, RFC 3849): nobody has them, so only the default route leads there.
  for (const text of ['192.0.2.1', '2001:db8::1']) {
    const probe = parseAddress(text);
    const way = probe === undefined ? undefined : await kernel.routeTo(probe).catch(() => undefined);
    if (way === undefined) continue;
    const link = (await kernel.links()).find(({ ifindex }) => ifindex === way.ifindex);
    if (link !== undefined && link.name !== 'lo') return link.mtu;
  }
  return defaultMtu;
}

/** What differs between the kernel and what ADD made, each in words; empty: nothing. */
export async function inspect(
  kernel: NetnsKernel,
  inNetns: InNetns,
  wiring: Omit<Wiring, 'mtu' | 'mac'>,
): Promise<readonly string[]> {
  const host = await kernel.link(wiring.interface);
  const flaws: string[] = [];
  if (host === undefined) return [`the node has no interface ${wiring.interface}`];
  if (!host.up) flaws.push(`${wiring.interface} is down`);
  if (host.mac !== hostMac) flaws.push(`${wiring.interface} has MAC ${host.mac} instead of ${hostMac}`);
  for (const address of wiring.addresses) {
    const way = await kernel.routeTo(address);
    if (way?.ifindex !== host.ifindex) {
      flaws.push(`the node has no route to ${formatAddress(address)} by ${wiring.interface}`);
    }
  }
  return [...flaws, ...(await inNetns(wiring.netns, (pod) => inspectPod(pod, wiring)))];
}

/** The same of an interface that another plugin made: only what policy needs. */
export async function inspectForeign(
  kernel: NetnsKernel,
  { interface: name, addresses }: Pick<Wiring, 'interface' | 'addresses'>,
): Promise<readonly string[]> {
  const host = await kernel.link(name);
  if (host === undefined) return [`the node has no interface ${name}`];
  const flaws: string[] = [];
  for (const address of addresses) {
    const way = await kernel.routeTo(address);
    if (way?.ifindex !== host.ifindex)
      flaws.push(`the node has no route to ${formatAddress(address)} by ${name}`);
  }
  return flaws;
}

async function inspectPod(
  pod: NetnsKernel,
  { ifname, addresses }: Omit<Wiring, 'mtu' | 'mac'>,
): Promise<readonly string[]> {
  const link = await pod.link(ifname);
  if (link === undefined) return [`the pod has no interface ${ifname}`];
  const flaws = link.up ? [] : [`${ifname} in the pod is down`];
  const present = (await pod.addresses()).filter(({ ifindex }) => ifindex === link.ifindex);
  for (const address of addresses) {
    if (!present.some((found) => found.address === address)) {
      flaws.push(`${ifname} in the pod has no address ${formatAddress(address)}`);
    }
    if (!(await hasDefault(pod, address))) {
      flaws.push(
        `the pod has no IPv${versionOf(address)} default route via ${formatAddress(gatewayOf(address))}`,
      );
    }
  }
  return flaws;
}

async function hasDefault(pod: Kernel, address: Address): Promise<boolean> {
  const routes = await pod.routes({ version: versionOf(address), table: mainTable });
  return routes.some(
    (route) => lengthOf(route.dst) === 0 && route.nextHops.some((hop) => hop.via === gatewayOf(address)),
  );
}
