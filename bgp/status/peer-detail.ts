/** All that is known of one neighbour, in the shape of `PeerDetail` of status.ts. Reads only. */
import { formatAddress, formatIpv4, type Millis } from '../../src/lib/net.ts';
import type { NotedStatus, OpenStatus, PeerDetail, PeerStatus } from '../../src/model/status.ts';
import type { BfdView } from '../bfd/problems.ts';
import { bfdStatus } from '../bfd/status.ts';
import type { Neighbour, Session } from '../speaker/neighbour.ts';
import type { Account, Noted } from '../transport/accounts.ts';
import { describeCapability } from '../wire/describe-capability.ts';
import { describeNotification } from '../wire/describe-notification.ts';
import type { Family, OpenMessage } from '../wire/message.ts';

export interface PeerFacts {
  readonly status: PeerStatus;
  readonly neighbour: Neighbour;
  readonly account: Account;
  readonly bfd: BfdView | undefined;
  /** Milliseconds each of its timers has still to run. */
  readonly timers: readonly { readonly name: string; readonly ms: number }[];
  readonly wallClock: (moment: Millis) => Date;
}

export function peerDetail({ status, neighbour, account, bfd, timers, wallClock }: PeerFacts): PeerDetail {
  const { config, session } = neighbour;
  const noted = (what: Noted | undefined): NotedStatus | undefined =>
    what && { at: wallClock(what.at).toISOString(), what: describeNotification(what.notification) };
  return withoutAbsent({
    ...status,
    localAddress: config.localAddress === undefined ? undefined : formatAddress(config.localAddress),
    password: config.password === undefined ? undefined : `${config.password.name}/${config.password.key}`,
    ttlSecurity: config.ttlSecurity,
    proposed: {
      holdTimeSeconds: config.holdTimeMs / 1000,
      connectRetrySeconds: config.connectRetryMs / 1000,
      ...(config.restartTimeMs === undefined ? {} : { restartTimeSeconds: config.restartTimeMs / 1000 }),
    },
    keepaliveSeconds: session === undefined ? undefined : session.negotiated.keepaliveTimeMs / 1000,
    timers: timers.map(({ name, ms }) => ({ name, seconds: Math.max(0, Math.round(ms / 1000)) })),
    messages: { sent: account.sent, received: account.received },
    refused: account.refused,
    repaired: session?.flawed ?? 0,
    inForce: session === undefined ? undefined : inForce(session),
    limits: config.maxPrefix === undefined ? undefined : limitsOf(neighbour),
    connections: account.connections,
    openSent: account.openSent && openOf(account.openSent),
    openReceived: account.openReceived && openOf(account.openReceived),
    notificationSent: noted(account.notificationSent),
    notificationReceived: noted(account.notificationReceived),
    bfd: bfd && bfdStatus(bfd, config.bfd?.isStrict ?? false, wallClock),
  });
}

function inForce({ negotiated }: Session): readonly string[] {
  const { codec, gracefulRestart, routeRefresh, fourOctetAs, longLived, role } = negotiated;
  const of = (families: ReadonlySet<string> | undefined): string => [...(families ?? [])].join(', ');
  const restart = gracefulRestart?.families.map(({ family }) => family).join(', ');
  const all: readonly (readonly [isSo: boolean, phrase: string])[] = [
    [fourOctetAs, 'four-octet AS numbers'],
    [routeRefresh, 'route refresh'],
    [(codec.addPathReceive?.size ?? 0) > 0, `takes several paths: ${of(codec.addPathReceive)}`],
    [(codec.addPathSend?.size ?? 0) > 0, `sends several paths: ${of(codec.addPathSend)}`],
    [codec.extendedMessages === true, 'messages up to 65535 octets'],
    [(codec.extendedNextHop?.size ?? 0) > 0, `IPv6 next hops: ${of(codec.extendedNextHop)}`],
    [
      gracefulRestart !== undefined,
      `graceful restart, its routes are kept for ${gracefulRestart?.restartTime ?? 0} s: ${restart === '' ? 'no family' : restart}`,
    ],
  ];
  const more: readonly (readonly [isSo: boolean, phrase: string])[] = [
    [negotiated.isNotificationRestart === true, 'routes are kept after a NOTIFICATION too (RFC 8538)'],
    [
      longLived !== undefined,
      `long-lived graceful restart: ${(longLived ?? []).map(({ family, staleTimeMs }) => `${family} ${staleTimeMs / 1000} s`).join(', ')}`,
    ],
    [role !== undefined, `roles: we ${role?.own}, it ${role?.peer ?? 'says none'}`],
  ];
  return [...all, ...more].filter(([isSo]) => isSo).map(([, phrase]) => phrase);
}

const limitsOf = ({ config, adjRibIn }: Neighbour): readonly string[] =>
  Object.entries(config.maxPrefix ?? {}).map(
    ([family, { most, action }]) =>
      `${adjRibIn.sizeOf(family as Family)} of ${most} in ${family}, then ${action}`,
  );

const openOf = (open: OpenMessage): OpenStatus => {
  const wide = open.capabilities.find((one) => one.kind === 'fourOctetAs');
  return {
    asn: wide?.asn ?? open.asField,
    routerId: formatIpv4(open.bgpId),
    holdTimeSeconds: open.holdTime,
    capabilities: open.capabilities.map(describeCapability),
  };
};

type Absent<T> = { [K in keyof T]: T[K] | undefined };

/** JSON has no undefined. */
const withoutAbsent = (detail: Absent<PeerDetail>): PeerDetail =>
  Object.fromEntries(
    Object.entries(detail).filter(([, value]) => value !== undefined),
  ) as unknown as PeerDetail;
