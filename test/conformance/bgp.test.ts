/**
 * The codec against cases that other projects wrote: FRR and OpenBGPD (RFC 7606), ExaBGP, and real messages of RIPE RIS
 * and others as ExaBGP decodes them. What differs must be exactly what docs/RFC-DIFFERENCES.md lists.
 */
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import { decodeMessage, encodeMessage } from '../../bgp/wire/codec.ts';
import type { Message, PathAttributes, UpdateMessage, WireError } from '../../bgp/wire/message.ts';
import { encodeUpdates } from '../../bgp/wire/update-encode.ts';
import type { Result } from '../../src/lib/result.ts';
import { bytesOf, context, prefix } from '../support/wire.ts';
import {
  casesArePresent,
  contextOf,
  documentedDifferences,
  matchesPattern,
  type Vector,
  vectorsOf,
} from './bgp-cases.ts';
import { formOf, formOfExa } from './bgp-form.ts';

type Outcome = Result<Message, WireError>;
/** Undefined if we agree, else what differs, in words. */
type Verdict = string | undefined;

const fieldOf: Readonly<Record<number, keyof PathAttributes>> = {
  6: 'atomicAggregate',
  7: 'aggregator',
  9: 'originatorId',
  10: 'clusterList',
};

const carries = (attributes: PathAttributes, code: number): boolean => {
  const field = fieldOf[code];
  return (
    (field !== undefined && field in attributes) ||
    (attributes.unknown ?? []).some((each) => each.code === code)
  );
};

function announcedAttributes(outcome: Outcome, vector: Vector): PathAttributes | undefined {
  if (!outcome.ok || outcome.value.kind !== 'update') return undefined;
  const wanted = prefix(vector.prefix ?? '');
  return outcome.value.announced.find((each) => each.prefixes.includes(wanted))?.attributes;
}

function isWithdrawn(outcome: Outcome, vector: Vector): boolean {
  if (!outcome.ok || outcome.value.kind !== 'update') return false;
  return (
    outcome.value.withdrawn.includes(prefix(vector.prefix ?? '')) && outcome.value.announced.length === 0
  );
}

function sentOnWithPartial(outcome: Outcome, vector: Vector): boolean {
  if (!outcome.ok || outcome.value.kind !== 'update') return false;
  const [frame] = encodeUpdates(outcome.value, contextOf(vector));
  const again = frame && decodeMessage(frame, contextOf(vector));
  const attributes = again && announcedAttributes(again, vector);
  return (attributes?.unknown ?? []).some(
    (each) => each.code === Number(vector.attrType) && (each.flags & 0x20) !== 0,
  );
}

const judges: Readonly<Record<string, (outcome: Outcome, vector: Vector) => boolean>> = {
  'treat-as-withdraw': isWithdrawn,
  'attribute-discard': (outcome, vector) => {
    const attributes = announcedAttributes(outcome, vector);
    return attributes !== undefined && !carries(attributes, Number(vector.attrType));
  },
  'attribute-ignored (accept route, do not propagate attribute)': (outcome, vector) => {
    const attributes = announcedAttributes(outcome, vector);
    return attributes !== undefined && attributes.unknown === undefined;
  },
  'accept (propagate attribute with Partial bit)': sentOnWithPartial,
  'session-reset': (outcome, { expected: { notification } }) =>
    !outcome.ok &&
    `${outcome.error.notification.code}/${outcome.error.notification.subcode}` ===
      `${notification?.code}/${notification?.subcode}`,
};

const decode = (vector: Vector): Outcome => decodeMessage(bytesOf(vector.hexMessage), contextOf(vector));

function describeOutcome(outcome: Outcome): string {
  if (!outcome.ok) return `refused: ${outcome.error.why}`;
  if (outcome.value.kind !== 'update') return outcome.value.kind;
  const { announced, withdrawn, flaws } = outcome.value;
  return `${announced.length} announced, ${withdrawn.length} withdrawn, ${flaws.map((flaw) => flaw.why).join(' ')}`;
}

