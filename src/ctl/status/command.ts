/** `tortiectl status`: asks for the Nodes, their reports and what runs of ours, and shows the overview of them. */
import { kinds } from '../../store/kinds.ts';
import type { Manifest } from '../../store/objects.ts';
import { nameOf } from '../cluster/json.ts';
import { openSource } from '../cluster/open.ts';
import { nodePlace, reportedBy, reportPlace } from '../cluster/reports.ts';
import type { Place, Source, Trouble as Unread } from '../cluster/source.ts';
import { untilInterrupted } from '../cluster/until.ts';
import type { Global } from '../command.ts';
import type { StatusOptions } from '../options.ts';
import { complain, print } from '../output.ts';
import { paintFor } from '../style.ts';
import { leaderTroubles, nodeTroubles, podTroubles } from './cluster.ts';
import { exitCode, overview, type Trouble } from './overview.ts';
import { overviewText } from './text.ts';

export async function status(options: StatusOptions & Global): Promise<number> {
  const source = await openSource(options);
  if (!source.ok) return complain({ code: 2, sentence: source.error });
  return options.watch === true ? watch(source.value, options) : once(source.value, options);
}

async function once(source: Source, options: StatusOptions): Promise<number> {
  const [nodes, reports] = await Promise.all([source.list(nodePlace), source.list(reportPlace)]);
  if (!reports.ok)
    return complain({ code: 2, sentence: `${reports.error.sentence}${onNodes(reports.error)}` });
  if (!nodes.ok)
    complain({
      code: 1,
      sentence: `${nodes.error.sentence} Nodes that never reported are therefore not shown.`,
    });
  return show(source, nodes.ok ? nodes.value : undefined, reports.value, options);
}

const onNodes = ({ kind }: Unread): string =>
  kind === 'away' ? ' Without it each node can still be asked, there: tortiectl node status.' : '';

const podPlace: Place = { kind: 'Pod', ...kinds.Pod };
const leasePlace: Place = {
  kind: 'Lease',
  apiVersion: 'coordination.k8s.io/v1',
  plural: 'leases',
  namespaced: true,
};

/** What may not be read is left out: the reports are the answer, this only adds to it. */
async function knownOf(source: Source, nodes: readonly Manifest[], now: Date): Promise<readonly Trouble[]> {
  const [pods, leases] = await Promise.all([
    source.list(podPlace, { labels: 'app.kubernetes.io/name=tortie' }),
    source.list(leasePlace, { fields: 'metadata.name=tortie-controller' }),
  ]);
  return [
    ...nodes.flatMap((node) => nodeTroubles(node, now)),
    ...(pods.ok ? pods.value.flatMap(podTroubles) : []),
    ...(leases.ok ? leaderTroubles(leases.value, now) : []),
  ];
}

async function show(
  source: Source,
  nodes: readonly Manifest[] | undefined,
  reports: readonly Manifest[],
  { output }: StatusOptions,
  clear = '',
): Promise<number> {
  const now = new Date();
  const known = await knownOf(source, nodes ?? [], now);
  const found = overview(nodes?.map(nameOf), reports.map(reportedBy), now, known);
  process.stdout.write(clear);
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  await print(found, output, () => overviewText(found, { wide: output === 'wide', now, paint }));
  return exitCode(found);
}

/** A report may grow old without any change, so it is drawn anew after so long at the latest. */
const redrawMs = 30_000;
const clearScreen = '\x1b[H\x1b[2J';

function watch(source: Source, options: StatusOptions): Promise<number> {
  let nodes: readonly Manifest[] | undefined;
  let reports: readonly Manifest[] | undefined;
  // Half of the answer would show nodes that are missing as if they were none.
  let nodesAnswered = false;
  let drawn: Promise<void> = Promise.resolve();
  const draw = (): void => {
    if (reports === undefined || !nodesAnswered) return;
    const [items, told] = [nodes, reports];
    // One after the other: an older picture never stands over a newer one.
    drawn = drawn.then(() =>
      show(source, items, told, options, process.stdout.isTTY ? clearScreen : '').then(() => undefined),
    );
  };
  return untilInterrupted((end) => {
    const timer = setInterval(draw, redrawMs);
    const stops = [
      source.follow(
        nodePlace,
        {},
        (items) => {
          nodes = items;
          nodesAnswered = true;
          draw();
        },
        // Without the nodes there are still their reports.
        () => {
          nodesAnswered = true;
          draw();
        },
      ),
      source.follow(
        reportPlace,
        {},
        (items) => {
          reports = items;
          draw();
        },
        (trouble) => end(complain({ code: 2, sentence: trouble.sentence })),
      ),
    ];
    return () => {
      clearInterval(timer);
      for (const stop of stops) stop();
    };
  });
}
