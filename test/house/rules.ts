/**
 * Holds the import rules, and proves that the guard can see: the canary breaks every rule once and each must be caught.
 * A run that cruised suspiciously few modules fails as well: a blind checker is green.
 */
import { createRequire } from 'node:module';
import { cruise, type ICruiseOptions, type ICruiseResult, type IFlattenedRuleSet } from 'dependency-cruiser';

interface RuleFile {
  readonly forbidden: readonly { readonly name: string }[];
  readonly options: ICruiseOptions;
}

const root = new URL('../..', import.meta.url).pathname;
const file = createRequire(import.meta.url)('./dependency-cruiser.cjs') as RuleFile;

async function violationsIn(baseDir: string, dirs: string[], exclude: boolean): Promise<ICruiseResult> {
  const { exclude: left, ...options } = file.options;
  const { output } = await cruise(dirs, {
    ...options,
    ...(exclude && left !== undefined ? { exclude: left } : {}),
    baseDir,
    validate: true,
    ruleSet: { forbidden: file.forbidden } as IFlattenedRuleSet,
  });
  if (typeof output === 'string') throw new Error(`dependency-cruiser answered with text: ${output}`);
  return output;
}

const house = await violationsIn(root, ['src', 'bgp', 'felix', 'test'], true);
const canary = await violationsIn(`${root}test/house/canary`, ['src', 'bgp', 'felix', 'test'], false);

const caught = new Set(canary.summary.violations.map((violation) => violation.rule.name));
const missed = file.forbidden.map((rule) => rule.name).filter((name) => !caught.has(name));
for (const name of missed)
  console.error(`rules: the canary for ${name} was not caught: the checker is blind.`);
for (const violation of house.summary.violations) {
  console.error(`rules: ${violation.rule.name}: ${violation.from} → ${violation.to}`);
}
if (house.summary.totalCruised < 50)
  console.error(`rules: only ${house.summary.totalCruised} modules were read.`);
const good = missed.length === 0 && house.summary.violations.length === 0 && house.summary.totalCruised >= 50;
console.log(
  `rules: ${house.summary.totalCruised} modules, ${house.summary.violations.length} violations, canary ${caught.size} of ${file.forbidden.length}`,
);
process.exitCode = good ? 0 : 1;
