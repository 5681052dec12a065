/**
 * What the kernel says of a table of the older iptables without listing it: struct ipt_getinfo
 * (include/uapi/linux/netfilter_ipv4/ip_tables.h; that of IPv6 is the same).
 */
import type { IpVersion } from '../lib/net.ts';
import { errnoName, kernelError } from './kernel-error.ts';
import { check, native } from './native.ts';
import { familyOf } from './sockaddr.ts';

/** Two of one table that differ are of different rules; two that are the same may be too. */
export interface XtShape {
  /** Rules, and what the kernel has beside them: one for each builtin chain, two for each other, one at the end. */
  readonly entries: number;
  readonly octets: number;
  /** Where each builtin chain begins and ends; the others come after them. */
  readonly builtins: string;
}

const SOCK_DGRAM = 2;
/** SOL_IP, SOL_IPV6. */
const level: Readonly<Record<IpVersion, number>> = { 4: 0, 6: 41 };
/** IPT_SO_GET_INFO, IP6T_SO_GET_INFO. */
const GET_INFO = 64;
const NAME_LENGTH = 32;
/** valid_hooks, hook_entry[5], underflow[5], num_entries, size. */
const WORDS = 13;
const ENTRIES_AT = 11;
const SIZE_AT = 12;

/** Fails with a KernelError. It takes CAP_NET_ADMIN. */
export function tableShape(version: IpVersion, table: string): XtShape {
  const asked = `look at the iptables table ${table} (IPv${version})`;
  const fd = check(asked, native().socket(familyOf(version), SOCK_DGRAM, 0));
  const bytes = new Uint8Array(NAME_LENGTH + WORDS * 4);
  bytes.set(new TextEncoder().encode(table).subarray(0, NAME_LENGTH - 1));
  const length = native().getsockopt(fd, level[version], GET_INFO, bytes);
  native().close(fd);
  if (length < 0) throw kernelError(asked, errnoName(-length));
  const words = [...new Uint32Array(bytes.buffer, NAME_LENGTH, WORDS)];
  const [entries = 0, octets = 0] = [words[ENTRIES_AT], words[SIZE_AT]];
  return { entries, octets, builtins: words.slice(0, ENTRIES_AT).join() };
}
