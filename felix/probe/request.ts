/** What may be asked: bodies of requests, judged. Every refusal is a sentence. */
import { z } from 'zod';
import { type Address, parseAddress, versionOf } from '../../src/lib/net.ts';
import { err, ok, type Result } from '../../src/lib/result.ts';
import type { ProbeRequest, TraceRequest } from '../../src/model/live.ts';

/** A trace ends by itself after at most so long. */
const mostTraceMs = 60_000;
/** Somebody waits for the answer. */
const mostProbeMs = 30_000;

const icmpOf = { 4: 1, 6: 58 } as const;
const withPorts: readonly number[] = [6, 17];

const whole = (least: number, most: number) =>
  z
    .int({ error: `must be a whole number from ${least} to ${most}` })
    .min(least, { error: `must be ${least} or more` })
    .max(most, { error: `must be ${most} or less` });
const port = whole(1, 65_535);
const address = z
  .string({ error: 'must be an address' })
  .refine((text) => parseAddress(text) !== undefined, { error: 'must be an address' });

const traceBody = z.object({
  version: z.union([z.literal(4), z.literal(6)], { error: 'must be 4 or 6' }),
  protocol: whole(0, 255),
  source: z.exactOptional(address),
  destination: z.exactOptional(address),
  sourcePort: z.exactOptional(port),
  destinationPort: z.exactOptional(port),
  icmpId: z.exactOptional(whole(0, 65_535)),
  forMs: whole(1, mostTraceMs),
});

const probeBody = z.object({
  from: z.union([z.literal('host'), z.object({ namespace: z.string(), pod: z.string() })], {
    error: 'must be "host", or have a namespace and a pod',
  }),
  source: address,
  to: address,
  protocol: whole(0, 255),
  port: z.exactOptional(port),
  sourcePort: z.exactOptional(port),
  icmpId: z.exactOptional(whole(0, 65_535)),
  withinMs: whole(1, mostProbeMs),
});

function read<T>(schema: z.ZodType<T>, body: string): Result<T> {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return err('The body is not JSON.');
  }
  const found = schema.safeParse(json);
  if (found.success) return ok(found.data);
  const [issue] = found.error.issues;
  return err(`${issue?.path.join('.') || 'The body'} ${issue?.message ?? 'is not as it must be'}.`);
}

/** TCP and UDP have ports, an echo has an identifier, and nothing else can be tried or followed. */
function protocolFlaw(
  version: 4 | 6,
  { protocol, icmpId, sourcePort }: Pick<TraceRequest, 'protocol' | 'icmpId' | 'sourcePort'>,
): string | undefined {
  if (protocol === icmpOf[version])
    return icmpId === undefined ? 'icmpId is missing: an echo is known by it.' : undefined;
  if (!withPorts.includes(protocol))
    return `Protocol ${protocol} of IPv${version} can be neither tried nor followed here: it must be 6 (TCP), 17 (UDP) or ${icmpOf[version]} (ICMP).`;
  return sourcePort === undefined ? 'sourcePort is missing: the flow is known by it.' : undefined;
}

/** The addresses of what `read` has judged. */
const addressOf = (text: string | undefined): Address | undefined =>
  text === undefined ? undefined : parseAddress(text);

export interface TraceAsked extends TraceRequest {
  readonly ends: { readonly source?: Address; readonly destination?: Address };
}

export function parseTraceRequest(body: string): Result<TraceAsked> {
  const asked = read<TraceRequest>(traceBody, body);
  if (!asked.ok) return asked;
  const { version, source, destination } = asked.value;
  const [from, to] = [addressOf(source), addressOf(destination)];
  for (const each of [from, to])
    if (each !== undefined && versionOf(each) !== version)
      return err(`source and destination must be addresses of IPv${version}.`);
  const flaw = protocolFlaw(version, asked.value);
  if (flaw !== undefined) return err(flaw);
  const ends = {
    ...(from === undefined ? {} : { source: from }),
    ...(to === undefined ? {} : { destination: to }),
  };
  return ok({ ...asked.value, ends });
}

export interface ProbeAsked extends ProbeRequest {
  readonly ends: { readonly source: Address; readonly to: Address };
}

export function parseProbeRequest(body: string): Result<ProbeAsked> {
  const asked = read<ProbeRequest>(probeBody, body);
  if (!asked.ok) return asked;
  const { protocol, port: to } = asked.value;
  const ends = { source: addressOf(asked.value.source), to: addressOf(asked.value.to) };
  if (ends.source === undefined || ends.to === undefined || versionOf(ends.source) !== versionOf(ends.to))
    return err('source and to must be addresses of one family.');
  const flaw =
    protocolFlaw(versionOf(ends.source), asked.value) ??
    (withPorts.includes(protocol) && to === undefined ? 'port is missing.' : undefined);
  if (flaw !== undefined) return err(flaw);
  return ok({ ...asked.value, ends: { source: ends.source, to: ends.to } });
}
