/**
 * Expected verdicts as a table, and how a cluster stands to it.
 *
 * A case is `from`, `to` (as `policy why` takes them), `expect` (allow or deny) and, if wanted, `name` and `by`: the policy that
 * must decide. A case of several pods holds if each of them does so.
 */
import { err, ok, type Result } from '../lib/result.ts';
import type { Problem } from '../model/problem.ts';
import type { Cluster } from './cluster.ts';
import type { Judgement } from './judgement.ts';
import { type Answer, answerLines, why } from './why.ts';

export interface Case {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly expect: 'allow' | 'deny';
  /** Of names without one; default "default". */
  readonly namespace: string;
  /** The id of a policy, "NetworkPolicy shop/web"; or its namespace and name, or its name. */
  readonly by?: string;
}

export interface CaseResult {
  readonly case: Case;
  readonly ok: boolean;
  /** Why not, or why the question could not be asked. */
  readonly lines: readonly string[];
}

const fields = ['name', 'from', 'to', 'expect', 'namespace', 'by'];

/** @param where  the file, for problems. @param json  a list of cases, or an object with one under `cases` */
export function readCases(where: string, json: unknown): Result<readonly Case[], readonly Problem[]> {
  const list = Array.isArray(json) ? json : fieldOf(json, 'cases');
  if (!Array.isArray(list) || list.length === 0)
    return err([
      {
        where,
        what: 'holds no cases.',
        fix: 'Write a list of objects with from, to and expect, at the top or under `cases`.',
      },
    ]);
  const read = list.map((item: unknown, index) => readCase(`${where} cases.${index}`, item, index + 1));
  const problems = read.flatMap((one) => (one.ok ? [] : one.error));
  return problems.length > 0 ? err(problems) : ok(read.flatMap((one) => (one.ok ? [one.value] : [])));
}

const who = 'Write who is meant, e.g. shop/web-1.';

function readCase(where: string, item: unknown, number: number): Result<Case, readonly Problem[]> {
  const texts = new Map(fields.map((field) => [field, fieldOf(item, field)]));
  const given = typeof item === 'object' && item !== null ? Object.keys(item) : [];
  const problem = (field: string, what: string, fix: string): Problem => ({
    where: `${where}.${field}`,
    what,
    fix,
  });
  const textOf = (field: string): string | undefined => {
    const value = texts.get(field);
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const [from, to, expect, by] = ['from', 'to', 'expect', 'by'].map(textOf);
  const problems = [
    ...fields
      .filter((field) => texts.get(field) !== undefined && textOf(field) === undefined)
      .map((field) => problem(field, 'must be a text.', 'Write it in quotes.')),
    ...given
      .filter((field) => !fields.includes(field))
      .map((field) => problem(field, 'is not a field of a case.', `The fields are ${fields.join(', ')}.`)),
    ...['from', 'to']
      .filter((field) => texts.get(field) === undefined)
      .map((field) => problem(field, 'is missing.', who)),
    ...(expect === 'allow' || expect === 'deny'
      ? []
      : [problem('expect', 'must be allow or deny.', 'Write one of the two.')]),
  ];
  if (problems.length > 0 || from === undefined || to === undefined) return err(problems);
  return ok({
    name: textOf('name') ?? `case ${number}`,
    from,
    to,
    expect: expect === 'allow' ? 'allow' : 'deny',
    namespace: textOf('namespace') ?? 'default',
    ...(by === undefined ? {} : { by }),
  });
}

const fieldOf = (json: unknown, field: string): unknown =>
  typeof json === 'object' && json !== null && Object.hasOwn(json, field)
    ? (json as Readonly<Record<string, unknown>>)[field]
    : undefined;

export const runCases = (cluster: Cluster, cases: readonly Case[]): readonly CaseResult[] =>
  cases.map((one) => {
    const answers = why(cluster, one.from, one.to, one.namespace);
    if (!answers.ok) return { case: one, ok: false, lines: [answers.error] };
    const wrong = answers.value.filter((answer) => !isAsExpected(one, answer));
    return {
      case: one,
      ok: wrong.length === 0,
      lines: wrong.flatMap((answer) => answerLines(answer, false)),
    };
  });

/** A Service without a backend is neither: policy is not asked. */
const isAsExpected = ({ expect, by }: Case, { verdict, service }: Answer): boolean =>
  service?.nobody === undefined &&
  verdict.allowed === (expect === 'allow') &&
  (by === undefined || deciding(verdict.judgements, verdict.allowed).some((names) => names.includes(by)));

/** The names of each policy that decided: what allowed at one of the ends, or what denied. */
const deciding = (judgements: readonly Judgement[], allowed: boolean): readonly (readonly string[])[] =>
  judgements
    .filter((judgement) => judgement.allowed === allowed)
    .flatMap(({ because }) =>
      because.kind === 'rule' ? [because.policy] : because.kind === 'unmatched' ? because.policies : [],
    )
    .map(({ id, namespace, name }) => [
      id,
      name,
      ...(namespace === undefined ? [] : [`${namespace}/${name}`]),
    ]);
