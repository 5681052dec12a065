/**
 * The forms of the CNI specification: versions, error codes, results. What a request must look like is in request.ts.
 *
 * Spoken: 0.3.1, 0.4.0, 1.0.0 and 1.1.0. Pure: JSON values in and out.
 */
import { type Address, formatAddress, formatPrefix, hostPrefix, isIpv4 } from '../lib/net.ts';
import { gateway4, gateway6 } from './plan.ts';

export const supportedVersions = ['0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;
export type CniVersion = (typeof supportedVersions)[number];
export const newestVersion: CniVersion = '1.1.0';

export const isSupported = (version: string): version is CniVersion =>
  supportedVersions.some((known) => known === version);

/** "Well-known error codes" of the specification below 100; 100 and above are ours to choose. */
export const cniCode = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  badEnvironment: 4,
  ioFailure: 5,
  undecodable: 6,
  badConfig: 7,
  tryAgainLater: 11,
  /** STATUS of 1.1.0: ADD cannot be served now. */
  notAvailable: 50,
  /** STATUS of 1.1.0: and what pods there are may be without their newest policy. */
  limited: 51,
  /** The node's pod CIDR is used up, or there is none. */
  noAddress: 101,
  /** The kernel refused a part of the plumbing. */
  plumbingFailed: 102,
  /** CHECK: what is there is not what ADD made. */
  notAsAdded: 103,
  /** The pod has an interface of ours already, under another name. */
  alreadyAttached: 104,
  /** A bug of ours, with its message. */
  internal: 199,
} as const;
export type CniCode = (typeof cniCode)[keyof typeof cniCode];

/** What is wrong with a call, before it is known in which version to say so. */
export interface Wrong {
  readonly code: CniCode;
  /** One whole sentence or two, with what to do. */
  readonly msg: string;
}

/** What the plugin prints when it fails. */
export interface CniError {
  readonly cniVersion: CniVersion;
  readonly code: CniCode;
  readonly msg: string;
  readonly details?: string;
}

export const cniError = (cniVersion: CniVersion, code: CniCode, msg: string, details?: string): CniError => ({
  cniVersion,
  code,
  msg,
  ...(details === undefined ? {} : { details }),
});

/** Answer to VERSION. */
export const versionReply = { cniVersion: newestVersion, supportedVersions } as const;

/** What an ADD made. */
export interface Attached {
  /** The host end. */
  readonly interface: string;
  readonly hostMac: string;
  readonly ifname: string;
  readonly mac: string;
  /** Path of the pod's namespace. */
  readonly netns: string;
  readonly mtu: number;
  readonly addresses: readonly Address[];
  /** The configuration's `dns`, handed through as it came. */
  readonly dns?: Readonly<Record<string, unknown>>;
}

/** The result of ADD in the form of `version`: `version` in each of `ips` before 1.0.0, `mtu` from 1.1.0 on. */
export function resultOf(version: CniVersion, made: Attached): Readonly<Record<string, unknown>> {
  const mtu = version === '1.1.0' ? { mtu: made.mtu } : {};
  const isOld = version === '0.3.1' || version === '0.4.0';
  return {
    cniVersion: version,
    interfaces: [
      { name: made.interface, mac: made.hostMac, ...mtu },
      { name: made.ifname, mac: made.mac, ...mtu, sandbox: made.netns },
    ],
    ips: made.addresses.map((address) => ({
      ...(isOld ? { version: isIpv4(address) ? '4' : '6' } : {}),
      address: formatPrefix(hostPrefix(address)),
      gateway: isIpv4(address) ? gateway4 : gateway6,
      interface: 1,
    })),
    routes: made.addresses.map((address) =>
      isIpv4(address) ? { dst: '0.0.0.0/0', gw: gateway4 } : { dst: '::/0', gw: gateway6 },
    ),
    dns: made.dns ?? {},
  };
}

/** "10.1.0.1 and fd00::1" for messages. */
export const wordsOf = (addresses: readonly Address[]): string =>
  addresses.length === 0 ? 'no address' : addresses.map(formatAddress).join(' and ');
