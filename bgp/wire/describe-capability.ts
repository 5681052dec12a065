/** A capability of an OPEN (RFC 5492) as a phrase for people. */
import type { Capability } from './message.ts';

/** IANA "Capability Codes", for those we do not speak; docs of each are the RFC named. */
const otherNames: Readonly<Record<number, string>> = {
  3: 'outbound route filtering (RFC 5291)',
  5: 'extended next hop (RFC 8950)',
  6: 'extended messages (RFC 8654)',
  9: 'role (RFC 9234)',
  66: 'support for dynamic capability (old)',
  67: 'dynamic capability',
  69: 'add-path (RFC 7911)',
  70: 'enhanced route refresh (RFC 7313)',
  71: 'long-lived graceful restart (RFC 9494)',
  73: 'host name',
  128: 'route refresh (before RFC 2918)',
};

/** For example "IPv4 unicast", "graceful restart, 120 s, keeps ipv4-unicast". */
export function describeCapability(capability: Capability): string {
  switch (capability.kind) {
    case 'multiprotocol':
      return capability.family;
    case 'routeRefresh':
      return 'route refresh';
    case 'fourOctetAs':
      return `four-octet AS ${capability.asn}`;
    case 'gracefulRestart': {
      const kept = capability.families.map(({ family, isForwarding }) =>
        isForwarding ? `${family} (forwarding)` : family,
      );
      return `graceful restart, ${capability.restartTime} s${kept.length === 0 ? '' : `, for ${kept.join(' and ')}`}${capability.isRestarting ? ', restarting' : ''}`;
    }
    case 'unknown':
      return otherNames[capability.code] ?? `capability ${capability.code}`;
  }
}
