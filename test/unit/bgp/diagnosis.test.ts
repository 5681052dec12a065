/** Why a session is down, in words, from all that is known. */
import { expect, test } from 'vitest';
import type { PeerConfig } from '../../../bgp/config.ts';
import { type Symptoms, whyDown } from '../../../bgp/status/diagnosis.ts';
import { parseDrops, watchDrops } from '../../../bgp/status/drops.ts';
import { virtualClock } from '../../support/clock.ts';
import { peerConfig } from '../../support/peer.ts';

const none = { wrongKey: 0, unsigned: 0, unexpected: 0, tooFar: 0 };
const silent = '172.30.0.1 port 179 does not answer (ETIMEDOUT)';
const password: Partial<PeerConfig> = { password: { name: 'passwords', key: 'tor', revision: 1 } };

const said = (peer: Partial<PeerConfig>, more: Partial<Symptoms> = {}): string | undefined =>
  whyDown({
    config: { ...peerConfig(), ...peer },
    lastError: silent,
    rejected: undefined,
    drops: none,
    ...more,
  });

test.each<[string, Partial<PeerConfig>, Partial<Symptoms>, string]>([
  ['nothing more is known', {}, {}, silent],
  [
    'it is blocked',
    { blocked: 'Secret x is not there' },
    { drops: { ...none, wrongKey: 3 } },
    'Secret x is not there',
  ],
  [
    'its password is wrong',
    password,
    { drops: { ...none, wrongKey: 3 } },
    `${silent}; within the last minute this node dropped 3 wrongly signed TCP segments (TCPMD5Failure): its password is another than that in tor of Secret passwords`,
  ],
  [
    'it has no password',
    password,
    { drops: { ...none, unsigned: 1 } },
    `${silent}; within the last minute this node dropped 1 unsigned TCP segment (TCPMD5NotFound): it has no password for this session`,
  ],
  [
    'we have no password',
    {},
    { drops: { ...none, unexpected: 2, wrongKey: 9 } },
    `${silent}; within the last minute this node dropped 2 signed TCP segments (TCPMD5Unexpected): it has a password for this session, and we have none`,
  ],
  [
    'it is too far away',
    { ttlSecurity: 2 },
    { drops: { ...none, tooFar: 2 } },
    `${silent}; within the last minute this node dropped 2 too far travelled (TTL below 254) TCP segments (TCPMinTTLDrop): it does not send with TTL 255, or is more than 2 hops away`,
  ],
  ['it was turned away', {}, { rejected: 'it dialled with TTL 64' }, `${silent}; it dialled with TTL 64`],
  [
    'a signed neighbour is silent',
    password,
    {},
    `${silent}; a neighbour that has another password, or none, is silent too`,
  ],
])('%s', (_what, peer, symptoms, sentence) => {
  expect(said(peer, symptoms)).toBe(sentence);
});

const netstat = (failures: number): string =>
  `TcpExt: SyncookiesSent TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure TCPMinTTLDrop\nTcpExt: 7 1 2 ${failures} 4\nIpExt: InNoRoutes\nIpExt: 9\n`;

test('the counters are found by their names, and one that a kernel lacks is 0', () => {
  expect(parseDrops(netstat(3))).toEqual({ unsigned: 1, unexpected: 2, wrongKey: 3, tooFar: 4 });
  expect(parseDrops('TcpExt: A\nTcpExt: 5\n')).toEqual(none);
});

test('only what was dropped within the last minute counts', () => {
  const clock = virtualClock();
  let failures = 10;
  const drops = watchDrops(clock, () => netstat(failures));
  drops.look();
  expect(drops.recent()).toEqual(none);
  failures = 12;
  clock.advance(30_000);
  expect(drops.recent()).toEqual({ ...none, wrongKey: 2 });
  clock.advance(50_000);
  drops.look();
  clock.advance(50_000);
  expect(drops.recent()).toEqual(none);
});

test('where nobody can dial us, a neighbour that we do not dial alone says so', () => {
  const deaf = 'Port 179 is owned by bird (pid 812).';
  expect(said({ connect: 'passive' }, { deaf, lastError: undefined })).toBe(
    'it cannot dial us: Port 179 is owned by bird (pid 812)',
  );
  expect(said({ connect: 'active' }, { deaf })).toBe(silent);
});
