/** A decoded message as data that JSON can hold: addresses, prefixes and communities as text, octets as hexadecimal. */
import { type Address, formatAddress, formatIpv4, formatPrefix, type Prefix } from '../../src/lib/net.ts';
import { formatCommunity, formatExtendedCommunity } from './communities.ts';
import { describeCapability } from './describe-capability.ts';
import { describeNotification } from './describe-notification.ts';
import type { Capability, CapabilityOf, Message, PathAttributes, UpdateMessage } from './message.ts';

export type Plain =
  | string
  | number
  | boolean
  | undefined
  | readonly Plain[]
  | { readonly [key: string]: Plain };
type PlainObject = { readonly [key: string]: Plain };

type Forms<Table> = { readonly [K in keyof Table]: (value: Table[K]) => PlainObject };
type MessageOf = { readonly [M in Message as M['kind']]: M };

export const hexOf = (octets: Uint8Array): string => {
  let text = '';
  for (const octet of octets) text += octet.toString(16).padStart(2, '0');
  return text;
};

const text = (address: Address | undefined): string | undefined =>
  address === undefined ? undefined : formatAddress(address);

/** One prefix; with its Path Identifier where the family has them (RFC 7911). */
const nlri = (prefixes: readonly Prefix[], ids: readonly number[] | undefined): Plain =>
  prefixes.map((prefix, index) =>
    ids === undefined ? formatPrefix(prefix) : { prefix: formatPrefix(prefix), pathId: ids[index] ?? 0 },
  );

/** By the names of `PathAttributes`; what an attribute is absent for is absent. */
function attributes(all: PathAttributes): PlainObject {
  return {
    origin: all.origin,
    asPath: all.asPath.map(({ kind, asns }) => ({ kind, asns })),
    nextHop: formatAddress(all.nextHop),
    linkLocal: text(all.linkLocal),
    med: all.med,
    localPref: all.localPref,
    atomicAggregate: all.atomicAggregate,
    aggregator: all.aggregator && { asn: all.aggregator.asn, address: formatIpv4(all.aggregator.address) },
    communities: all.communities?.map(formatCommunity),
    originatorId: text(all.originatorId),
    clusterList: all.clusterList?.map(formatIpv4),
    extendedCommunities: all.extendedCommunities?.map(formatExtendedCommunity),
    largeCommunities: all.largeCommunities?.map((parts) => parts.join(':')),
    otc: all.otc,
    unknown: all.unknown?.map(({ flags, code, body }) => ({ code, flags, value: hexOf(body) })),
  };
}

const updateForm = ({ withdrawn, withdrawnIds, announced, endOfRib }: UpdateMessage): PlainObject => ({
  withdrawn: nlri(withdrawn, withdrawnIds),
  announced: announced.map(({ family, attributes: told, prefixes, pathIds }) => ({
    family,
    prefixes: nlri(prefixes, pathIds),
    attributes: attributes(told),
  })),
  endOfRib,
});

/** Its fields besides `kind`. */
const capabilityForms: Forms<CapabilityOf> = {
  multiprotocol: ({ family }) => ({ family }),
  routeRefresh: () => ({}),
  extendedNextHop: ({ families }) => ({ families }),
  extendedMessage: () => ({}),
  role: ({ role }) => ({ role }),
  gracefulRestart: ({ kind, ...fields }) => fields,
  fourOctetAs: ({ asn }) => ({ asn }),
  addPath: ({ families }) => ({ families }),
  enhancedRouteRefresh: () => ({}),
  longLivedGracefulRestart: ({ families }) => ({ families }),
  unknown: ({ code, body }) => ({ code, value: hexOf(body) }),
};

function capabilityForm<K extends Capability['kind']>(capability: CapabilityOf[K]): PlainObject {
  const form: Forms<CapabilityOf>[K] = capabilityForms[capability.kind as K];
  return form(capability);
}

const capability = (one: Capability): PlainObject => ({
  kind: one.kind,
  words: describeCapability(one),
  ...capabilityForm(one),
});

const messageForms: Forms<MessageOf> = {
  open: ({ version, asField, holdTime, bgpId, capabilities }) => ({
    version,
    asField,
    holdTime,
    bgpId: formatIpv4(bgpId),
    capabilities: capabilities.map(capability),
  }),
  update: updateForm,
  notification: (message) => ({
    code: message.code,
    subcode: message.subcode,
    data: hexOf(message.data),
    words: describeNotification(message),
  }),
  keepalive: () => ({}),
  routeRefresh: ({ subtype, family }) => ({ subtype, family }),
};

function messageForm<K extends Message['kind']>(message: MessageOf[K]): PlainObject {
  const form: Forms<MessageOf>[K] = messageForms[message.kind as K];
  return form(message);
}

export const plainMessage = (message: Message): PlainObject => ({
  kind: message.kind,
  ...messageForm(message),
});
