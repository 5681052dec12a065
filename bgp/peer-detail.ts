/** All that is known of one neighbour, in the shape of `PeerDetail` of status.ts. Reads only. */
import { formatAddress, formatIpv4, type Millis } from '../src/lib/net.ts';
import type { NotedStatus, OpenStatus, PeerDetail, PeerStatus } from '../src/model/status.ts';
import type { Account, Noted } from './accounts.ts';
import type { BfdView } from './bfd/problems.ts';
import { bfdStatus } from './bfd/status.ts';
import type { Neighbour } from './speaker/neighbour.ts';
import { describeCapability } from './wire/describe-capability.ts';
import { describeNotification } from './wire/describe-notification.ts';
import type { OpenMessage } from './wire/message.ts';

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
    connections: account.connections,
    openSent: account.openSent && openOf(account.openSent),
    openReceived: account.openReceived && openOf(account.openReceived),
    notificationSent: noted(account.notificationSent),
    notificationReceived: noted(account.notificationReceived),
    bfd: bfd && bfdStatus(bfd, config.bfd?.isStrict ?? false, wallClock),
  });
}

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
