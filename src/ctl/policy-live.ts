/**
 * `tortiectl policy why --live`: what was said of policy is tried with a real probe, which both nodes' kernels are asked to follow.
 *
 * Owns nothing of it: a trace ends by itself on its node, also if this process is ended in between.
 */
import type { Cluster } from '../policy/cluster.ts';
import { agreementOf, fateOf, type Live } from '../policy/live/fate.ts';
import { liveLines, liveVerdict } from '../policy/live/words.ts';
import { type Answer, answerLines } from '../policy/why.ts';
import { askFelixBy, openFelixWays } from './cluster/felix.ts';
import type { Global } from './command.ts';
import { triesOf, tryIt } from './live/tries.ts';
import type { PolicyWhyOptions } from './options.ts';
import { complain, print } from './output.ts';
import { type Paint, paintFor } from './style.ts';

/** Each waits for its answer, one after the other. */
const mostLive = 8;

/**
 * All of them, told as they are asked for. @param asJson  the static part of an answer
 * @returns  the exit code: 3 if any did otherwise than policy says, else 2 if any could not be tried, else as without --live
 */
export async function runLive(
  cluster: Cluster,
  answers: readonly Answer[],
  options: PolicyWhyOptions & Global,
  asJson: (answer: Answer) => object,
): Promise<number> {
  const seconds = Number(options.within);
  if (!(seconds >= 0.1 && seconds <= 30))
    return complain({
      code: 2,
      sentence: `--within must be from 0.1 to 30 seconds, but is ${JSON.stringify(options.within)}.`,
    });
  const tries = triesOf(answers);
  if (tries.length > mostLive)
    return complain({
      code: 2,
      sentence: `--live tries at most ${mostLive} connections, and ${tries.length} are meant. Name one pod at each end, and the port.`,
    });
  const ways = await openFelixWays(options, options.felixSocket ?? []);
  if (!ways.ok) return complain({ code: 2, sentence: ways.error });
  const how = { ask: askFelixBy(ways.value), random: Math.random, withinMs: Math.round(seconds * 1000) };
  const lives: Tried[] = [];
  for (const one of tries) lives.push(...(await tryIt(cluster, one, how)));
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  const isWhole = options.output === 'wide';
  await print(
    lives.map(({ answer, live }) => ({ ...asJson(answer), live: liveJson(answer, live) })),
    options.output,
    () => lives.map(({ answer, live }) => textOf(answer, live, isWhole, paint)).join('\n\n'),
  );
  return exitOf(lives);
}

interface Tried {
  readonly answer: Answer;
  readonly live: Live;
}

function textOf(answer: Answer, live: Live, isWhole: boolean, paint: Paint): string {
  const [first = '', ...rest] = answerLines(answer, isWhole);
  const isGood = answer.verdict.allowed && agreementOf(answer.verdict.allowed, live) === 'agrees';
  const head = first.replace(/(ALLOWED|DENIED)$/, liveVerdict(answer, live));
  return [paint(head, isGood ? 'good' : 'bad'), ...rest, ...liveLines(answer, live, isWhole)].join('\n');
}

function liveJson({ verdict }: Answer, live: Live) {
  const { untried, outcome, mark, halves } = live;
  if (untried !== undefined) return { untried };
  const fate = fateOf(live);
  return {
    kernel: fate,
    agreement: agreementOf(verdict.allowed, live),
    probe: { ...outcome, mark },
    traces: halves,
  };
}

/** A Service without a backend is denied, tried or not; a backend that it did not lead to is as policy says. */
function exitOf(lives: readonly Tried[]): number {
  const said = lives
    .filter(({ answer, live }) => answer.service?.nobody === undefined && live.isPassedOver !== true)
    .map(({ answer, live }) => agreementOf(answer.verdict.allowed, live));
  if (said.includes('differs')) return 3;
  if (said.includes('unknown')) return 2;
  return lives.every(({ answer }) => answer.verdict.allowed) ? 0 : 1;
}
