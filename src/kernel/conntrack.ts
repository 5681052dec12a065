/** The connections that the kernel follows, in one network namespace: listed, and forgotten. Owns its socket. */
import { type Address, type IpVersion, isIpv4, versionOf } from '../lib/net.ts';
import { isKernelError } from './kernel-error.ts';
import {
  CT,
  decodeFlow,
  encodeFlow,
  encodeFlowDump,
  encodeFlowFilter,
  type Flow,
  type FlowFilter,
} from './netlink/conntrack.ts';
import { NETLINK } from './netlink/constants.ts';
import { Requests } from './netlink/requests.ts';

export interface Conntrack {
  /** Every flow of a family, or those that satisfy the filter. Fails with a KernelError. */
  dump(which: IpVersion | FlowFilter): Promise<readonly Flow[]>;
  /** False if it was gone already. */
  deleteFlow(flow: Flow): Promise<boolean>;
  /** All flows that satisfy the filter. */
  deleteWhere(filter: FlowFilter): Promise<void>;
  close(): void;
}

/** Some hundred thousand flows are listed in one go. */
const RECEIVE_BUFFER = 8 << 20;

/** @param netns  path of the namespace; absent: the process's own */
export function openConntrack(netns?: string): Conntrack {
  let opened: Requests | undefined;
  const requests = (): Requests => {
    opened ??= new Requests({ protocol: NETLINK.NETFILTER, netns, receiveBuffer: RECEIVE_BUFFER });
    return opened;
  };
  return {
    dump: async (which) => conntrackDump(requests(), which),
    deleteFlow: async (flow) => conntrackDelete(requests(), flow),
    deleteWhere: async (filter) => conntrackDeleteWhere(requests(), filter),
    close: () => opened?.close(),
  };
}

async function conntrackDump(requests: Requests, which: IpVersion | FlowFilter): Promise<readonly Flow[]> {
  const version = typeof which === 'number' ? which : versionOf(which.address);
  const flows = await requests.dump(
    { asked: 'list connections', type: CT.GET, write: (writer) => encodeFlowDump(writer, version) },
    decodeFlow,
  );
  return typeof which === 'number' ? flows : flows.filter((flow) => satisfies(flow, which));
}

const satisfies = (flow: Flow, { direction, side, address }: FlowFilter): boolean =>
  flow[direction][side] === address;

async function conntrackDelete(requests: Requests, flow: Flow): Promise<boolean> {
  try {
    await requests.change({
      asked: 'forget a connection',
      type: CT.DELETE,
      write: (writer) => encodeFlow(writer, flow),
    });
    return true;
  } catch (error) {
    if (isKernelError(error) && error.code === 'ENOENT') return false;
    throw error;
  }
}

/**
 * IPv4: the kernel looks itself where it can (5.8). IPv6, and older ones: we list them and name them one by one, for the
 * kernel's own comparison of IPv6 addresses is the wrong way round (seen in 6.18): it forgets all others.
 */
async function conntrackDeleteWhere(requests: Requests, filter: FlowFilter): Promise<void> {
  if (!isIpv4(filter.address)) return deleteEach(requests, filter);
  try {
    await requests.change({
      asked: 'forget the connections of an address',
      type: CT.DELETE,
      write: (writer) => encodeFlowFilter(writer, filter),
    });
  } catch (error) {
    if (!isKernelError(error) || !['EINVAL', 'EOPNOTSUPP'].includes(error.code)) throw error;
    await deleteEach(requests, filter);
  }
}

async function deleteEach(requests: Requests, filter: FlowFilter): Promise<void> {
  for (const flow of await conntrackDump(requests, filter)) await conntrackDelete(requests, flow);
}

/**
 * Every connection in which the address takes part, translated or not: as who began it, and as who answers. An address that
 * goes to another pod must not inherit what was allowed of the one before.
 */
export async function forgetAddress(
  conntrack: Pick<Conntrack, 'deleteWhere'>,
  address: Address,
): Promise<void> {
  for (const direction of ['original', 'reply'] as const)
    await conntrack.deleteWhere({ direction, side: 'source', address });
}
