/** kubectl's -l: "app=web,tier!=db,env in (a,b),!old" as requirements. The API server reads it itself; a directory does not. */
import { err, ok, type Result } from '../../lib/result.ts';
import type { LabelRequirement, LabelSelector } from '../../model/labels.ts';

const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/;
const compared = /^([^\s=!]+)\s*(==|=|!=)\s*(\S*)$/;
const named = /^(!?)\s*([^\s=!]+)$/;

function requirement(text: string): LabelRequirement | undefined {
  const [, setKey, word, values] = set.exec(text) ?? [];
  if (setKey !== undefined)
    return {
      key: setKey,
      operator: word === 'in' ? 'In' : 'NotIn',
      values: (values ?? '').split(',').map((value) => value.trim()),
    };
  const [, key, sign, value] = compared.exec(text) ?? [];
  if (key !== undefined) return { key, operator: sign === '!=' ? 'NotIn' : 'In', values: [value ?? ''] };
  const [, not, name] = named.exec(text) ?? [];
  return name === undefined ? undefined : { key: name, operator: not === '!' ? 'DoesNotExist' : 'Exists' };
}

/** Fails: a sentence. */
export function parseLabelQuery(text: string): Result<LabelSelector> {
  const parts = text
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const matchExpressions: LabelRequirement[] = [];
  for (const part of parts) {
    const one = requirement(part);
    if (one === undefined)
      return err(
        `"${part}" is not a label query. Write for example app=web, app!=db, env in (a,b), has, or !has.`,
      );
    matchExpressions.push(one);
  }
  return ok({ matchLabels: {}, matchExpressions });
}
