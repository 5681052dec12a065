/**
 * What passed between us and each neighbour, counted since it was configured; over all its connections. Written by the
 * transport, read when somebody asks. A message costs one addition in place.
 */
import type { Millis } from '../../src/lib/net.ts';
import type { Message, NotificationMessage, OpenMessage } from '../wire/message.ts';

export type Counts = Readonly<Record<Message['kind'], number>>;

/** As it is now: it goes on being counted. */
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

type Tally = Record<Message['kind'], number>;

/** The same, to be written. */
interface Ledger {
  readonly sent: Tally;
  readonly received: Tally;
  readonly refused: Record<string, number>;
  readonly connections: { made: number; lost: number };
  openSent?: OpenMessage;
  openReceived?: OpenMessage;
  notificationSent?: Noted;
  notificationReceived?: Noted;
}

const noTally = (): Tally => ({ open: 0, update: 0, notification: 0, keepalive: 0, routeRefresh: 0 });
const emptyLedger = (): Ledger => ({
  sent: noTally(),
  received: noTally(),
  refused: {},
  connections: { made: 0, lost: 0 },
});
const emptyAccount: Account = emptyLedger();
/** Of NOTIFICATIONs that are told apart. */
const mostCodes = 100;

export class Accounts {
  readonly #now: () => Millis;
  readonly #ledgers = new Map<string, Ledger>();
  readonly #notifications = new Map<string, number>();

  constructor(now: () => Millis) {
    this.#now = now;
  }

  /** How many, over all neighbours there ever were, by "sent 6/2" and "received 4/0". */
  get notifications(): ReadonlyMap<string, number> {
    return this.#notifications;
  }

  of(peer: string): Account {
    return this.#ledgers.get(peer) ?? emptyAccount;
  }

  /** Those of neighbours no longer configured are forgotten. */
  keep(isConfigured: (peer: string) => boolean): void {
    for (const peer of this.#ledgers.keys()) if (!isConfigured(peer)) this.#ledgers.delete(peer);
  }

  /** @param frames  how many messages it took on the wire */
  sent(peer: string, message: Message, frames: number): void {
    const ledger = this.#ledgerOf(peer);
    ledger.sent[message.kind] += frames;
    if (message.kind === 'open') ledger.openSent = message;
    if (message.kind !== 'notification') return;
    ledger.notificationSent = { notification: message, at: this.#now() };
    this.#note('sent', message);
  }

  /** @param frames  how many messages it came in */
  received(peer: string, message: Message, frames: number): void {
    const ledger = this.#ledgerOf(peer);
    ledger.received[message.kind] += frames;
    if (message.kind === 'open') ledger.openReceived = message;
    if (message.kind !== 'notification') return;
    ledger.notificationReceived = { notification: message, at: this.#now() };
    this.#note('received', message);
  }

  refused(peer: string, { code, subcode }: NotificationMessage): void {
    const { refused } = this.#ledgerOf(peer);
    const name = `${code}/${subcode}`;
    refused[name] = (refused[name] ?? 0) + 1;
  }

  connection(peer: string, what: 'made' | 'lost'): void {
    this.#ledgerOf(peer).connections[what] += 1;
  }

  #ledgerOf(peer: string): Ledger {
    let ledger = this.#ledgers.get(peer);
    if (ledger === undefined) {
      ledger = emptyLedger();
      this.#ledgers.set(peer, ledger);
    }
    return ledger;
  }

  #note(direction: 'sent' | 'received', { code, subcode }: NotificationMessage): void {
    const name = `${direction} ${code}/${subcode}`;
    // The codes are a neighbour's to choose.
    const key =
      this.#notifications.has(name) || this.#notifications.size < mostCodes ? name : `${direction} other`;
    this.#notifications.set(key, (this.#notifications.get(key) ?? 0) + 1);
  }
}
