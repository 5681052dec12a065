/**
 * Bandwidth of an interface, both ways, by the kernel's token bucket. Owns its socket.
 *
 * What the interface sends waits in its own queue. What it receives is sent on by an ifb, an interface that does nothing but
 * hand on what it is given: there it waits likewise. The ifb has a name made of the interface's, so it is found again.
 */
import { sha256Hex } from '../lib/hash.ts';
import { isKernelError, kernelError } from './kernel-error.ts';
import { dumpLinks, linkRequests } from './link-requests.ts';
import { NETLINK, NLM_F, RTM } from './netlink/constants.ts';
import { encodeIfb } from './netlink/link.ts';
import { Requests } from './netlink/requests.ts';
import {
  type Bucket,
  decodeShaped,
  encodeBucket,
  encodeIngress,
  encodeIngressRemoval,
  encodeQdiscDump,
  encodeRedirect,
  encodeRootRemoval,
  TC,
} from './netlink/tc.ts';

export interface Bandwidth {
  /** What the interface sends: to the pod. */
  readonly sent?: Bucket;
  /** What it receives: from the pod. */
  readonly received?: Bucket;
}

export interface Shaping {
  /** Makes it so, whatever was before. Fails with a KernelError. */
  shape(link: string, bandwidth: Bandwidth): Promise<void>;
  /** Takes away what an interface that is gone left. */
  forget(link: string): Promise<void>;
  /**
   * Takes away all of ours but for these interfaces: of interfaces called as ours are, all that shapes; of others, what leads to an
   * ifb of ours. What an interface receives goes nowhere while its ifb is gone, so that goes last.
   */
  sweep(links: ReadonlySet<string>): Promise<void>;
  close(): void;
}

const ifbPattern = /^ifb[0-9a-f]{11}$/;
const ourPattern = /^cali[0-9a-f]{11}$/;

/** Interfaces of pods end in 11 hex digits already; of others a hash is taken. */
export const ifbOf = (link: string): string =>
  ourPattern.test(link) ? `ifb${link.slice(4)}` : `ifb${sha256Hex(link).slice(0, 11)}`;

const RECEIVE_BUFFER = 1 << 20;

/** @param netns  path of the namespace; absent: the process's own */
export function openShaping(netns?: string): Shaping {
  let opened: Requests | undefined;
  const requests = (): Requests => {
    opened ??= new Requests({ protocol: NETLINK.ROUTE, netns, receiveBuffer: RECEIVE_BUFFER });
    return opened;
  };
  const drop = async (name: string): Promise<void> => {
    await linkRequests(requests()).deleteLink(name);
  };
  return {
    shape: async (link, bandwidth) => shape(requests(), link, bandwidth),
    forget: (link) => drop(ifbOf(link)),
    sweep: (links) => sweep(requests(), links),
    close: () => opened?.close(),
  };
}

async function sweep(requests: Requests, kept: ReadonlySet<string>): Promise<void> {
  const links = await dumpLinks(requests);
  const all = new Set(links.map(({ name }) => name));
  const shaped = new Set(
    await requests.dump(
      { asked: 'list queueing disciplines', type: TC.GETQDISC, write: encodeQdiscDump },
      decodeShaped,
    ),
  );
  for (const { name, ifindex } of links) {
    if (kept.has(name) || !shaped.has(ifindex)) continue;
    if (ourPattern.test(name) || all.has(ifbOf(name))) await shape(requests, name, {});
  }
  const wanted = new Set([...kept].map(ifbOf));
  for (const { name, kind } of await dumpLinks(requests))
    if (kind === 'ifb' && ifbPattern.test(name) && !wanted.has(name))
      await linkRequests(requests).deleteLink(name);
}

async function shape(requests: Requests, link: string, { sent, received }: Bandwidth): Promise<void> {
  const links = linkRequests(requests);
  const asked = `limit the bandwidth of ${link}`;
  const found = await links.link(link);
  if (found === undefined) throw kernelError(asked, 'ENODEV', `there is no link ${link}`);
  const ask = (type: number, flags: number, write: Parameters<typeof requests.change>[0]['write']) =>
    requests.change({ asked, type, flags, write });
  if (sent === undefined) {
    await gone(() => ask(TC.DELQDISC, 0, (writer) => encodeRootRemoval(writer, found.ifindex)));
  } else {
    await ask(TC.NEWQDISC, NLM_F.CREATE | NLM_F.REPLACE, (writer) =>
      encodeBucket(writer, found.ifindex, sent),
    );
  }
  // Its filters go with it: what is there may be of another life.
  await gone(() => ask(TC.DELQDISC, 0, (writer) => encodeIngressRemoval(writer, found.ifindex)));
  if (received === undefined) {
    await links.deleteLink(ifbOf(link));
    return;
  }
  const ifb = await ifbFor(requests, link, found.mtu);
  await ask(TC.NEWQDISC, NLM_F.CREATE | NLM_F.REPLACE, (writer) => encodeBucket(writer, ifb, received));
  await ask(TC.NEWQDISC, NLM_F.CREATE, (writer) => encodeIngress(writer, found.ifindex));
  await ask(TC.NEWTFILTER, NLM_F.CREATE | NLM_F.EXCL, (writer) => encodeRedirect(writer, found.ifindex, ifb));
}

/** Nothing to take away: the interface has what it had from the kernel. */
async function gone(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!isKernelError(error) || !['ENOENT', 'EINVAL'].includes(error.code)) throw error;
  }
}

/** @returns its index */
async function ifbFor(requests: Requests, link: string, mtu: number): Promise<number> {
  const links = linkRequests(requests);
  const name = ifbOf(link);
  if ((await links.link(name)) === undefined) {
    await requests.change({
      asked: `add ${name} to limit the bandwidth of ${link}`,
      type: RTM.NEWLINK,
      flags: NLM_F.CREATE | NLM_F.EXCL,
      write: (writer) => encodeIfb(writer, name, mtu),
    });
  }
  await links.setLink(name, { up: true, mtu });
  const made = await links.link(name);
  if (made === undefined) throw kernelError(`find ${name}`, 'ENODEV', 'it went away meanwhile');
  return made.ifindex;
}
