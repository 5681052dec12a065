/** FelixConfiguration to what the rules are made by. */

import { workloadPrefix } from '../../src/model/endpoint.ts';
import type { FelixSettings } from '../../src/model/felix-configuration.ts';
import type { Rate as FieldRate } from '../../src/model/felix-fields.ts';
import type { Rate, RulesSettings } from '../rules/settings.ts';

/** Which renderer writes the rules: some fields come in two, one for each. */
export type Backend = 'nftables' | 'iptables';

const denyBurst = 5;

const secondsIn: Readonly<Record<FieldRate['unit'], number>> = {
  second: 1,
  minute: 60,
  hour: 3600,
  day: 86_400,
};

/** Not below one a second: the kernel counts whole ones. The rest of a slower rate is in the burst. */
const rateOf = ({ count, unit }: FieldRate, burst: number): Rate => ({
  perSecond: Math.max(1, Math.round(count / secondsIn[unit])),
  burst,
});

/** The lowest bit of a mask of 32. */
const lowestBit = (mask: number): number => (mask & -mask) >>> 0;

/** The lowest but one; 0: there is none. */
export const secondBit = (mask: number): number => lowestBit((mask & (mask - 1)) >>> 0);

/** Undefined: what is denied is not reported. */
export const deniedOf = ({
  denyLogGroup: group,
  denyLogRateLimit: perSecond,
}: FelixSettings): RulesSettings['denied'] =>
  perSecond === 0 ? undefined : { group, rate: { perSecond, burst: denyBurst } };

export function rulesSettingsOf(settings: FelixSettings, backend: Backend): RulesSettings {
  const { logActionRateLimit: limit } = settings;
  const denied = deniedOf(settings);
  const isNft = backend === 'nftables';
  return {
    workloadPrefixes: [workloadPrefix],
    deny: isNft ? settings.nftablesFilterDenyAction : settings.iptablesFilterDenyAction,
    endpointToHost: settings.defaultEndpointToHostAction,
    dropInvalid: !settings.disableConntrackInvalidCheck,
    reversePath: true,
    sourceSpoofing: settings.workloadSourceSpoofing === 'Any',
    ...(settings.allowVXLANPacketsFromWorkloads ? {} : { denyVxlanPort: settings.vxlanPort }),
    denyIpip: !settings.allowIPIPPacketsFromWorkloads,
    failsafeInbound: settings.failsafeInboundHostPorts,
    failsafeOutbound: settings.failsafeOutboundHostPorts,
    ...(denied === undefined ? {} : { denied }),
    log: {
      prefix: settings.logPrefix,
      ...(limit === undefined ? {} : { rate: rateOf(limit, settings.logActionRateLimitBurst) }),
    },
    acceptedMark: lowestBit(isNft ? settings.nftablesMarkMask : settings.iptablesMarkMask),
  };
}
