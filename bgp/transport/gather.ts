/**
 * UPDATEs that lie one behind the other, made one that says the same: what a turn of the speaker costs by itself is had once for all
 * of them. In one UPDATE all that is withdrawn goes before all that is announced (RFC 4271 §4.3), so only such are made one where
 * nothing is withdrawn after something was announced. Those with flaws, and an End-of-RIB, stay by themselves.
 */
import type { Prefix } from '../../src/lib/net.ts';
import type { Announcement, Message, UpdateMessage } from '../wire/message.ts';

/** With so many it is told: a turn must not last, and with these it takes a fifth of a millisecond. */
const mostPrefixes = 128;
const mostSets = 16;
const nothing: UpdateMessage = { kind: 'update', withdrawn: [], announced: [], flaws: [] };

/** One for the life of a connection. */
export class Gathering {
  #first = nothing;
  /** Absent while it is what the first one says. */
  #withdrawn: Prefix[] | undefined;
  #announced: Announcement[] | undefined;
  #sets = 0;
  #prefixes = 0;

  /** @returns  whether others may be told with this one */
  begin(message: Message): boolean {
    if (message.kind !== 'update' || !isPlain(message)) return false;
    this.#first = message;
    this.#sets = 0;
    this.#prefixes = 0;
    this.#count(message);
    return true;
  }

  get isFull(): boolean {
    return this.#prefixes >= mostPrefixes || this.#sets >= mostSets;
  }

  /** @returns  false: it must be told by itself, after what `take` gives */
  add(message: Message): boolean {
    if (message.kind !== 'update' || !isPlain(message)) return false;
    const { withdrawn, announced } = message;
    if (withdrawn.length > 0) {
      if (this.#sets > 0) return false;
      this.#withdrawn ??= [...this.#first.withdrawn];
      for (let index = 0; index < withdrawn.length; index += 1)
        this.#withdrawn.push(withdrawn[index] as Prefix);
    }
    if (announced.length > 0) {
      this.#announced ??= [...this.#first.announced];
      for (let index = 0; index < announced.length; index += 1)
        this.#announced.push(announced[index] as Announcement);
    }
    this.#count(message);
    return true;
  }

  /** All of them as one, which is not held any more. */
  take(): UpdateMessage {
    const { withdrawn, announced, flaws } = this.#first;
    const all: UpdateMessage = {
      kind: 'update',
      withdrawn: this.#withdrawn ?? withdrawn,
      announced: this.#announced ?? announced,
      flaws,
    };
    this.#first = nothing;
    this.#withdrawn = undefined;
    this.#announced = undefined;
    return all;
  }

  #count({ withdrawn, announced }: UpdateMessage): void {
    this.#prefixes += withdrawn.length;
    this.#sets += announced.length;
    for (let index = 0; index < announced.length; index += 1)
      this.#prefixes += (announced[index] as Announcement).prefixes.length;
  }
}

const isPlain = ({ withdrawnIds, endOfRib, flaws }: UpdateMessage): boolean =>
  withdrawnIds === undefined && endOfRib === undefined && flaws.length === 0;
