/** A capability of an OPEN (RFC 5492) as a phrase for people. */
import type { Capability, CapabilityOf } from './message.ts';

/** IANA "Capability Codes", for those we do not speak, or spell in a way we do not know. */
const otherNames: Readonly<Record<number, string>> = {
  1: 'another address family (RFC 4760)',
  3: 'outbound route filtering (RFC 5291)',
  5: 'extended next hop, unreadable (RFC 8950)',
  9: 'role, an unknown one (RFC 9234)',
  64: 'graceful restart, unreadable (RFC 4724)',
  66: 'support for dynamic capability (old)',
  67: 'dynamic capability',
  69: 'add-path, unreadable (RFC 7911)',
  71: 'long-lived graceful restart, unreadable (RFC 9494)',
  73: 'host name',
  75: 'software version',
  128: 'route refresh (before RFC 2918)',
};

type Phrases = { readonly [K in Capability['kind']]: (capability: CapabilityOf[K]) => string };

/** "for a and b", after what there is one of; nothing without any. */
const forEach = (items: readonly string[]): string =>
  items.length === 0 ? '' : `, for ${items.join(' and ')}`;

const direction = (receive: boolean, send: boolean): string =>
  receive && send ? 'both ways' : receive ? 'receive' : 'send';

const phrases: Phrases = {
  multiprotocol: ({ family }) => family,
  routeRefresh: () => 'route refresh',
  extendedNextHop: ({ families }) =>
    `extended next hop${forEach(families.map(({ family, nextHop }) => `${family} over IPv${nextHop}`))}`,
  extendedMessage: () => 'extended messages',
  role: ({ role }) => `role ${role}`,
  gracefulRestart: ({ restartTime, families, isRestarting, isNotification }) => {
    const kept = families.map(({ family, isForwarding }) =>
      isForwarding ? `${family} (forwarding)` : family,
    );
    return `graceful restart, ${restartTime} s${forEach(kept)}${isRestarting ? ', restarting' : ''}${isNotification ? ', after notifications too' : ''}`;
  },
  fourOctetAs: ({ asn }) => `four-octet AS ${asn}`,
  addPath: ({ families }) =>
    `add-path${forEach(families.map(({ family, receive, send }) => `${family} (${direction(receive, send)})`))}`,
  enhancedRouteRefresh: () => 'enhanced route refresh',
  longLivedGracefulRestart: ({ families }) =>
    `long-lived graceful restart${forEach(
      families.map(
        ({ family, isForwarding, staleTime }) =>
          `${family} ${staleTime} s${isForwarding ? ' (forwarding)' : ''}`,
      ),
    )}`,
  unknown: ({ code }) => otherNames[code] ?? `capability ${code}`,
};

/** For example "ipv4-unicast", "graceful restart, 120 s, for ipv4-unicast (forwarding)". */
export function describeCapability(capability: Capability): string {
  return phraseOf(capability);
}

function phraseOf<K extends Capability['kind']>(capability: CapabilityOf[K]): string {
  const phrase: Phrases[K] = phrases[capability.kind as K];
  return phrase(capability);
}
