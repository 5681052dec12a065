/** What may be asked of the node agent: everything else is refused in a sentence. */
import { expect, test } from 'vitest';
import { parseProbeRequest, parseTraceRequest } from '../../../felix/probe/request.ts';

const trace = { version: 4, protocol: 6, sourcePort: 61_000, destinationPort: 80, forMs: 5000 };
const probe = {
  from: { namespace: 'shop', pod: 'front' },
  ...{ source: '10.0.0.1', to: '10.0.0.2', protocol: 6, port: 80, sourcePort: 61_000, withinMs: 3000 },
};

test('a flow is taken with its addresses read', () => {
  const asked = parseTraceRequest(JSON.stringify({ ...trace, source: '10.0.0.1', destination: '10.0.0.2' }));
  expect(asked).toMatchObject({ ok: true, value: { ends: { source: 0x0a000001, destination: 0x0a000002 } } });
  expect(parseTraceRequest(JSON.stringify({ version: 6, protocol: 58, icmpId: 0, forMs: 1 }))).toMatchObject({
    ok: true,
    value: { ends: {} },
  });
});

test.each([
  ['no JSON', '{', 'The body is not JSON.'],
  ['no object', '7', 'The body '],
  ['a family there is not', { ...trace, version: 5 }, 'version must be 4 or 6.'],
  ['no time', { ...trace, forMs: undefined }, 'forMs must be a whole number'],
  ['too long a time', { ...trace, forMs: 60_001 }, 'forMs must be 60000 or less.'],
  ['a port there is not', { ...trace, sourcePort: 0 }, 'sourcePort must be 1 or more.'],
  ['no address', { ...trace, source: 'x' }, 'source must be an address.'],
  ['another family', { ...trace, source: '::1' }, 'source and destination must be addresses of IPv4.'],
  ['SCTP', { ...trace, protocol: 132 }, 'Protocol 132 of IPv4 can be neither tried nor followed'],
  ['ICMP of the other family', { ...trace, protocol: 58, icmpId: 1 }, 'Protocol 58 of IPv4'],
  ['an echo without its mark', { ...trace, protocol: 1 }, 'icmpId is missing'],
  ['a flow without its mark', { ...trace, sourcePort: undefined }, 'sourcePort is missing'],
])('a trace of %s is refused', (_, body, words) => {
  const asked = parseTraceRequest(typeof body === 'string' ? body : JSON.stringify(body));
  expect(asked.ok ? asked : asked.error).toContain(words);
});

test.each([
  [{ ...probe, from: 'somewhere' }, 'from must be "host", or have a namespace and a pod.'],
  [{ ...probe, to: '::1' }, 'source and to must be addresses of one family.'],
  [{ ...probe, port: undefined }, 'port is missing.'],
  [{ ...probe, withinMs: 30_001 }, 'withinMs must be 30000 or less.'],
  [{ ...probe, protocol: 132 }, 'Protocol 132 of IPv4'],
])('a probe %j is refused', (body, words) => {
  const asked = parseProbeRequest(JSON.stringify(body));
  expect(asked.ok ? asked : asked.error).toContain(words);
});

test('a probe from a pod, or from the host, is taken', () => {
  for (const from of [probe.from, 'host'])
    expect(parseProbeRequest(JSON.stringify({ ...probe, from })).ok).toBe(true);
});
