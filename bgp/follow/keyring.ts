/**
 * The keys of signed sessions (RFC 2385), read from Secrets by name and read again from time to time: the only place that
 * holds them, in memory only.
 *
 * A key that was read stays while its Secret cannot be asked for; one that is gone from its Secret is gone here too.
 */
import type { Clock } from '../../src/host/clock.ts';
import { longestKey } from '../../src/kernel/tcp.ts';
import { millis } from '../../src/lib/net.ts';
import type { SecretKey } from '../../src/model/resource.ts';
import type { Secrets } from '../../src/store/secrets.ts';
import type { Known } from '../intent/passwords.ts';

export interface KeyringOptions {
  readonly secrets: Secrets;
  readonly clock: Clock;
  /** A key was read, changed or went. */
  readonly onChange: () => void;
}

interface Entry {
  readonly known: Known;
  readonly value?: Uint8Array;
  /** The latest revision there was, so that one never stands for two values. */
  readonly revisions: number;
}

const nameOf = ({ name, key }: SecretKey): string => `${name}/${key}`;
const unread: Entry = { known: { kind: 'unread' }, revisions: 0 };

export class Keyring {
  readonly #options: KeyringOptions;
  readonly #entries = new Map<string, Entry>();
  #wanted: readonly SecretKey[] = [];
  #cancel: (() => void) | undefined;
  #isReading = false;
  #isStopped = false;

  constructor(options: KeyringOptions) {
    this.#options = options;
  }

  /** What is needed from now on; a new one is read at once, one that is needed no longer is forgotten. */
  want(keys: readonly SecretKey[]): void {
    this.#wanted = keys;
    const names = new Set(keys.map(nameOf));
    for (const name of this.#entries.keys()) if (!names.has(name)) this.#entries.delete(name);
    if (keys.length === 0) this.#rest();
    else if ([...names].some((name) => !this.#entries.has(name))) void this.#read();
  }

  known(key: SecretKey): Known {
    return (this.#entries.get(nameOf(key)) ?? unread).known;
  }

  /** For the kernel, and for nobody else. */
  value(key: SecretKey): Uint8Array | undefined {
    return this.#entries.get(nameOf(key))?.value;
  }

  stop(): void {
    this.#isStopped = true;
    this.#rest();
    this.#entries.clear();
  }

  #rest(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  async #read(): Promise<void> {
    if (this.#isReading || this.#isStopped) return;
    this.#isReading = true;
    this.#rest();
    const before = this.#wanted;
    let isNew = false;
    for (const name of new Set(before.map((key) => key.name))) isNew = (await this.#readOne(name)) || isNew;
    this.#isReading = false;
    if (this.#isStopped) return;
    const unasked = this.#wanted.some((key) => !this.#entries.has(nameOf(key)));
    if (this.#wanted.length > 0)
      this.#cancel = this.#options.clock.after(
        millis(unasked ? 0 : this.#options.secrets.everyMs),
        () => void this.#read(),
      );
    if (isNew) this.#options.onChange();
  }

  /** True if something is different now. */
  async #readOne(secret: string): Promise<boolean> {
    const { secrets } = this.#options;
    const place = secrets.place(secret);
    const answer = await secrets.read(secret);
    let isNew = false;
    for (const key of this.#wanted.filter(({ name }) => name === secret)) {
      const before = this.#entries.get(nameOf(key)) ?? unread;
      const next = answer.ok
        ? entryOf(before, answer.value?.get(key.key), place, key.key, answer.value !== undefined)
        : unanswered(before, place, answer.error);
      this.#entries.set(nameOf(key), next);
      isNew ||= JSON.stringify(next.known) !== JSON.stringify(before.known);
    }
    return isNew;
  }
}

function unanswered(before: Entry, place: string, why: string): Entry {
  if (before.value !== undefined) return before;
  const what = `${place} cannot be read: ${why.replace(/\.$/, '')}.`;
  const fix = 'Let this speaker get that Secret; it is asked for again.';
  return { known: { kind: 'unusable', what, fix }, revisions: before.revisions };
}

function entryOf(
  before: Entry,
  value: Uint8Array | undefined,
  place: string,
  key: string,
  isThere: boolean,
): Entry {
  const flaw = isThere ? flawOf(value, key) : { what: 'is not there', fix: 'Create it with this key.' };
  if (flaw !== undefined || value === undefined)
    return {
      known: { kind: 'unusable', what: `${place} ${flaw?.what}.`, fix: flaw?.fix ?? '' },
      revisions: before.revisions,
    };
  if (before.value !== undefined && Buffer.compare(before.value, value) === 0) return before;
  const revision = before.revisions + 1;
  return { known: { kind: 'found', revision }, value, revisions: revision };
}

/** No router's configuration can hold a line break, so one at the end is a slip of the hand that made the Secret. */
function flawOf(value: Uint8Array | undefined, key: string) {
  if (value === undefined) return { what: `has no key ${key}`, fix: 'Add the key, or name the one it has.' };
  if (value.byteLength === 0) return { what: `has an empty ${key}`, fix: 'Put the password there.' };
  if (value.byteLength > longestKey)
    return {
      what: `has ${value.byteLength} octets in ${key}, and TCP MD5 takes ${longestKey} at most`,
      fix: 'Use a shorter password.',
    };
  if (value.includes(10) || value.includes(13))
    return {
      what: `has a line break in ${key}, which no neighbour can be given`,
      fix: 'Make it without one: printf %s PASSWORD, not echo.',
    };
  return undefined;
}
