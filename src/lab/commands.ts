/** The `tortie lab` commands that make, check and remove a lab. Each returns the exit code; main.ts says what the codes mean. */
import { type Paint, paintFor } from '../ctl/style.ts';
import { columns } from '../ctl/table.ts';
import { type Cluster, loadCluster } from './cluster.ts';
import { type DatastoreKind, kubeconfigOf } from './datastore.ts';
import { fail } from './failure.ts';
import { guarded } from './guard.ts';
import { bringUp, checkMachine, presenceOf, refuseIfPresent, takeDown, wordsFor } from './lab.ts';
import { createReport, type Report } from './report.ts';
import { type Outcome, runScenario } from './scenario.ts';
import type { IpamMode, LabState } from './state.ts';
import { runDirOf } from './topology.ts';
import { torSoftware } from './tor/software.ts';
import type { TorKind } from './tor/tor.ts';
import { existing, type Named } from './visit.ts';

export interface Shape extends Named {
  readonly nodes?: number;
  readonly tor: TorKind;
  readonly api: DatastoreKind;
  readonly ipam?: IpamMode;
  readonly manifests?: string;
  readonly json?: boolean;
}

interface Stage {
  readonly report: Report;
  readonly paint: Paint;
}

function stageFor(json: boolean): Stage {
  const stream = json ? process.stderr : process.stdout;
  const paint = paintFor(stream, process.env['NO_COLOR']);
  return { paint, report: createReport((text) => void stream.write(text), paint, stream.isTTY) };
}

function clusterFor({ manifests, nodes }: Shape): Cluster {
  const cluster = loadCluster(manifests, nodes);
  return cluster.ok ? cluster.value : fail(cluster.error);
}

const title = ({ name, tor }: Shape, cluster: Cluster): string =>
  `Lab "${name}": ${wordsFor(cluster.nodes.length, 'node')} behind a ToR that runs ${torSoftware[tor].title}`;

async function raise(
  options: Shape,
  cluster: Cluster,
  report: Report,
  signal: AbortSignal,
): Promise<LabState> {
  report.heading(title(options, cluster));
  return bringUp({
    name: options.name,
    torKind: options.tor,
    cluster,
    api: options.api,
    ...(options.ipam === undefined ? {} : { ipam: options.ipam }),
    ...(options.manifests === undefined ? {} : { manifests: options.manifests }),
    signal,
    onStep: report.step,
    onWait: report.wait,
  });
}

/** Brings a lab up, puts it through everything and takes it down, whatever happens. */
async function throughout(options: Shape, theatre: boolean): Promise<number> {
  checkMachine(options.tor);
  const cluster = clusterFor(options);
  refuseIfPresent(options.name);
  const { report, paint } = stageFor(options.json === true);
  const began = performance.now();
  return guarded(async (signal) => {
    try {
      const state = await raise(options, cluster, report, signal);
      const outcome = await runScenario({ state, cluster, report, paint, signal, theatre }, true);
      return conclude(outcome, options, report, began);
    } finally {
      await takeDown(options.name);
      report.step('everything is taken down again');
    }
  });
}

function conclude(outcome: Outcome, { json }: Shape, report: Report, began: number): number {
  const seconds = Math.round((performance.now() - began) / 1000);
  const { failures, ok } = outcome;
  report.heading(
    ok
      ? `All as expected, in ${seconds} s.`
      : `${wordsFor(failures.length, 'thing')} not as expected, in ${seconds} s.`,
  );
  if (json === true) process.stdout.write(`${JSON.stringify(outcome)}\n`);
  return ok ? 0 : 1;
}

export const demo = (options: Shape): Promise<number> => throughout(options, true);

/** A lab that is up is looked at as it is, and left as it is. */
export async function assertLab(options: Shape): Promise<number> {
  if (presenceOf(options.name) !== 'running') return throughout(options, false);
  const state = existing(options.name);
  const cluster = clusterFor({
    ...options,
    nodes: state.topology.nodes.length,
    ...(state.manifests === undefined ? {} : { manifests: state.manifests }),
  });
  const { report, paint } = stageFor(options.json === true);
  const began = performance.now();
  report.heading(`${title({ ...options, tor: state.torKind }, cluster)}, as it is`);
  return guarded(async (signal) =>
    conclude(
      await runScenario({ state, cluster, report, paint, signal, theatre: false }, false),
      options,
      report,
      began,
    ),
  );
}

export async function up(options: Shape): Promise<number> {
  checkMachine(options.tor);
  const cluster = clusterFor(options);
  refuseIfPresent(options.name);
  const { report, paint } = stageFor(false);
  return guarded(async (signal) => {
    try {
      const state = await raise(options, cluster, report, signal);
      const outcome = await runScenario({ state, cluster, report, paint, signal, theatre: false }, false);
      report.heading(outcome.ok ? 'It runs. Try:' : 'It runs, but not all is as expected. Look with:');
      report.block(hints(state));
      return outcome.ok ? 0 : 1;
    } catch (error) {
      await takeDown(options.name);
      throw error;
    }
  });
}

function hints({ name, topology, api }: LabState): string {
  const more = name === 'lab' ? '' : ` --name ${name}`;
  const node = topology.nodes[0]?.name ?? 'node1';
  const me = 'src/tortie.sh';
  const ctl = `${me} ctl node status --socket ${runDirOf(name)}/${node}/bgp.sock`;
  return columns(
    ['', ''],
    [
      [`${me} lab exec${more} ${node} -- ip route`, 'a command in a namespace'],
      [ctl, 'what a node says'],
      [`${me} lab fail link ${node} tor${more}`, 'cut a cable; or: fail daemon NODE bgp'],
      [`${me} lab heal${more}`, 'mend everything'],
      [`${me} lab assert${more}`, 'check everything'],
      api === undefined
        ? [`${runDirOf(name)}/store`, 'the manifests: change them and see']
        : [`export KUBECONFIG=${kubeconfigOf(name)}`, 'then kubectl, tortiectl: the API server is yours'],
      [`${me} lab down${more}`, 'remove it all'],
    ],
    { indent: 2 },
  ).replace(/^\s*\n/, '');
}

export async function down({ name }: Named): Promise<number> {
  if (process.getuid?.() !== 0) return fail('Removing a lab needs root, as making it did.');
  if (presenceOf(name) === 'absent') {
    process.stdout.write(`There is no lab "${name}".\n`);
    return 0;
  }
  await takeDown(name);
  process.stdout.write(`Lab "${name}" is removed.\n`);
  return 0;
}
