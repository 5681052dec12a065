/** `tortiectl policy test -f CASES`: a table of expected verdicts against the cluster. */
import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import { parse } from 'yaml';
import { formatProblem } from '../model/problem.ts';
import { type CaseResult, readCases, runCases } from '../policy/cases.ts';
import { snapshotOf } from '../policy/cluster.ts';
import { applied } from '../policy/preview/apply.ts';
import { checkNesting, deepest } from '../store/dir/nesting.ts';
import type { Global } from './command.ts';
import type { PolicyTestOptions } from './options.ts';
import { complain, print } from './output.ts';
import { readObjects, readWorld, tell } from './policy-world.ts';
import { type Paint, paintFor, plain } from './style.ts';

export async function policyTest(options: PolicyTestOptions & Global): Promise<number> {
  const { filename, apply = [] } = options;
  if (filename === undefined) return complain({ code: 2, sentence: 'Name a file of cases, or -, with -f.' });
  let json: unknown;
  try {
    const text = filename === '-' ? await textOf(process.stdin) : await readFile(filename, 'utf8');
    const nesting = checkNesting(text);
    if (!nesting.ok)
      return complain({
        code: 2,
        sentence: `${filename}:${nesting.error} has more than ${deepest} lists and objects in one another, and is not read. Close the brackets that are open there.`,
      });
    json = parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return complain({ code: 2, sentence: `${filename} cannot be read: ${why}.` });
  }
  const cases = readCases(filename, json);
  if (!cases.ok) {
    tell(cases.error.map(formatProblem));
    return 2;
  }
  const files = apply.length === 0 ? undefined : await readObjects(apply, options.recursive === true);
  if (files?.ok === false) {
    tell(files.error);
    return 2;
  }
  const world = await readWorld(options);
  if (!world.ok) return complain({ code: 2, sentence: world.error });
  tell(world.value.notes);
  const changes = (files?.value ?? []).map(({ resource }) => resource);
  const { cluster } = snapshotOf(applied(world.value.resources, changes, false));
  const results = runCases(cluster, cases.value);
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  await print(results, options.output, () => casesText(results, paint));
  return results.every(({ ok }) => ok) ? 0 : 1;
}

export function casesText(results: readonly CaseResult[], paint: Paint = plain): string {
  const lines = results.flatMap(({ case: { name, from, to, expect, by }, ok, lines: why }) => [
    `${ok ? paint('ok    ', 'good') : paint('FAILED', 'bad')} ${name}: ${from} → ${to} ${expect}${by === undefined ? '' : ` by ${by}`}`,
    ...why.map((line) => `         ${line}`),
  ]);
  const failed = results.filter(({ ok }) => !ok).length;
  const count = `${results.length} ${results.length === 1 ? 'case' : 'cases'}`;
  return [...lines, `${count}: ${failed === 0 ? 'all as expected' : `${failed} not as expected`}.`].join(
    '\n',
  );
}
