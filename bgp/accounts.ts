/**
 * What passed between us and each neighbour, counted since it was configured; over all its connections. Written by the
 * transport, read when somebody asks.
 */
import type { Millis } from '../src/lib/net.ts';
import type { Message, NotificationMessage, OpenMessage } from './wire/message.ts';

export type Counts = Readonly<Record<Message['kind'], number>>;

export interface Account {
  readonly sent: Counts;
  readonly received: Counts;
  /** Messages that could not be read and ended the connection, by "code/subcode" of the answer. */
  readonly refused: Readonly<Record<string, number>>;
  readonly connections: { readonly made: number; readonly lost: number };
  readonly openSent?: OpenMessage;
  readonly openReceived?: OpenMessage;
  readonly notificationSent?: Noted;
  readonly notificationReceived?: Noted;
}

export interface Noted {
  readonly notification: NotificationMessage;
  readonly at: Millis;
}

const none: Counts = { open: 0, update: 0, notification: 0, keepalive: 0, routeRefresh: 0 };
/** Of NOTIFICATIONs that are told apart. */
const mostCodes = 100;
const emptyAccount: Account = {
  sent: none,
  received: none,
  refused: {},
  connections: { made: 0, lost: 0 },
};

export class Accounts {
  readonly #accounts = new Map<string, Account>();
  readonly #notifications = new Map<string, number>();

  /** How many, over all neighbours there ever were, by "sent 6/2" and "received 4/0". */
  get notifications(): ReadonlyMap<string, number> {
    return this.#notifications;
  }

  of(peer: string): Account {
    return this.#accounts.get(peer) ?? emptyAccount;
  }

  /** Those of neighbours no longer configured are forgotten. */
  keep(isConfigured: (peer: string) => boolean): void {
    for (const peer of this.#accounts.keys()) if (!isConfigured(peer)) this.#accounts.delete(peer);
  }

  /** @param frames  how many messages it took on the wire */
  sent(peer: string, message: Message, frames: number, at: Millis): void {
    this.#note('sent', message);
    const account = this.of(peer);
    this.#accounts.set(peer, {
      ...account,
      sent: { ...account.sent, [message.kind]: account.sent[message.kind] + frames },
      ...(message.kind === 'open' ? { openSent: message } : {}),
      ...(message.kind === 'notification' ? { notificationSent: { notification: message, at } } : {}),
    });
  }

  received(peer: string, message: Message, at: Millis): void {
    this.#note('received', message);
    const account = this.of(peer);
    this.#accounts.set(peer, {
      ...account,
      received: { ...account.received, [message.kind]: account.received[message.kind] + 1 },
      ...(message.kind === 'open' ? { openReceived: message } : {}),
      ...(message.kind === 'notification' ? { notificationReceived: { notification: message, at } } : {}),
    });
  }

  #note(direction: 'sent' | 'received', message: Message): void {
    if (message.kind !== 'notification') return;
    const name = `${direction} ${message.code}/${message.subcode}`;
    // The codes are a neighbour's to choose.
    const key =
      this.#notifications.has(name) || this.#notifications.size < mostCodes ? name : `${direction} other`;
    this.#notifications.set(key, (this.#notifications.get(key) ?? 0) + 1);
  }

  refused(peer: string, { code, subcode }: NotificationMessage): void {
    const account = this.of(peer);
    const name = `${code}/${subcode}`;
    const refused = { ...account.refused, [name]: (account.refused[name] ?? 0) + 1 };
    this.#accounts.set(peer, { ...account, refused });
  }

  connection(peer: string, what: 'made' | 'lost'): void {
    const account = this.of(peer);
    const connections = { ...account.connections, [what]: account.connections[what] + 1 };
    this.#accounts.set(peer, { ...account, connections });
  }
}
