/** Numbers of netlink(7) and rtnetlink(7), from include/uapi/linux/{netlink,rtnetlink,if_link,neighbour}.h. */

/** nlmsg_flags. */
export const NLM_F = {
  REQUEST: 0x1,
  MULTI: 0x2,
  ACK: 0x4,
  DUMP_INTR: 0x10,
  DUMP: 0x300,
  REPLACE: 0x100,
  EXCL: 0x200,
  CREATE: 0x400,
  /** In an error message: the request's payload was left out. */
  CAPPED: 0x100,
  /** In an error message: attributes follow. */
  ACK_TLVS: 0x200,
} as const;

/** Control messages, nlmsg_type < 16. */
export const NLMSG = { ERROR: 2, DONE: 3, OVERRUN: 4 } as const;

export const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  NEWADDR: 20,
  DELADDR: 21,
  GETADDR: 22,
  NEWROUTE: 24,
  DELROUTE: 25,
  GETROUTE: 26,
  NEWNEIGH: 28,
  DELNEIGH: 29,
  GETNEIGH: 30,
} as const;

/** Multicast groups of NETLINK_ROUTE by number. */
export const RTNLGRP = {
  LINK: 1,
  NEIGH: 3,
  IPV4_IFADDR: 5,
  IPV4_ROUTE: 7,
  IPV6_IFADDR: 9,
  IPV6_ROUTE: 11,
} as const;

/** Socket families of AF_NETLINK. */
export const NETLINK = { ROUTE: 0, NETFILTER: 12 } as const;

/** rtm_scope and ifa_scope. */
export const SCOPE = { global: 0, link: 253, host: 254, nowhere: 255 } as const;

const SCOPES: ReadonlyMap<number, 'global' | 'link' | 'host'> = new Map([
  [SCOPE.global, 'global'],
  [SCOPE.link, 'link'],
  [SCOPE.host, 'host'],
]);

/** Undefined for scopes without a name of ours (site, nowhere, user-defined). */
export const scopeName = (scope: number): 'global' | 'link' | 'host' | undefined => SCOPES.get(scope);
