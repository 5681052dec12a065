/** What passed between us and each neighbour, counted in place. */
import { expect, test } from 'vitest';
import { Accounts } from '../../../bgp/transport/accounts.ts';
import type { Message } from '../../../bgp/wire/message.ts';
import { millis } from '../../../src/lib/net.ts';

const keepalive: Message = { kind: 'keepalive' };
const shutdown: Message = { kind: 'notification', code: 6, subcode: 2, data: new Uint8Array() };

test('messages are counted by kind and direction, one neighbour apart from the other', () => {
  const accounts = new Accounts(() => millis(7));
  accounts.sent('a', keepalive, 1);
  accounts.sent('a', keepalive, 3);
  accounts.received('b', keepalive, 1);
  accounts.received('b', keepalive, 2);
  expect(accounts.of('a').sent.keepalive).toBe(4);
  expect(accounts.of('a').received.keepalive).toBe(0);
  expect(accounts.of('b').received.keepalive).toBe(3);
  expect(accounts.of('c').received.keepalive).toBe(0);
});

test('the last NOTIFICATION is kept with its time, and each kind of it is counted for good', () => {
  const accounts = new Accounts(() => millis(7));
  accounts.received('a', shutdown, 1);
  accounts.sent('a', shutdown, 1);
  expect(accounts.of('a')).toMatchObject({
    notificationReceived: { notification: shutdown, at: 7 },
    notificationSent: { notification: shutdown, at: 7 },
  });
  accounts.keep(() => false);
  expect(accounts.of('a').notificationReceived).toBeUndefined();
  expect([...accounts.notifications]).toEqual([
    ['received 6/2', 1],
    ['sent 6/2', 1],
  ]);
});

test('a neighbour that makes up codes cannot fill the memory', () => {
  const accounts = new Accounts(() => millis(0));
  for (let subcode = 0; subcode < 200; subcode += 1)
    accounts.received('a', { kind: 'notification', code: 6, subcode, data: new Uint8Array() }, 1);
  expect(accounts.notifications.size).toBe(101);
  expect(accounts.notifications.get('received other')).toBe(100);
});

test('connections and what could not be read are counted', () => {
  const accounts = new Accounts(() => millis(0));
  accounts.connection('a', 'made');
  accounts.connection('a', 'lost');
  accounts.connection('a', 'made');
  accounts.refused('a', { kind: 'notification', code: 1, subcode: 2, data: new Uint8Array() });
  expect(accounts.of('a')).toMatchObject({ connections: { made: 2, lost: 1 }, refused: { '1/2': 1 } });
});
