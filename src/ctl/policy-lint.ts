/** `tortiectl policy lint -f FILE`: what in policies is likely not what was meant. */
import type { Resource } from '../model/resource.ts';
import { emptyCluster, snapshotOf } from '../policy/cluster.ts';
import { convert, isPolicy } from '../policy/convert.ts';
import type { Linted } from '../policy/lint/check.ts';
import { type Finding, lint } from '../policy/lint.ts';
import { applied } from '../policy/preview/apply.ts';
import { listAt } from './cluster/json.ts';
import type { Global } from './command.ts';
import type { PolicyLintOptions } from './options.ts';
import { complain, print } from './output.ts';
import { type FileObject, readObjects, readWorld, tell } from './policy-world.ts';
import { type Paint, paintFor, plain } from './style.ts';

export interface LintResult {
  readonly findings: readonly LintFinding[];
  /** Policies looked at. */
  readonly policies: number;
  /** The cluster was looked at too. */
  readonly cluster: boolean;
}

export interface LintFinding {
  /** "policies.yaml:12", where the field or what is nearest to it stands. */
  readonly where: string;
  readonly object: string;
  readonly field: string;
  readonly check: string;
  readonly what: string;
  readonly fix: string;
}

export async function policyLint(options: PolicyLintOptions & Global): Promise<number> {
  const files = await readObjects(options.filename ?? [], options.recursive === true);
  if (!files.ok) {
    tell(files.error);
    return 2;
  }
  let around: readonly Resource[] | undefined;
  if (options.offline !== true) {
    const world = await readWorld(options);
    if (!world.ok)
      return complain({ code: 2, sentence: `${world.error} With --offline the files are judged alone.` });
    tell(world.value.notes);
    around = world.value.resources;
  }
  const result = lintFiles(files.value, around);
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  await print(result, options.output, () => lintText(result, paint));
  return result.findings.length === 0 ? 0 : 1;
}

/** @param around  the cluster; absent: the files alone */
export function lintFiles(files: readonly FileObject[], around: readonly Resource[] | undefined): LintResult {
  const { cluster } =
    around === undefined
      ? { cluster: snapshotOf(files.map(({ resource }) => resource)).cluster }
      : snapshotOf(
          applied(
            around,
            files.map(({ resource }) => resource),
            false,
          ),
        );
  const linted = files.flatMap((file): readonly (Linted & { readonly file: FileObject })[] => {
    if (!isPolicy(file.resource)) return [];
    const { policy, unconverted } = convert(file.resource);
    return policy === undefined ? [] : [{ policy, unconverted, saysTypes: saysTypes(file), file }];
  });
  const findings = linted.flatMap(({ file, ...one }) =>
    lint([one], around === undefined ? { ...emptyCluster, ...cluster } : cluster, around !== undefined).map(
      (finding) => placed(file, finding),
    ),
  );
  return { findings, policies: linted.length, cluster: around !== undefined };
}

const saysTypes = ({ document: { json } }: FileObject): boolean =>
  listAt(json, 'spec', 'policyTypes').length > 0 || listAt(json, 'spec', 'types').length > 0;

/** The line of the field, or of what it stands in. */
function placed({ document }: FileObject, { object, at, check, what, fix }: Finding): LintFinding {
  const { where } = document.problemOf({ path: at, what, fix });
  const [, place = document.at] = /^(.*?:\d+)/.exec(where) ?? [];
  return { where: place, object, field: at.join('.'), check, what, fix };
}

export function lintText({ findings, policies, cluster }: LintResult, paint: Paint = plain): string {
  const lines = findings.map(
    ({ where, object, field, check, what, fix }) =>
      `${paint(where, 'strong')} ${object} ${field}: ${what} ${paint(fix, 'quiet')} [${check}]`,
  );
  const judged = `${policies} ${policies === 1 ? 'policy' : 'policies'} looked at${cluster ? '' : ', without the cluster'}`;
  const result =
    findings.length === 0
      ? 'nothing is odd'
      : `${findings.length} ${findings.length === 1 ? 'finding' : 'findings'}`;
  return [...lines, `${judged}: ${result}.`].join('\n');
}
