/** Each way a session can be down has a sentence that says what to do. */
import { expect, test } from 'vitest';
import type { PeerConfig } from '../../../bgp/config.ts';
import { describeDown } from '../../../bgp/session/describe.ts';
import type { DownReason } from '../../../bgp/session/event.ts';
import { whyDown } from '../../../bgp/status/diagnosis.ts';
import { remedyOf } from '../../../bgp/status/remedies.ts';
import { describeErrno } from '../../../bgp/transport/errno.ts';
import { peerConfig } from '../../support/peer.ts';

const none = { wrongKey: 0, unsigned: 0, unexpected: 0, tooFar: 0 };
const peer: PeerConfig = { ...peerConfig(), origin: 'global', resource: 'tor' };
const notification = (code: number, subcode: number) =>
  ({ kind: 'notification', code, subcode, data: new Uint8Array(0) }) as const;

const both = (lastDown: DownReason, config: PeerConfig = peer) => {
  const lastError = describeDown(lastDown);
  const why = whyDown({ config, lastError, rejected: undefined, drops: none }) ?? '';
  return { why, remedy: remedyOf({ config, why, lastDown }) };
};

test.each([
  ['ECONNREFUSED', /Start BGP on .*let it listen on port 179/],
  ['ETIMEDOUT', /"ping .*no firewall on the way drops TCP port 179/],
  ['EHOSTUNREACH', /ip neighbour show/],
  ['ENETUNREACH', /route to .*reachableBy in BGPPeer\/tor/],
  ['ENETDOWN', /Bring the interface up/],
  ['EADDRNOTAVAIL', /sourceAddress None in BGPPeer\/tor/],
  ['EPERM', /nft list ruleset/],
])('of a connection that ends in %s', (errno, words) => {
  const { why, remedy } = both({ kind: 'tcpFailed', why: describeErrno(errno, '10.0.0.2 port 179') });
  expect(why).toContain(errno);
  expect(remedy).toMatch(words);
});

test.each([
  [2, 2, 'the neighbour says it is AS 65002 but BGPPeer expects 65001', /Set asNumber of BGPPeer\/tor/],
  [2, 3, 'the neighbour has our own BGP Identifier', /another router id/],
  [2, 6, 'the neighbour proposes a hold time of 1 s', /hold time of 3 s or more/],
  [2, 7, 'no address family in common', /address family on the router/],
  [2, 11, 'the neighbour states the role provider', /roles that go together/],
  [4, 0, 'nothing came from the neighbour for 90 s', /loss on the link/],
  [6, 1, 'it told more than 100 prefixes', /raise maxPrefix of BGPPeer\/tor/],
  [8, 0, 'it takes nothing', /stopped reading/],
])('of what we ended with %i/%i', (code, subcode, why, words) => {
  const said = both({ kind: 'notificationSent', notification: notification(code, subcode), why });
  expect(said.why).toContain(why);
  expect(said.remedy).toMatch(words);
});

test.each([
  [2, 2, /Tell the router that we are AS 65000/],
  [2, 6, /longer holdTime in BGPPeer\/tor/],
  [2, 7, /what we offer/],
  [2, 11, /roles that go together/],
  [4, 0, /starved of CPU/],
  [6, 1, /raise its limit/],
  [6, 2, /shut down there/],
  [6, 3, /tor-config/],
  [6, 5, /tor-config/],
])('of what the neighbour ended with %i/%i', (code, subcode, words) => {
  const { remedy } = both({ kind: 'notificationReceived', notification: notification(code, subcode) });
  expect(remedy).toMatch(words);
});

test.each<[Partial<typeof none>, Partial<PeerConfig>, RegExp, RegExp]>([
  [
    { wrongKey: 1 },
    { password: { name: 'bgp', key: 'tor', revision: 1 } },
    /TCPMD5Failure/,
    /both sign with the same/,
  ],
  [
    { unsigned: 1 },
    { password: { name: 'bgp', key: 'tor', revision: 1 } },
    /TCPMD5NotFound/,
    /same password/,
  ],
  [{ unexpected: 1 }, {}, /TCPMD5Unexpected/, /Name the Secret/],
  [{ tooFar: 1 }, { ttlSecurity: 1 }, /TCPMinTTLDrop/, /TTL security/],
])('of segments the kernel dropped: %j', (drops, more, reason, words) => {
  const config = { ...peer, ...more };
  const lastError = describeErrno('ETIMEDOUT', '10.0.0.2 port 179');
  const why = whyDown({ config, lastError, rejected: undefined, drops: { ...none, ...drops } }) ?? '';
  expect(why).toMatch(reason);
  expect(remedyOf({ config, why, lastDown: { kind: 'tcpFailed', why: lastError } })).toMatch(words);
});

test('RFC 9384: a session that waits for BFD says so, until BFD is up', () => {
  const bfd = { minTxMs: 300, minRxMs: 300, multiplier: 3, isStrict: true } as const;
  const config = { ...peer, bfd };
  const said = (state: 'up' | 'down' | undefined) =>
    whyDown({ config, lastError: undefined, rejected: undefined, drops: none, bfd: state });
  expect(said('down')).toBe('BFD is down, and bfd.strict makes the session wait for it (RFC 9384)');
  expect(said(undefined)).toMatch(/^BFD is not up yet/);
  expect(said('up')).toBeUndefined();
  expect(remedyOf({ config, why: said('down') ?? '', lastDown: undefined })).toMatch(/BFD lines/);
});

test('of a missing Secret: what to put where', () => {
  const why = 'Secret tortie/passwords is not there, and it is not started';
  expect(remedyOf({ config: { ...peer, blocked: why }, why, lastDown: undefined })).toMatch(
    /into that Secret/,
  );
});
