/** `tortiectl ipam release`: what nobody uses, guarded by the sequence number it was seen with. */
import { readFile } from 'node:fs/promises';
import { realClock } from '../../host/clock.ts';
import { type CheckedAllocation, checkIpam } from '../../ipam/check.ts';
import { openCollector } from '../../ledger/collector.ts';
import { formatAddress, parseAddress } from '../../lib/net.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import type { Objects } from '../../store/objects.ts';
import type { Global } from '../command.ts';
import type { Failure } from '../output.ts';
import type { ReleaseOptions } from './options.ts';
import { leaksIn, type ReportedLeak } from './report.ts';
import { type Survey, survey, withObjects } from './survey.ts';

export const release = (options: ReleaseOptions & Global): Promise<number> =>
  withObjects(options, async (objects) => {
    if (options.ip === undefined && options.fromReport === undefined)
      return err({ code: 2, sentence: 'Say what to release: --ip ADDRESS, or --from-report FILE.' });
    const found = await survey(objects);
    if (!found.ok) return found;
    const asked = await askedFor(options, found.value);
    if (!asked.ok) return asked;
    return await releaseAll(objects, found.value, asked.value, options.force === true);
  });

interface Asked {
  readonly ip: string;
  /** Absent: it is not assigned. */
  readonly leak?: ReportedLeak;
}

const allocationsIn = (found: Survey): readonly CheckedAllocation[] =>
  checkIpam({ ...found, nodes: new Set(found.nodes.map(({ meta }) => meta.name)) }).allocations;

async function askedFor(
  { ip = [], fromReport = [] }: ReleaseOptions,
  found: Survey,
): Promise<Result<readonly Asked[], Failure>> {
  const asked: Asked[] = [];
  const allocations = allocationsIn(found);
  for (const text of ip) {
    const address = parseAddress(text);
    if (address === undefined)
      return err({ code: 2, sentence: `--ip must be an address, but is ${JSON.stringify(text)}.` });
    const leak = allocations.find((one) => one.address === address);
    asked.push({ ip: formatAddress(address), ...(leak && { leak }) });
  }
  for (const file of fromReport) {
    const leaks = await leaksOf(file);
    if (!leaks.ok) return err({ code: 2, sentence: `${file} ${leaks.error}` });
    asked.push(...leaks.value.map((leak) => ({ ip: formatAddress(leak.address), leak })));
  }
  return ok(asked);
}

async function leaksOf(file: string): Promise<Result<readonly ReportedLeak[]>> {
  try {
    return leaksIn(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    return err(`cannot be read: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

/** One after the other; the first answer that never comes ends it. */
async function releaseAll(
  objects: Objects,
  found: Survey,
  asked: readonly Asked[],
  isForced: boolean,
): Promise<Result<number, Failure>> {
  const allocations = new Map(allocationsIn(found).map((one) => [one.address, one]));
  const { ipCooldownSeconds } = found.settings;
  const collector = openCollector({
    ...{ objects, clock: realClock, random: Math.random },
    cooldownSeconds: () => ipCooldownSeconds,
  });
  let left = 0;
  for (const { ip, leak } of asked) {
    const why = whyKept(leak, leak && allocations.get(leak.address), isForced);
    if (leak === undefined || why !== undefined) {
      left += 1;
      process.stdout.write(`${ip} is not released: ${why}\n`);
      continue;
    }
    const done = await collector.release({ handle: leak.handle, addresses: [leak] });
    if (!done.ok) return err({ code: 2, sentence: done.error.what });
    if (done.value.length === 0) left += 1;
    process.stdout.write(
      done.value.length > 0
        ? `Released ${ip} of ${leak.handle}\n`
        : `${ip} is not released: it changed meanwhile.\n`,
    );
  }
  return ok(left === 0 ? 0 : 1);
}

/** Undefined: it may go. */
function whyKept(
  leak: ReportedLeak | undefined,
  present: CheckedAllocation | undefined,
  isForced: boolean,
): string | undefined {
  if (leak === undefined) return 'it is not assigned.';
  if (present === undefined || present.handle !== leak.handle || present.sequence !== leak.sequence)
    return 'it is not as the report says: it was released or given anew since.';
  if (isForced || present.whyUnused !== undefined) return undefined;
  const { pod, namespace } = present.attributes;
  return `it is in use${pod === undefined ? '' : ` by the pod ${namespace}/${pod}`}. Use --force if you know better.`;
}
