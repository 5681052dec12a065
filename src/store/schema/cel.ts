/**
 * Rules that the API server checks itself when an object is written, in the Common Expression Language, so that a person is told at
 * once. What is read here is checked here all the same: a rule is the copy, the schema's own check counts.
 */
import type { z } from 'zod';

export interface Rule {
  /** CEL; `self` is the value, `oldSelf` what it was: a rule with that is for changes only. */
  readonly rule: string;
  /** After the field's name: what is wrong and what to do. */
  readonly message: string;
}

/** @param limits  maxItems and maxLength, from which the server reckons what a rule may cost */
export const withRules = <T extends z.ZodType>(
  schema: T,
  rules: readonly Rule[],
  limits: { readonly maxItems?: number; readonly maxLength?: number } = {},
): T => schema.meta({ ...limits, 'x-kubernetes-validations': rules });

/** What the API server fills in when the field is absent; the same as the reader does. zod has its own idea of a `default`, so it goes by another name. */
export const withDefault = <T extends z.ZodType>(schema: T, value: unknown): T =>
  schema.meta({ [defaultName]: value });
export const defaultName = 'x-default';

export const never = (field: string, instead: string): Rule => ({
  rule: 'self == oldSelf',
  message: `${field} never changes: ${instead}`,
});

/** The longest prefix there is has 43 characters. */
export const prefixLength = { maxLength: 48 } as const;
export const isPrefix: Rule = {
  rule: 'isCIDR(self)',
  message: 'must be a prefix like 10.0.0.0/16 or fd00::/64',
};
export const isPrefixOrAddress: Rule = {
  rule: 'isCIDR(self) || isIP(self)',
  message: 'must be a prefix or an address, like 10.0.0.0/28 or 10.0.0.9',
};
export const isStrictPrefix: Rule = {
  rule: 'isCIDR(self) && cidr(self) == cidr(self).masked()',
  message: 'must be a prefix without bits set after its length, like 10.0.0.0/16 or fd00::/64',
};
export const onlyDefaultName: Rule = {
  rule: "self.metadata.name == 'default'",
  message: 'only the object named default has a meaning: name it default',
};
export const defaultOrNodeName: Rule = {
  rule: "self.metadata.name == 'default' || (self.metadata.name.startsWith('node.') && self.metadata.name.size() > 5)",
  message: 'only default, for all nodes, and node.NAME, for the node NAME, have a meaning: name it so',
};
/** Of an object for one node: what is for all nodes alike cannot stand in it. */
export const notOfOneNode = (fields: readonly string[]): Rule => ({
  rule: `!self.metadata.name.startsWith('node.') || !has(self.spec) || !(${fields.map((field) => `has(self.spec.${field})`).join(' || ')})`,
  message: `in an object for one node there cannot be ${fields.join(', ')}: say it in default`,
});
/**
 * The lexical half of the grammar of selectors; whether it parses, this process says. As a pattern, for there may be ten thousand
 * of them in an object, and a rule about each would cost more than the API server allows.
 */
export const lexical = {
  pattern: String.raw`^([ \t(){},]|!=?|&&|[|][|]|==|"[^"]*"|'[^']*'|[A-Za-z0-9_./-])*$`,
} as const;
export const noGlobal: Rule = {
  rule: "!self.contains('global()')",
  message: 'cannot use global(), which has a meaning in policies only',
};
