/** How fast the codec is: real UPDATEs of a route collector decoded and encoded, and full messages of one attribute set. */
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { decodeMessage } from '../../bgp/wire/codec.ts';
import type { CodecContext, UpdateMessage } from '../../bgp/wire/message.ts';
import { encodeAnnouncement, encodeUpdates } from '../../bgp/wire/update-encode.ts';
import { asn, ipv4, ipv6, prefix4, prefix6 } from '../../src/lib/net.ts';
import type { Row } from './table.ts';

const dump = new URL(
  '../../../shared/conformance/bgp/mrt/ripe-rrc15-updates.20100227.1600.gz',
  import.meta.url,
);

interface Sample {
  readonly frame: Uint8Array;
  readonly ctx: CodecContext;
}

const families: CodecContext['families'] = new Set(['ipv4-unicast', 'ipv6-unicast']);
const oldSpeaker: CodecContext = { fourOctetAs: false, peerType: 'ebgp', families };
const newSpeaker: CodecContext = { fourOctetAs: true, peerType: 'ebgp', families };

/** BGP4MP records (RFC 6396 §4.4): subtype 1 carries two-octet AS numbers, 4 four-octet ones. */
function samplesOf(bytes: Buffer): Sample[] {
  const samples: Sample[] = [];
  for (let at = 0; at + 12 <= bytes.byteLength; ) {
    const subtype = bytes.readUInt16BE(at + 6);
    const length = bytes.readUInt32BE(at + 8);
    const record = bytes.subarray(at + 12, at + 12 + length);
    at += 12 + length;
    if (subtype !== 1 && subtype !== 4) continue;
    const asOctets = subtype === 1 ? 2 : 4;
    const addressOctets = record.readUInt16BE(2 * asOctets + 2) === 1 ? 4 : 16;
    const frame = record.subarray(2 * asOctets + 4 + 2 * addressOctets);
    if (frame[18] === 2) samples.push({ frame, ctx: subtype === 1 ? oldSpeaker : newSpeaker });
  }
  return samples;
}

const routesOf = ({ announced, withdrawn }: UpdateMessage): number =>
  withdrawn.length + announced.reduce((sum, announcement) => sum + announcement.prefixes.length, 0);

const rounds = 9;

/** CPU time of `once`, collecting garbage included, after three rounds to warm up: others may have work to do meanwhile. */
function timed(name: string, once: () => void): Row {
  const ours: number[] = [];
  for (let round = -3; round < rounds; round += 1) {
    const began = process.cpuUsage();
    once();
    if (round >= 0) ours.push(process.cpuUsage(began).user / 1000);
  }
  return { name, unit: 'ms', ours };
}

function decodeAll(samples: readonly Sample[]): UpdateMessage[] {
  const updates: UpdateMessage[] = [];
  for (const { frame, ctx } of samples) {
    const result = decodeMessage(frame, ctx);
    if (result.ok && result.value.kind === 'update') updates.push(result.value);
  }
  return updates;
}

const total = (updates: readonly UpdateMessage[]): number =>
  updates.reduce((sum, update) => sum + routesOf(update), 0);

/** The codec has no peer to be timed against: others' are not callable without the rest of them. */
export async function run(): Promise<readonly Row[]> {
  const collected = existsSync(dump) ? collectorUpdates(samplesOf(gunzipSync(readFileSync(dump)))) : [];
  return [...collected, ...oneAttributeSet(), ...manyIpv6()];
}

function collectorUpdates(samples: readonly Sample[]): Row[] {
  const updates = decodeAll(samples);
  const what = `${samples.length} collector UPDATEs, ${total(updates)} routes`;
  return [
    timed(`wire: decode ${what}`, () => decodeAll(samples)),
    timed(`wire: encode ${what}`, () => {
      for (const update of updates) encodeUpdates(update, newSpeaker);
    }),
  ];
}

function oneAttributeSet(): Row[] {
  const prefixes = Array.from({ length: 100_000 }, (_, index) => prefix4(ipv4(0x0a000000 + index * 256), 24));
  const attributes = {
    origin: 'igp',
    asPath: [{ kind: 'sequence', asns: [asn(64512)] }],
    nextHop: ipv4(0x0a000001),
  } as const;
  const announcement = { family: 'ipv4-unicast', attributes, prefixes } as const;
  const packed = encodeAnnouncement(announcement, newSpeaker).map((frame) => ({ frame, ctx: newSpeaker }));
  return [
    timed('wire: encode 100k routes of one attribute set', () =>
      encodeAnnouncement(announcement, newSpeaker),
    ),
    timed('wire: decode 100k routes of one attribute set', () => decodeAll(packed)),
  ];
}

/** As many attribute sets as a full table has for its size: each AS path leads to eight prefixes. */
function manyIpv6(): Row[] {
  const announcements = Array.from({ length: 25_000 }, (_, set) => ({
    family: 'ipv6-unicast' as const,
    attributes: {
      origin: 'igp' as const,
      asPath: [{ kind: 'sequence' as const, asns: [64512, 3356, 1299, 65536 + set].map(asn) }],
      nextHop: ipv6((0x20010db8n << 96n) + 1n),
      communities: [64512 * 65536 + (set % 100), 64512 * 65536 + 1000],
    },
    prefixes: Array.from({ length: 8 }, (_nothing, index) =>
      prefix6(ipv6((0x2a00n << 112n) + (BigInt(set * 8 + index) << 80n)), 48),
    ),
  }));
  const encodeAll = (): Uint8Array[] => announcements.flatMap((one) => encodeAnnouncement(one, newSpeaker));
  const packed = encodeAll().map((frame) => ({ frame, ctx: newSpeaker }));
  const prefixes = announcements.flatMap((one) => one.prefixes);
  return [
    timed('wire: encode 200k IPv6 routes, eight to an attribute set', encodeAll),
    timed('wire: decode 200k IPv6 routes, eight to an attribute set', () => decodeAll(packed)),
    timed('wire: encode withdrawals of 200k IPv6 routes', () =>
      encodeUpdates({ withdrawn: prefixes, announced: [] }, newSpeaker),
    ),
  ];
}
