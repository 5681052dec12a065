/** Which roles two neighbours may have towards each other: RFC 9234 §4.2, table 2. */
import type { Role } from '../config.ts';
import type { OpenMessage } from '../wire/message.ts';

const counterparts: Readonly<Record<Role, Role>> = {
  provider: 'customer',
  customer: 'provider',
  rs: 'rs-client',
  'rs-client': 'rs',
  peer: 'peer',
};

/**
 * Why these two cannot be neighbours, a sentence without a full stop; undefined: they can.
 * @param own  ours, absent: we state none, and then the neighbour's does not matter
 */
export function roleMismatch(own: PeerRole | undefined, received: OpenMessage): string | undefined {
  if (own === undefined) return undefined;
  const stated = rolesIn(received);
  if (stated.length > 1)
    return `the neighbour states ${stated.length} roles at once, ${stated.join(' and ')}`;
  const [their] = stated;
  if (their === undefined)
    return own.isStrict
      ? `the neighbour states no role, and ours (${own.own}) is to be taken strictly`
      : undefined;
  return counterparts[own.own] === their
    ? undefined
    : `the neighbour says it is our ${their} and we are its ${own.own}; across from ${own.own} there must be ${counterparts[own.own]}`;
}

/** Each once: a role stated twice is one role (RFC 9234 §4.2). */
export const rolesIn = ({ capabilities }: OpenMessage): readonly Role[] => [
  ...new Set(capabilities.flatMap((one) => (one.kind === 'role' ? [one.role] : []))),
];

interface PeerRole {
  readonly own: Role;
  readonly isStrict?: true;
}
