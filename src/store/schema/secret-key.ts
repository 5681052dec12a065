/** The API's SecretKeySelector: one key of a Secret. */
import { ok } from '../../lib/result.ts';
import { flag, maybe } from './fields.ts';
import { mustBe } from './flaw.ts';
import { check, field, strict } from './read.ts';

const named = (what: string, example: string) =>
  field(
    (json) =>
      typeof json === 'string' && /^[-._a-zA-Z0-9]{1,253}$/.test(json)
        ? ok(json)
        : mustBe(what, json, `Write it as the Secret has it, for example ${example}.`),
    { type: 'string', minLength: 1, maxLength: 253 },
  );

/** `optional: true` would mean a session without its password, which there never is. */
export const secretKey = strict({
  name: named('the name of a Secret', 'bgp-passwords').describe('Name of the Secret.'),
  key: named('a key of the Secret', 'tor1').describe('Key in its data.'),
  optional: maybe(flag.describe('Must not be true: no session comes up without its password.')),
})
  .superRefine(
    check(({ optional }) =>
      optional === true
        ? {
            at: ['optional'],
            wrong: { what: 'cannot be true: no session comes up without its password.', fix: 'Remove it.' },
          }
        : undefined,
    ),
  )
  .transform(({ name, key }) => ({ name, key }));
