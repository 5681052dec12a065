/** Numbers of nf_tables, from include/uapi/linux/netfilter/nf_tables.h and nfnetlink.h. */

export const NFNL_SUBSYS_NFTABLES = 10;
/** Message types of nfnetlink itself. */
export const BATCH = { BEGIN: 0x10, END: 0x11 } as const;

/** Families of tables, as netfilter numbers protocols. */
export const FAMILY = { any: 0, inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 } as const;

/** enum nf_tables_msg_types. */
export const MSG = {
  NEWTABLE: 0,
  GETTABLE: 1,
  DELTABLE: 2,
  NEWCHAIN: 3,
  GETCHAIN: 4,
  DELCHAIN: 5,
  NEWRULE: 6,
  GETRULE: 7,
  DELRULE: 8,
  NEWSET: 9,
  GETSET: 10,
  DELSET: 11,
  NEWSETELEM: 12,
  GETSETELEM: 13,
  DELSETELEM: 14,
  NEWGEN: 15,
  TRACE: 17,
  GETOBJ: 19,
  GETFLOWTABLE: 23,
} as const;

export const messageType = (kind: number): number => (NFNL_SUBSYS_NFTABLES << 8) | kind;

/** struct nfgenmsg: family, version, res_id. */
export const NFGENMSG = 4;

/** nlmsg_flags of changes, beside NLM_F_REQUEST. */
export const FLAG = { CREATE: 0x400, APPEND: 0x800 } as const;

/** NFTA_TABLE_NAME, NFTA_*_TABLE: the same of all objects. */
export const TABLE = 1;
export const TABLE_FLAGS = 2;
/** NFT_TABLE_F_OWNER: the table is the socket's that made it, and goes with it. */
export const TABLE_OWNED = 2;
export const CHAIN = { NAME: 3, HOOK: 4, POLICY: 5, TYPE: 7, USERDATA: 12 } as const;
export const HOOK = { NUMBER: 1, PRIORITY: 2 } as const;
export const RULE = { CHAIN: 2, HANDLE: 3, EXPRESSIONS: 4, USERDATA: 7 } as const;
export const SET = {
  NAME: 2,
  FLAGS: 3,
  KEY_TYPE: 4,
  KEY_LEN: 5,
  DATA_TYPE: 6,
  DATA_LEN: 7,
  DESC: 9,
  ID: 10,
  USERDATA: 13,
} as const;
export const DESC_SIZE = 1;
export const ELEMENTS = { SET: 2, LIST: 3, SET_ID: 4 } as const;
export const ELEMENT = { KEY: 1, DATA: 2, FLAGS: 3, USERDATA: 6 } as const;
export const LIST_ELEM = 1;
export const DATA = { VALUE: 1, VERDICT: 2 } as const;
export const VERDICT = { CODE: 1, CHAIN: 2 } as const;
export const EXPRESSION = { NAME: 1, DATA: 2 } as const;
/** enum nft_match_attributes: a match of iptables as an expression. */
export const MATCH = { NAME: 1, INFO: 3 } as const;

/** enum nft_set_flags. */
export const SET_FLAG = { ANONYMOUS: 1, CONSTANT: 2, INTERVAL: 4, MAP: 8 } as const;
/** NFT_SET_ELEM_INTERVAL_END: the key is the first one that is not in the interval. */
export const INTERVAL_END = 1;
/** The data type of a map of verdicts; of any other map it is a number of nft's own. */
export const DATA_VERDICT = 0xffff_ff00;

/** enum nft_verdicts, and of netfilter.h. */
export const CODE = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 } as const;

/** NF_INET_*: hooks of the families ip, ip6 and inet. */
export const hookNames = ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const;
export type HookName = (typeof hookNames)[number];

/** Registers of 16 octets, and of 4: REG32 + n are the octets from 4n on, REG_1 the first 16 of them. */
export const REG = { VERDICT: 0, R1: 1, R2: 2, R3: 3, REG32: 8 } as const;
/** enum nft_meta_keys. */
export const META = { MARK: 3, IIFNAME: 6, OIFNAME: 7, NFTRACE: 12, NFPROTO: 15, L4PROTO: 16 } as const;
/** enum nft_payload_bases. */
export const BASE = { NETWORK: 1, TRANSPORT: 2 } as const;
/** enum nft_cmp_ops; of `range` only the first two. */
export const CMP = { EQ: 0, NEQ: 1, LT: 2, LTE: 3, GT: 4, GTE: 5 } as const;
/** enum nft_ct_keys. */
export const CT = { STATE: 0, STATUS: 2 } as const;
/** Bits of `ct state` (NF_CT_STATE_BIT) and of `ct status` (enum ip_conntrack_status). */
export const CT_STATE = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 } as const;
export const IPS_DST_NAT = 32;
/** enum nft_fib_result, nft_fib_flags; RTN_LOCAL of rtnetlink. */
export const FIB = { OIF: 1, ADDRTYPE: 3, SADDR: 1, DADDR: 2, IIF: 8, PRESENT: 32, LOCAL: 2 } as const;
/** enum nft_reject_types, nft_reject_inet_code. */
export const REJECT = { TCP_RESET: 1, ICMPX: 2, ADMIN_PROHIBITED: 3 } as const;
/** enum nft_nat_types; NF_NAT_RANGE_*. */
export const NAT = { SOURCE: 0, DESTINATION: 1, PORTS: 2, FULLY_RANDOM: 16 } as const;

/** Numbers of nft's own data types, and octets: what it needs to read a set back. `order`: 1 host's, 2 network's, 0 of each field. */
export const KEY = {
  ipv4: { type: 7, length: 4, order: 2 },
  ipv6: { type: 8, length: 16, order: 2 },
  service: { type: 13, length: 2, order: 2 },
  icmpType: { type: 14, length: 1, order: 2 },
  icmp6Type: { type: 29, length: 1, order: 2 },
  ifname: { type: 41, length: 16, order: 1 },
  /** address . inet_proto . inet_service, six bits each; every field takes a multiple of 4 octets. */
  port4: { type: (7 << 12) | (12 << 6) | 13, length: 12, order: 0 },
  port6: { type: (8 << 12) | (12 << 6) | 13, length: 24, order: 0 },
  /** inet_proto . inet_service */
  transport: { type: (12 << 6) | 13, length: 8, order: 0 },
  /** icmp_type . icmp_code */
  icmp: { type: (14 << 6) | 32, length: 8, order: 0 },
  icmp6: { type: (29 << 6) | 33, length: 8, order: 0 },
} as const;
export type KeyType = (typeof KEY)[keyof typeof KEY];
