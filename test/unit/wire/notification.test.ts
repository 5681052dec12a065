import { describe, expect, test } from 'vitest';
import { describeNotification } from '../../../bgp/wire/describe-notification.ts';
import type { NotificationMessage } from '../../../bgp/wire/message.ts';
import { cease, shutdownText } from '../../../bgp/wire/notification.ts';
import { bothWays } from '../../support/both-ways.ts';
import { bytesOf, hexOf, messageHex } from '../../support/wire.ts';

const notification = (code: number, subcode: number, data = ''): NotificationMessage => ({
  kind: 'notification',
  code,
  subcode,
  data: bytesOf(data),
});

test('code, subcode and data go both ways', () => {
  bothWays(messageHex(3, '0602'), notification(6, 2));
  bothWays(messageHex(3, '0102 1001'), notification(1, 2, '1001'));
});

describe('in words', () => {
  test.each([
    [notification(1, 2, '0012'), 'message header error, bad message length (1/2): length 18'],
    [notification(1, 3, 'ff'), 'message header error, bad message type (1/3): type 255'],
    [
      notification(2, 1, '0003'),
      'OPEN message error, unsupported version number (2/1): highest version supported 3',
    ],
    [notification(2, 2), 'OPEN message error, bad peer AS (2/2)'],
    [notification(2, 2, '0000fde7'), 'OPEN message error, bad peer AS (2/2): AS 64999'],
    [notification(2, 7, '0104'), 'OPEN message error, unsupported capability (2/7): capability 1'],
    [notification(3, 9, '800e00'), 'UPDATE message error, optional attribute error (3/9): data 800e00'],
    [notification(4, 0), 'hold timer expired (4/0)'],
    [notification(5, 2), 'finite state machine error, unexpected message in OpenConfirm (5/2)'],
    [
      notification(6, 1, '0001010000000a'),
      'cease, maximum number of prefixes reached (6/1): AFI 1, SAFI 1, limit 10',
    ],
    [notification(6, 2), 'cease, administrative shutdown (6/2)'],
    [notification(6, 2, '026869'), 'cease, administrative shutdown (6/2): "hi"'],
    [notification(6, 7), 'cease, connection collision resolution (6/7)'],
    [notification(6, 9, '0602026869'), 'cease, hard reset (6/9): cease, administrative shutdown (6/2): "hi"'],
    [notification(7, 1), 'ROUTE-REFRESH message error, invalid message length (7/1)'],
    [notification(8, 0), 'send hold timer expired (8/0)'],
    [notification(6, 99), 'cease, unknown subcode (6/99)'],
    [notification(200, 0), 'unknown error (200/0)'],
    [notification(6, 1, '00'), 'cease, maximum number of prefixes reached (6/1): data 00'],
    [
      notification(3, 1, 'ab'.repeat(17)),
      `UPDATE message error, malformed attribute list (3/1): data ${'ab'.repeat(16)}…`,
    ],
  ])('%o', (message, words) => {
    expect(describeNotification(message)).toBe(words);
  });

  test('every code and subcode the RFCs define has a name', () => {
    const defined: Readonly<Record<number, readonly number[]>> = {
      1: [1, 2, 3],
      2: [1, 2, 3, 4, 6, 7, 11],
      3: [1, 2, 3, 4, 5, 6, 8, 9, 10, 11],
      4: [0],
      5: [0, 1, 2, 3],
      6: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
      7: [1],
      8: [0],
    };
    for (const [code, subcodes] of Object.entries(defined))
      for (const subcode of subcodes)
        expect(describeNotification(notification(Number(code), subcode))).not.toContain('unknown');
  });
});

describe('RFC 9003 §2: the text of a shutdown', () => {
  test('goes into 6/2 and 6/4 as UTF-8 with its length', () => {
    expect(hexOf(cease(2, 'zu Tür').data)).toBe('077a752054c3bc72');
    expect(shutdownText(cease(4, 'café ☕ 🐈'))).toBe('café ☕ 🐈');
  });

  test('goes nowhere else, and an empty one sends nothing', () => {
    expect(cease(3, 'ignored').data).toHaveLength(0);
    expect(cease(2).data).toHaveLength(0);
  });

  test('is cut at 255 octets, never within a character', () => {
    const { data } = cease(2, '☕'.repeat(100));
    expect(data).toHaveLength(256);
    expect(shutdownText(cease(2, `${'x'.repeat(254)}é`))).toBe('x'.repeat(254));
  });

  test('that is not UTF-8, or longer than the data, is not shown as text', () => {
    expect(describeNotification(notification(6, 2, '02c328'))).toBe(
      'cease, administrative shutdown (6/2): data 02c328',
    );
    expect(describeNotification(notification(6, 2, '056869'))).toBe(
      'cease, administrative shutdown (6/2): data 056869',
    );
  });

  test('cannot steer a terminal', () => {
    expect(shutdownText(notification(6, 2, '041b5b326a'))).toBe('\ufffd[2j');
  });
});
