/**
 * `tortiectl bgp decode`, the process itself, against the cases of other projects and against what a route collector wrote
 * down in 2000 and 2010. Where its word is not that of the case, docs/RFC-DIFFERENCES.md says why.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { decodeLine } from '../../bgp/wire/decode-line.ts';
import { bytesOf, hexOf, messageHex, soundAttributes, updateHex } from '../support/wire.ts';
import {
  casesArePresent,
  directory,
  documentedDifferences,
  matchesPattern,
  type Vector,
  vectorsOf,
} from './bgp-cases.ts';

interface Answer {
  readonly outcome: string;
  readonly code?: number;
  readonly subcode?: number;
  readonly clause?: string;
  readonly why?: string;
  readonly message?: Readonly<Record<string, unknown>>;
}

const script = new URL('../../src/tortie.sh', import.meta.url).pathname;

/** One process for all lines. */
async function decodeAll(
  lines: readonly string[],
): Promise<{ readonly code: unknown; readonly answers: readonly string[] }> {
  const child = spawn(script, ['ctl', 'bgp', 'decode'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  child.stdin.end(lines.map((line) => `${line}\n`).join(''));
  const answers = (await text(child.stdout)).trimEnd().split('\n');
  return { code: (await exit)[0], answers };
}

const parsed = (line: string): Answer => JSON.parse(line) as Answer;
const lineOf = ({ hexMessage, options }: Vector): string => JSON.stringify({ hex: hexMessage, options });

/** The word of a case, without what it says about it in parentheses. */
const wordOf = ({ expected }: Vector): string =>
  (expected.outcome.split(' ')[0] ?? '').replace('accept-if-addpath', 'accept');

function differs(vector: Vector, answer: Answer): boolean {
  const { notification } = vector.expected;
  return (
    answer.outcome !== wordOf(vector) ||
    (notification !== undefined &&
      `${answer.code}/${answer.subcode}` !== `${notification.code}/${notification.subcode}`)
  );
}

describe.skipIf(!casesArePresent)('cases of other projects', () => {
  test.each([
    ['rfc7606.json', 251],
    ['exabgp.json', 207],
    ['mrt-updates.json', 218],
  ])(
    '%s: each has the outcome it names, or is a documented difference',
    { timeout: 60_000 },
    async (file, size) => {
      const vectors = vectorsOf(file);
      const { code, answers } = await decodeAll(vectors.map(lineOf));
      expect([code, answers.length]).toEqual([0, size]);
      expect(answers).toEqual(vectors.map((vector) => decodeLine(lineOf(vector))?.text));
      const patterns = documentedDifferences();
      const surprises = vectors.flatMap((vector, index) => {
        const answer = parsed(answers[index] ?? '{}');
        const isDocumented = patterns.some((pattern) => matchesPattern(pattern, vector.id));
        if (differs(vector, answer) === isDocumented) return [];
        return [`${vector.id}: ${wordOf(vector)}, we say ${answer.outcome}: ${answer.why}`];
      });
      expect(surprises).toEqual([]);
      const clauseless = answers.map(parsed).filter(({ outcome, clause }) => outcome !== 'accept' && !clause);
      expect(clauseless).toEqual([]);
    },
  );
});

const mrt = new URL('mrt/', directory);
const dumps = { table: 'ripe-rrc00-bview.20000111.0032.gz', updates: 'ripe-rrc15-updates.20100227.1600.gz' };

/** BGP4MP records (RFC 6396 §4.4): subtype 1 carries two-octet AS numbers, 4 four-octet ones. */
function updatesOf(bytes: Buffer): string[] {
  const lines: string[] = [];
  for (let at = 0; at + 12 <= bytes.byteLength; ) {
    const subtype = bytes.readUInt16BE(at + 6);
    const length = bytes.readUInt32BE(at + 8);
    const record = bytes.subarray(at + 12, at + 12 + length);
    at += 12 + length;
    if (subtype !== 1 && subtype !== 4) continue;
    const asOctets = subtype === 1 ? 2 : 4;
    const addressOctets = record.readUInt16BE(2 * asOctets + 2) === 1 ? 4 : 16;
    const hex = record.subarray(2 * asOctets + 4 + 2 * addressOctets).toString('hex');
    lines.push(JSON.stringify({ hex, options: { asn4: subtype === 4 } }));
  }
  return lines;
}

/**
 * TABLE_DUMP records (RFC 6396 §4.2) in the form of their time, many routes behind one view and sequence number, whose
 * four octets the length does not count; each `every`-th route as the UPDATE that would tell it.
 */
function routesOf(bytes: Buffer, every: number): string[] {
  const lines: string[] = [];
  let count = 0;
  for (let record = 0; record + 16 <= bytes.byteLength; ) {
    const end = record + 16 + bytes.readUInt32BE(record + 8);
    for (let at = record + 16; at + 18 <= end; count += 1) {
      const route = bytes.subarray(at);
      const attributes = route.readUInt16BE(16);
      at += 18 + attributes;
      if (count % every !== 0) continue;
      const octets = Math.ceil((route[4] ?? 0) / 8);
      const nlri = hexOf(route.subarray(4, 5)) + hexOf(route.subarray(0, octets));
      const hex = updateHex({ attributes: hexOf(route.subarray(18, 18 + attributes)), nlri });
      lines.push(JSON.stringify({ hex, options: { asn4: false } }));
    }
    record = end;
  }
  return lines;
}

describe.skipIf(!existsSync(mrt))('what a route collector wrote down', () => {
  const raw = (file: string): Buffer => gunzipSync(readFileSync(new URL(file, mrt)));

  test('a quarter of an hour of 2010: no session ends', { timeout: 60_000 }, async () => {
    const { answers } = await decodeAll(updatesOf(raw(dumps.updates)));
    const outcomes = Object.groupBy(answers.map(parsed), ({ outcome }) => outcome);
    expect(answers.length).toBeGreaterThan(6500);
    expect(Object.keys(outcomes).sort()).toEqual(['accept']);
  });

  test('RFC 7607 §2: a full table of 2000: no session ends, and an AGGREGATOR of AS 0 is discarded', {
    timeout: 60_000,
  }, async () => {
    const { answers } = await decodeAll(routesOf(raw(dumps.table), 40));
    const outcomes = Object.groupBy(answers.map(parsed), ({ outcome }) => outcome);
    expect(answers.length).toBeGreaterThan(5000);
    expect(Object.keys(outcomes).sort()).toEqual(['accept', 'attribute-discard']);
    expect(new Set(outcomes['attribute-discard']?.map(({ why }) => why))).toEqual(
      new Set(['AGGREGATOR contains AS 0: it is discarded (RFC 7606 §7.7).']),
    );
  });
});

describe('the lines', () => {
  const one = (line: string): Answer => parsed(decodeLine(line)?.text ?? '{}');

  test('a bare message may have spaces, colons and capitals', () => {
    const spaced = messageHex(4, '').replace(/../g, (octet) => `${octet.toUpperCase()}:`);
    for (const line of [messageHex(4, ''), `0x${messageHex(4, '')}`, spaced, `  ${messageHex(4, '')}\r`])
      expect(one(line)).toEqual({ outcome: 'accept', message: { kind: 'keepalive' } });
  });

  test('a message is told whole, in text', () => {
    const attributes = `${soundAttributes} c00808 fc000064 ffffff01 c01008 0002fc0000000001 c0200c 0000fc000000000100000002 c02304 0000fde9`;
    const hex = updateHex({ attributes, nlri: '00000007 080a' });
    const answer = one(JSON.stringify({ hex, options: { addPath: ['ipv4 unicast'], peerType: 'ebgp' } }));
    expect(answer).toMatchObject({
      outcome: 'accept',
      message: {
        kind: 'update',
        withdrawn: [],
        announced: [
          {
            family: 'ipv4-unicast',
            prefixes: [{ prefix: '10.0.0.0/8', pathId: 7 }],
            attributes: {
              origin: 'igp',
              asPath: [{ kind: 'sequence', asns: [65001] }],
              nextHop: '10.0.0.2',
              communities: ['64512:100', 'NO_EXPORT'],
              extendedCommunities: ['target:64512:1'],
              largeCommunities: ['64512:1:2'],
              otc: 65001,
            },
          },
        ],
      },
    });
  });

  test('the strongest remedy of a message is its outcome, with its clause and every reason', () => {
    const hex = updateHex({ attributes: `40010109 4002 00 400304 0a000002 40060100`, nlri: '080a' });
    expect(one(hex)).toMatchObject({ outcome: 'treat-as-withdraw', clause: 'RFC 7606 §7.1' });
    expect(one(hex).why).toMatch(/ORIGIN.*ATOMIC_AGGREGATE/);
    expect(one(hex).message).toMatchObject({ withdrawn: ['10.0.0.0/8'], announced: [] });
  });

  test('OPENs are refused rather than sessions reset', () => {
    expect(one(messageHex(1, '04 fc00 0001 0a000001 00'))).toMatchObject({
      outcome: 'reject-open',
      code: 2,
      subcode: 6,
      clause: 'RFC 4271 §4.2',
    });
    expect(one(messageHex(1, '04 fc00 005a 0a000001 05 02 03 0901 03'))).toMatchObject({
      outcome: 'accept',
      message: { kind: 'open', bgpId: '10.0.0.1', capabilities: [{ kind: 'role', role: 'customer' }] },
    });
  });

  test('what is no message gets an error in words, and the next line is read', {
    timeout: 60_000,
  }, async () => {
    const lines = ['{"hex"', 'xyz', '{"hex":"ff"}', '[1]', 'fff', '{"options":{}}', '', messageHex(4, '')];
    const { code, answers } = await decodeAll(lines);
    expect(code).toBe(1);
    expect(answers.map((line) => parsed(line).outcome)).toEqual([
      'error',
      'error',
      'session-reset',
      'error',
      'error',
      'error',
      'accept',
    ]);
  });

  test('no line makes it throw', () => {
    for (const line of ['{}', '{"hex":1}', '{"hex":"","options":1}', '{"hex":"00","options":{"peerType":7}}'])
      expect(one(line).outcome).toBe('error');
    expect(decodeLine('   ')).toBeUndefined();
    expect(bytesOf('').byteLength).toBe(0);
  });
});
