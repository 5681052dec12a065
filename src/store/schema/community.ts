/** A community in text: "64512:100" (RFC 1997) or "64512:1:100" (RFC 8092). */
import { ok, type Result } from '../../lib/result.ts';
import type { Community } from '../../model/bgp-filter.ts';
import { type Rule, withRules } from './cel.ts';
import { describe, mustBe, type Wrong, wrong } from './flaw.ts';
import { field } from './read.ts';

const fix = 'Write a community like 64512:100, or a large one like 64512:1:100.';

export function parseCommunity(json: unknown): Result<Community, Wrong> {
  if (typeof json !== 'string') return mustBe('a community', json, fix);
  const parts = /^\d{1,10}(?::\d{1,10}){1,2}$/.test(json) ? json.split(':').map(Number) : [];
  const [first, second, third] = parts;
  if (first === undefined || second === undefined)
    return wrong(`must be a community, but is ${describe(json)}.`, fix);
  const most = third === undefined ? 65_535 : 4_294_967_295;
  const large = parts.find((part) => part > most);
  if (large !== undefined) return wrong(`has the part ${large}, of which the greatest is ${most}.`, fix);
  return ok(
    third === undefined
      ? { kind: 'standard', value: first * 65_536 + second }
      : { kind: 'large', parts: [first, second, third] },
  );
}

const isCommunity: Rule = {
  rule: "self.matches('^[0-9]{1,10}(:[0-9]{1,10}){1,2}$')",
  message: 'must be a community like 64512:100, or a large one like 64512:1:100',
};

export const community = withRules(field(parseCommunity, { type: 'string' }), [isCommunity], {
  maxLength: 32,
});
