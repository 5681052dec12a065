/**
 * What of the configuration changes the rules. `felix/calc` makes one of a FelixConfiguration; every default is Calico's but
 * `endpointToHost`, which its manifests set so too.
 */
import type { IpVersion, Prefix } from '../../src/lib/net.ts';

/** A port that no policy of a host endpoint closes. */
export interface FailsafePort {
  /** IANA number of a protocol with ports. */
  readonly protocol: number;
  readonly port: number;
  /** Only to or from there; absent: anywhere. */
  readonly net?: Prefix;
}

/** A ceiling for what rules write: so many a second, and so many at once before that counts. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

export interface RulesSettings {
  /** Interfaces whose names start so are workloads'. At least one. */
  readonly workloadPrefixes: readonly string[];
  /** What Deny and the end of a tier do. Where nobody can be told (before routing, or after), Reject is Drop. */
  readonly deny: 'Drop' | 'Reject';
  /** From a workload to its own host, once its egress policy allows it. Return is Accept: tables of others are asked in any case. */
  readonly endpointToHost: 'Accept' | 'Drop' | 'Return';
  /** Not of FelixConfiguration: TCP port of the BGP speaker, where pods are its neighbours; see `speaker.ts`. Absent: none is. */
  readonly speakerPort?: number;
  /** disableConntrackInvalidCheck, turned around. */
  readonly dropInvalid: boolean;
  /** Workloads send only from addresses that are routed back to them. */
  readonly reversePath: boolean;
  /** workloadSourceSpoofing: some workloads may send from prefixes of their own, see `allowedSources`. */
  readonly sourceSpoofing: boolean;
  /** UDP to this port is not let out of workloads: it could pass for the tunnels of the nodes. Absent: it is. */
  readonly denyVxlanPort?: number;
  /** Nor IP in IP. */
  readonly denyIpip: boolean;
  readonly failsafeInbound: readonly FailsafePort[];
  readonly failsafeOutbound: readonly FailsafePort[];
  /** Where packets that policy denies are reported. Absent: nowhere. */
  readonly denied?: { readonly group: number; readonly rate: Rate };
  /** Of the action Log. %t tier, %k kind, %n name, %p namespace/name. `rate` absent: all of them. */
  readonly log: { readonly prefix: string; readonly rate?: Rate };
  /**
   * One bit of the packet mark, ours alone, and only where host endpoints have untracked or preDNAT policies: accepted
   * by one of them, so those of later stages are not asked.
   */
  readonly acceptedMark: number;
  /**
   * Not of the configuration: families of which any endpoint there is has an address. What asks for endpoints of another one is left
   * out, for it finds nobody. Absent: both.
   */
  readonly families?: readonly IpVersion[];
}

const tcp = 6;
const udp = 17;
const onTcp = (...ports: readonly number[]): readonly FailsafePort[] =>
  ports.map((port) => ({ protocol: tcp, port }));
const onUdp = (port: number): FailsafePort => ({ protocol: udp, port });

export const defaultRulesSettings: RulesSettings = {
  workloadPrefixes: ['cali'],
  deny: 'Drop',
  endpointToHost: 'Accept',
  dropInvalid: true,
  reversePath: true,
  sourceSpoofing: false,
  denyVxlanPort: 4789,
  denyIpip: true,
  failsafeInbound: [...onTcp(22), onUdp(68), ...onTcp(179, 2379, 2380, 5473, 6443, 6666, 6667)],
  failsafeOutbound: [onUdp(53), onUdp(67), ...onTcp(179, 2379, 2380, 5473, 6443, 6666, 6667)],
  denied: { group: 81, rate: { perSecond: 10, burst: 5 } },
  log: { prefix: 'calico-packet' },
  acceptedMark: 0x0001_0000,
};
