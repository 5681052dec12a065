/** Link-local next hops belong to the link of their session: they are scoped to it as they come in (RFC 4007 §6). */
import { type Address, type Ipv6, isIpv4, isLinkLocal6, scoped } from '../../src/lib/net.ts';
import { plainOf } from '../rib/view.ts';
import type { Announcement, Message, PathAttributes, UpdateMessage } from '../wire/message.ts';

/** Gives each message with its next hops on the link `ifindex`; one that has none is given back as it is. */
export function scopeTo(ifindex: number): (message: Message) => Message {
  // The codec gives equal attributes as the same object where it can; so does this.
  const known = new WeakMap<PathAttributes, PathAttributes>();
  const onLink = (address: Ipv6): Ipv6 => scoped(address, ifindex);
  const place = (address: Address): Address =>
    !isIpv4(address) && isLinkLocal6(address) ? onLink(address) : address;

  const attributesOf = (attributes: PathAttributes): PathAttributes => {
    const { nextHop, linkLocal } = attributes;
    if (linkLocal === undefined && place(nextHop) === nextHop) return attributes;
    const before = known.get(attributes);
    if (before !== undefined) return before;
    const after: PathAttributes = {
      ...plainOf(attributes),
      nextHop: place(nextHop),
      ...(linkLocal === undefined ? {} : { linkLocal: onLink(linkLocal) }),
    };
    known.set(attributes, after);
    return after;
  };
  const announcementOf = (announcement: Announcement): Announcement => ({
    ...announcement,
    attributes: attributesOf(announcement.attributes),
  });
  const updateOf = (update: UpdateMessage): UpdateMessage =>
    update.announced.length === 0 ? update : { ...update, announced: update.announced.map(announcementOf) };

  return (message) => (message.kind === 'update' ? updateOf(message) : message);
}
