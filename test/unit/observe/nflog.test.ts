/** What is read of a packet that the kernel reports: of its head, as far as it goes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeHead, decodeNflogPacket } from '../../../src/kernel/netlink/nflog.ts';
import { formatAddress } from '../../../src/lib/net.ts';

const view = (hex: string): DataView =>
  new DataView(Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex')).buffer);
const head = (hex: string) => {
  const found = decodeHead(view(hex), 0, view(hex).byteLength);
  if (found === undefined) return undefined;
  return { ...found, source: formatAddress(found.source), destination: formatAddress(found.destination) };
};

const four = (protocol: string, fragment = '4000'): string =>
  `4500 003c 0000 ${fragment} 40${protocol} 0000 0a410102 0a410203`;
const six = (next: string): string =>
  `60000000 0028 ${next}40 ${'fd000065000100000000000000000001'} ${'fd000065000200000000000000000002'}`;
const tcp = '9c40 1538 00000000 00000000 5002 faf0';

describe('the head of a reported packet', () => {
  test('RFC 791 §3.1: an IPv4 header, and the ports and flags of TCP behind it', () => {
    expect(head(`${four('06')} ${tcp}`)).toEqual({
      ...{ source: '10.65.1.2', destination: '10.65.2.3', protocol: 6 },
      ...{ sourcePort: 40_000, destinationPort: 5432, tcpFlags: 2 },
    });
  });

  test('RFC 791 §3.1: a later fragment has no ports', () => {
    expect(head(`${four('06', '0010')} ${tcp}`)).toEqual({
      ...{ source: '10.65.1.2', destination: '10.65.2.3', protocol: 6 },
    });
  });

  test('RFC 792: ICMP has a type and a code in their place', () => {
    expect(head(`${four('01')} 0800`)).toMatchObject({ protocol: 1, icmp: { type: 8, code: 0 } });
  });

  test('RFC 8200 §4: options before the protocol are stepped over', () => {
    expect(head(`${six('00')} 0600 000000000000 ${tcp}`)).toMatchObject({
      ...{ protocol: 6, sourcePort: 40_000, destinationPort: 5432, tcpFlags: 2 },
    });
    expect(head(`${six('2c')} 1100 0000 00000000 0035 0035`)).toMatchObject({
      ...{ protocol: 17, sourcePort: 53, destinationPort: 53 },
    });
  });

  test('RFC 8200 §4.5: a later fragment has no ports', () => {
    expect(head(`${six('2c')} 1100 0008 00000000 0035 0035`)).toEqual({
      ...{ source: 'fd00:65:1::1', destination: 'fd00:65:2::2', protocol: 17 },
    });
  });

  test('any octets are read without an error, and never past their end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 160 }), (bytes) => {
        const whole = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        decodeHead(whole, 0, bytes.length);
        decodeNflogPacket(whole, 0, bytes.length);
      }),
    );
  });

  test('what is cut before the addresses are whole is nobody’s', () => {
    for (let length = 0; length < 20; length++)
      expect(decodeHead(view(four('06')), 0, length)).toBeUndefined();
  });
});
