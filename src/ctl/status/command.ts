/** `tortiectl status`: asks for the Nodes and their reports, and shows the overview of them. */
import type { Manifest } from '../../store/objects.ts';
import { nameOf } from '../cluster/json.ts';
import { openSource } from '../cluster/open.ts';
import { nodePlace, reportedBy, reportPlace } from '../cluster/reports.ts';
import type { Source } from '../cluster/source.ts';
import { untilInterrupted } from '../cluster/until.ts';
import type { Global } from '../command.ts';
import type { StatusOptions } from '../options.ts';
import { complain, print } from '../output.ts';
import { paintFor } from '../style.ts';
import { exitCode, overview } from './overview.ts';
import { overviewText } from './text.ts';

export async function status(options: StatusOptions & Global): Promise<number> {
  const source = await openSource(options);
  if (!source.ok) return complain({ code: 2, sentence: source.error });
  return options.watch === true ? watch(source.value, options) : once(source.value, options);
}

async function once(source: Source, options: StatusOptions): Promise<number> {
  const [nodes, reports] = await Promise.all([source.list(nodePlace), source.list(reportPlace)]);
  if (!reports.ok) return complain({ code: 2, sentence: reports.error.sentence });
  if (!nodes.ok)
    complain({
      code: 1,
      sentence: `${nodes.error.sentence} Nodes that never reported are therefore not shown.`,
    });
  return show(nodes.ok ? nodes.value : undefined, reports.value, options);
}

async function show(
  nodes: readonly Manifest[] | undefined,
  reports: readonly Manifest[],
  { output }: StatusOptions,
): Promise<number> {
  const now = new Date();
  const found = overview(nodes?.map(nameOf), reports.map(reportedBy), now);
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
  const draw = (): void => {
    if (reports === undefined || !nodesAnswered) return;
    if (process.stdout.isTTY) process.stdout.write(clearScreen);
    void show(nodes, reports, options);
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
