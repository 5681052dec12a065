/**
 * `npm run bench -- bgp`: `tortie bgp` beside BIRD, FRR and GoBGP, on the same streams in the same run. Rounds are
 * interleaved, each with a fresh process in fresh namespaces; figures are medians.
 *
 *   --only NAME,…    scenarios (bgp/scenarios.ts); --full: those that take minutes too
 *   --peers NAME,…   ours, bird, frr, gobgp; none: injector and monitor with nobody between, the speed of the bench
 *   --rounds N       3 by default
 *   --json FILE      everything measured, round by round
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createPlayground } from '../support/namespaces.ts';
import { type DeviceName, devices } from './bgp/devices.ts';
import { type Outcome, type Scenario, scenarios, type Unit } from './bgp/scenarios.ts';
import { openStage } from './bgp/stage.ts';
import { percentile, type Row } from './table.ts';

type Contender = DeviceName | 'none';

interface Choice {
  readonly names: readonly string[];
  readonly contenders: readonly Contender[];
  readonly rounds: number;
  readonly json?: string;
}

/** One contender in one scenario, all rounds. */
interface Result {
  readonly scenario: string;
  readonly contender: Contender;
  readonly figures: Readonly<Record<string, { readonly unit: Unit; readonly figures: readonly number[] }>>;
  readonly faults: readonly string[];
}

const listOf = (text: string | undefined): readonly string[] | undefined => text?.split(',');

function choose(argv: readonly string[]): Choice {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string' },
      peers: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      json: { type: 'string' },
      full: { type: 'boolean', default: false },
    },
  });
  const names =
    listOf(values.only) ??
    Object.entries(scenarios)
      .filter(([, { isLong }]) => isLong !== true || values.full)
      .map(([name]) => name);
  const unknown = names.find((name) => !Object.hasOwn(scenarios, name));
  if (unknown !== undefined)
    throw new Error(`bench bgp: there is no "${unknown}". There is: ${Object.keys(scenarios).join(', ')}.`);
  const contenders = (listOf(values.peers) ?? Object.keys(devices)) as readonly Contender[];
  const stranger = contenders.find((name) => name !== 'none' && !Object.hasOwn(devices, name));
  if (stranger !== undefined)
    throw new Error(
      `bench bgp: there is no "${stranger}". There is: ${Object.keys(devices).join(', ')}, none.`,
    );
  return {
    names,
    contenders,
    rounds: Number(values.rounds),
    ...(values.json !== undefined && { json: values.json }),
  };
}

export async function run(argv: readonly string[]): Promise<readonly Row[]> {
  const choice = choose(argv);
  const loadBefore = loadavg();
  console.log(`${versions().join(', ')}. Load average ${shown(loadBefore)}.`);
  const results: Result[] = [];
  for (const name of choice.names) {
    const scenario = scenarios[name];
    if (scenario === undefined) continue;
    const those = await measure(name, scenario, choice);
    print(scenario, those);
    results.push(...those);
  }
  console.log(`\nLoad average ${shown(loadavg())} at the end.`);
  if (choice.json !== undefined)
    writeFileSync(
      choice.json,
      `${JSON.stringify({ versions: versions(), loadBefore, loadAfter: loadavg(), results }, null, 1)}\n`,
    );
  return [];
}

const shown = (loads: readonly number[]): string => loads.map((load) => load.toFixed(1)).join(' ');

const isFit = ({ devices: fit, spec }: Scenario, contender: Contender): boolean =>
  contender === 'none'
    ? spec.monitors === 1 && spec.plan.injectors === 1 && spec.withKernel === undefined
    : (fit?.includes(contender) ?? true);

async function measure(name: string, scenario: Scenario, choice: Choice): Promise<readonly Result[]> {
  const outcomes = new Map<Contender, Outcome[]>();
  for (let round = 0; round < choice.rounds; round += 1) {
    // Nobody always has the warmer machine.
    const shift = round % choice.contenders.length;
    const order = [...choice.contenders.slice(shift), ...choice.contenders.slice(0, shift)];
    for (const contender of order.filter((one) => isFit(scenario, one)))
      outcomes.set(contender, [...(outcomes.get(contender) ?? []), await once(scenario, contender)]);
  }
  return choice.contenders.flatMap((contender) => {
    const those = outcomes.get(contender);
    return those === undefined ? [] : [gather(name, contender, those)];
  });
}

async function once(scenario: Scenario, contender: Contender): Promise<Outcome> {
  // In memory: the event loop is measured through a file, and must not wait for a disk.
  const memory = '/dev/shm';
  const directory = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), 'tortie-bench-'));
  const ground = createPlayground('bb');
  try {
    const stage = await openStage(
      ground,
      join(directory, 'device'),
      contender === 'none' ? undefined : contender,
      scenario.spec,
    );
    try {
      const outcome = await scenario.run(stage, scenario.spec);
      const said = stage.device?.running.output() ?? '';
      return outcome.faults.length > 0 && said !== ''
        ? { ...outcome, faults: [...outcome.faults, said.slice(-300)] }
        : outcome;
    } finally {
      await stage.close();
    }
  } catch (error) {
    return { figures: {}, faults: [String(error).slice(0, 2000)] };
  } finally {
    await ground.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

function gather(scenario: string, contender: Contender, outcomes: readonly Outcome[]): Result {
  const figures: Record<string, { unit: Unit; figures: number[] }> = {};
  for (const outcome of outcomes)
    for (const [what, { figure, unit }] of Object.entries(outcome.figures)) {
      const row = figures[what] ?? { unit, figures: [] };
      row.figures.push(figure);
      figures[what] = row;
    }
  return { scenario, contender, figures, faults: outcomes.flatMap(({ faults }) => faults) };
}

const digits = (figure: number): string => figure.toFixed(figure < 10 ? 2 : figure < 100 ? 1 : 0);

function print({ title }: Scenario, results: readonly Result[]): void {
  const contenders = results.map(({ contender }) => contender);
  const rows = [...new Set(results.flatMap(({ figures }) => Object.keys(figures)))];
  console.log(`\n${title}`);
  console.log(['', ...contenders, 'ours/fastest'].map((cell, at) => pad(cell, at)).join('  '));
  for (const what of rows) {
    const medians = results.map(({ figures }) => percentile(figures[what]?.figures ?? [], 0.5));
    const unit = results.map(({ figures }) => figures[what]?.unit).find((one) => one !== undefined);
    const others = medians.filter((_, at) => contenders[at] !== 'ours' && contenders[at] !== 'none');
    const ours = medians[contenders.indexOf('ours')] ?? Number.NaN;
    const fastest = Math.min(...others.filter((figure) => !Number.isNaN(figure)));
    const ratio = Number.isFinite(fastest) && !Number.isNaN(ours) ? (ours / fastest).toFixed(2) : '';
    const cells = medians.map((figure) => (Number.isNaN(figure) ? '-' : `${digits(figure)} ${unit}`));
    console.log([what, ...cells, ratio].map((cell, at) => pad(cell, at)).join('  '));
  }
  for (const { contender, faults } of results)
    for (const fault of new Set(faults)) console.log(`  ${contender}: ${fault}`);
}

const pad = (cell: string, at: number): string => (at === 0 ? cell.padEnd(24) : cell.padStart(12));

/** What Debian's packages are of, and Node. */
function versions(): readonly string[] {
  const list = execFileSync('dpkg-query', ['-W', 'bird2', 'frr', 'gobgpd'], {
    encoding: 'utf8',
  });
  return [...list.trim().replaceAll('\t', ' ').split('\n'), `Node ${process.version}`];
}