function judge7606(vector: Vector): Verdict {
  const outcome = decode(vector);
  const agreed = judges[vector.expected.outcome]?.(outcome, vector) ?? false;
  return agreed ? undefined : `expected ${vector.expected.outcome}, got ${describeOutcome(outcome)}`;
}

/** Decoding what we encode of a message gives the message. */
function survivesEncoding(message: Message, vector: Vector): boolean {
  const ctx = contextOf(vector);
  if (message.kind === 'routeRefresh' && message.family === undefined) return true; // not ours to send
  if (message.kind !== 'update')
    return isDeepStrictEqual(decodeMessage(encodeMessage(message, ctx), ctx), { ok: true, value: message });
  const parts = encodeUpdates(message, ctx).map((frame) => {
    const part = decodeMessage(frame, ctx);
    return part.ok && part.value.kind === 'update' ? part.value : undefined;
  });
  return isDeepStrictEqual(formsOf(parts), formsOf([message]));
}

const formsOf = (updates: readonly (UpdateMessage | undefined)[]) => ({
  announced: updates.flatMap(
    (update) =>
      update?.announced.map((each) =>
        formOf({ kind: 'update', withdrawn: [], announced: [each], flaws: [] }),
      ) ?? [],
  ),
  withdrawn: updates
    .flatMap((update) => [...(update?.withdrawn ?? [])])
    .map(String)
    .sort(),
  endOfRib: updates.map((update) => update?.endOfRib).find((family) => family !== undefined),
});

function judgeAccepted(vector: Vector): Verdict {
  const outcome = decode(vector);
  if (!outcome.ok) return describeOutcome(outcome);
  const message = outcome.value;
  if (message.kind !== 'update')
    return survivesEncoding(message, vector) ? undefined : 'encoded, it says something else';
  if (message.flaws.some((flaw) => flaw.remedy !== 'attribute-discard')) return describeOutcome(outcome);
  const { json, exabgp } = vector.expected;
  const body = json?.neighbor?.message.update ?? exabgp?.update;
  if (body !== undefined) {
    const [ours, theirs] = [formOf(message), formOfExa(body)];
    if (!isDeepStrictEqual(ours, theirs))
      return `${JSON.stringify(ours)} instead of ${JSON.stringify(theirs)}`;
  }
  return survivesEncoding(message, vector) ? undefined : 'encoded, it says something else';
}

const sets = [
  { file: 'rfc7606.json', size: 251, judge: judge7606 },
  { file: 'exabgp.json', size: 207, judge: judgeAccepted },
  { file: 'mrt-updates.json', size: 218, judge: judgeAccepted },
] as const;

if (!casesArePresent)
  console.log('../shared/conformance/bgp is not there: the cases of other projects were not run.');

describe.skipIf(!casesArePresent)('cases of other projects', () => {
  const patterns = documentedDifferences();

  test.each(sets)(
    '$file: every case has the outcome it names, or is a documented difference',
    ({ file, size, judge }) => {
      const vectors = vectorsOf(file);
      expect(vectors).toHaveLength(size);
      const surprises = vectors.flatMap((vector) => {
        const difference = judge(vector);
        const documented = patterns.some((pattern) => matchesPattern(pattern, vector.id));
        if ((difference !== undefined) === documented) return [];
        return [`${vector.id}: ${difference ?? 'is documented as a difference, and does not differ'}`];
      });
      expect(surprises).toEqual([]);
    },
  );

  test('every documented difference is about a case there is', () => {
    const ids = sets.flatMap(({ file }) => vectorsOf(file).map((vector) => vector.id));
    expect(patterns.length).toBeGreaterThan(0);
    expect(patterns.filter((pattern) => !ids.some((id) => matchesPattern(pattern, id)))).toEqual([]);
  });

  test('no truncation of any of these messages makes the decoder throw', () => {
    for (const { file } of sets)
      for (const vector of vectorsOf(file)) {
        const bytes = bytesOf(vector.hexMessage);
        for (let length = 19; length < bytes.byteLength; length += 1) {
          const cut = bytes.slice(0, length);
          cut[16] = length >> 8;
          cut[17] = length & 255;
          expect(typeof decodeMessage(cut, context()).ok).toBe('boolean');
        }
      }
  });
});
