/**
 * Names and comments of nftables objects: readable first, and never the same for two things.
 *
 * A name is made of what a person would call it and of 64 bits of a hash of all that makes it itself, so
 * cutting or cleaning the readable part never makes two names one. nft takes letters, digits, "/", "-", "_" and
 * "." after a first letter, at most 128 characters; interface names and rule text keep to that by their own rules.
 */
import { sha256Hex } from '../../src/lib/hash.ts';

const readableLength = 64;
/** NFTNL_UDATA_COMMENT_MAXLEN, the final NUL included. */
const commentLength = 127;

/** @param identity  everything that tells this object from others of the same `prefix` */
export function objectName(prefix: string, readable: string, identity: string): string {
  const clean = readable.replaceAll(/[^A-Za-z0-9/_.-]/g, '_').slice(0, readableLength);
  return [prefix, ...(clean === '' ? [] : [clean]), sha256Hex(identity).slice(0, 16)].join('-');
}

/** `head` is shortened if both are too long for a comment; what nft cannot quote is replaced. */
export function commentOf(head: string, tail = ''): string {
  const clean = (text: string): string => text.replaceAll('"', "'").replaceAll(/[^ -~]|\\/g, '?');
  const room = commentLength - tail.length;
  const cut = head.length > room ? `${head.slice(0, room - 3)}...` : head;
  return clean(`${cut}${tail}`);
}
