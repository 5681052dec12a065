/** The result of the plugin before us, or of our own ADD: which interfaces it names, and the addresses of the pod's one. */
import { type Address, parseAddress } from '../lib/net.ts';
import { isRecord } from './config.ts';

interface PreviousInterface {
  readonly name: string;
  /** Present: in the pod's namespace, which is this path. */
  readonly sandbox?: string;
  readonly mac?: string;
}

export interface Previous {
  readonly interfaces: readonly PreviousInterface[];
  readonly ips: readonly { readonly address: Address; readonly interface?: number }[];
  /** As it came, for handing through. */
  readonly result: Readonly<Record<string, unknown>>;
}

/** Undefined if it is none. */
export function parsePrevious(result: unknown): Previous | undefined {
  if (!isRecord(result)) return undefined;
  const { ips: rawIps, interfaces: rawInterfaces = [] } = result;
  if (!Array.isArray(rawIps) || !Array.isArray(rawInterfaces)) return undefined;
  const ips = rawIps.flatMap((ip: unknown) => {
    const text = isRecord(ip) ? ip['address'] : undefined;
    const address = typeof text === 'string' ? parseAddress(text.replace(/\/\d+$/, '')) : undefined;
    const index = isRecord(ip) ? ip['interface'] : undefined;
    if (address === undefined) return [];
    return [{ address, ...(typeof index === 'number' ? { interface: index } : {}) }];
  });
  const interfaces = rawInterfaces.flatMap((one: unknown): readonly PreviousInterface[] => {
    const { name, sandbox, mac } = isRecord(one) ? one : {};
    if (typeof name !== 'string') return [];
    return [
      {
        name,
        ...(typeof sandbox === 'string' && sandbox !== '' ? { sandbox } : {}),
        ...(typeof mac === 'string' ? { mac } : {}),
      },
    ];
  });
  const isWhole = ips.length === rawIps.length && interfaces.length === rawInterfaces.length;
  return isWhole ? { interfaces, ips, result } : undefined;
}

/** Those of the interface `ifname` in the sandbox; those that name no interface count as its. */
export function addressesOf({ ips, interfaces }: Previous, ifname: string): readonly Address[] {
  const isIts = (index: number | undefined): boolean => {
    if (index === undefined) return true;
    const one = interfaces[index];
    return one?.name === ifname && one.sandbox !== undefined;
  };
  return ips.filter((ip) => isIts(ip.interface)).map(({ address }) => address);
}

/** Names of the interfaces on the node's side. */
export const hostSideOf = ({ interfaces }: Previous): readonly string[] =>
  interfaces.filter(({ sandbox }) => sandbox === undefined).map(({ name }) => name);
