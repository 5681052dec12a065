import { describe, expect, test } from 'vitest';
import {
  allow,
  type Bucket,
  countedUp,
  firstEvent,
  type Notice,
  noticeName,
} from '../../../src/controller/decide/notice.ts';
import { millis } from '../../../src/lib/net.ts';

const notice = (over: Partial<Notice> = {}): Notice => ({
  about: { kind: 'BGPPeer', name: 'tor', uid: 'u1' },
  type: 'Warning',
  reason: 'PeerDown',
  message: 'down on n1: connection refused',
  ...over,
});

describe('an Event', () => {
  test('has one name for all who say the same of the same object, and another otherwise', () => {
    expect(noticeName(notice())).toBe(noticeName(notice()));
    const others = [
      notice({ message: 'else' }),
      notice({ reason: 'PeerUp' }),
      notice({ about: { kind: 'BGPPeer', name: 'tor', uid: 'u2' } }),
    ];
    expect(new Set([notice(), ...others].map(noticeName)).size).toBe(4);
  });

  test('of an object whose name is as long as names may be has a name that is not longer', () => {
    const about = { kind: 'BGPPeer', name: `${'a'.repeat(199)}-${'b'.repeat(53)}` } as const;
    expect(noticeName(notice({ about }))).toMatch(/^a{199}\.[0-9a-f]{16}$/);
  });

  test('of what is in no namespace stands in default, as the API server asks', () => {
    const event = firstEvent(
      notice(),
      { apiVersion: 'projectcalico.org/v3', kind: notice().about.kind },
      'c1',
      '2026-01-01T00:00:00Z',
    );
    expect(event).toMatchObject({
      metadata: { namespace: 'default' },
      involvedObject: { kind: 'BGPPeer', name: 'tor', uid: 'u1', apiVersion: 'projectcalico.org/v3' },
      count: 1,
    });
    expect(event.involvedObject).not.toHaveProperty('namespace');
  });

  test('that is said again keeps when it was first, and counts', () => {
    const first = firstEvent(
      notice(),
      { apiVersion: 'v1', kind: notice().about.kind },
      'c1',
      '2026-01-01T00:00:00Z',
    );
    expect(countedUp(first, 3, '2026-01-01T00:05:00Z')).toMatchObject({
      count: 4,
      firstTimestamp: '2026-01-01T00:00:00Z',
      lastTimestamp: '2026-01-01T00:05:00Z',
    });
  });
});

describe('the rate of Events', () => {
  const about = notice().about;

  test('is 25 at once for an object, then one in five minutes, without an effect on others', () => {
    const buckets = new Map<string, Bucket>();
    const at = (ms: number) => allow(buckets, about, millis(ms));
    expect(Array.from({ length: 30 }, () => at(0)).filter(Boolean)).toHaveLength(25);
    expect(at(299_000)).toBe(false);
    expect(at(301_000)).toBe(true);
    expect(at(302_000)).toBe(false);
    expect(allow(buckets, { kind: 'IPPool', name: 'p' }, millis(302_000))).toBe(true);
    // After a long quiet time no more than the burst.
    expect(Array.from({ length: 30 }, () => at(1e9)).filter(Boolean)).toHaveLength(25);
  });

  test('is remembered for so many objects and no more', () => {
    const buckets = new Map<string, Bucket>();
    for (let n = 0; n < 6000; n += 1) allow(buckets, { kind: 'Pod', name: `p${n}` }, millis(n));
    expect(buckets.size).toBe(4096);
  });
});
