/** What the kernel did with a real probe, who decided that, and whether policy says the same. */
import type { ProbeOutcome, TraceReport, TraceStep } from '../../model/live.ts';

/** What one node's kernel told, or why it told nothing. */
export interface Half {
  readonly node: string;
  readonly end: 'source' | 'destination' | 'both';
  readonly report?: TraceReport;
  /** A sentence. */
  readonly missing?: string;
}

export interface Live {
  /** Why nothing was tried: a sentence. Then there is no outcome. */
  readonly untried?: string;
  /** Only because the Service led to another backend this time. */
  readonly isPassedOver?: true;
  /** What a Service's address led to, in words. */
  readonly service?: string;
  readonly outcome?: ProbeOutcome;
  /** "from port 61234", "with identifier 61234". */
  readonly mark?: string;
  /** The source's node, then the destination's if that is another and one of ours. */
  readonly halves: readonly Half[];
}

export type Fate =
  | { readonly kind: 'dropped'; readonly node: string; readonly step: TraceStep }
  /** The source's node never saw it. */
  | { readonly kind: 'unseen'; readonly node: string }
  /** The one let it go, and the other never saw it. */
  | { readonly kind: 'lost'; readonly from: string; readonly to: string }
  | { readonly kind: 'passed' }
  /** Not all of the way could be looked at. */
  | { readonly kind: 'unknown' };

const arrived: readonly ProbeOutcome['kind'][] = ['connected', 'answered'];

export function fateOf({ outcome, halves }: Live): Fate {
  if (outcome === undefined) return { kind: 'unknown' };
  if (arrived.includes(outcome.kind)) return { kind: 'passed' };
  const dropped = dropIn(halves);
  if (dropped !== undefined) return dropped;
  // A refusal by TCP itself came from where it was sent to.
  if (outcome.kind === 'refused' && outcome.icmp === undefined) return { kind: 'passed' };
  if (outcome.kind === 'unsent') return { kind: 'unknown' };
  const missed = missedBy(halves);
  if (missed !== undefined) return missed;
  if (outcome.kind === 'silent' && halves.some(({ report }) => report === undefined))
    return { kind: 'unknown' };
  return { kind: 'passed' };
}

/** On the way there, or else on the way back. */
function dropIn(halves: readonly Half[]): Fate | undefined {
  for (const way of ['there', 'back'] as const)
    for (const { node, report } of halves) {
      const step = report?.steps.find((each) => each.way === way && each.verdict === 'drop');
      if (step !== undefined) return { kind: 'dropped', node, step };
    }
  return undefined;
}

function missedBy([near, far]: readonly Half[]): Fate | undefined {
  const seen = near?.report?.packets.there;
  if (near !== undefined && seen === 0) return { kind: 'unseen', node: near.node };
  if (near === undefined || far?.report?.packets.there !== 0 || seen === undefined) return undefined;
  return { kind: 'lost', from: near.node, to: far.node };
}

/** differs: the kernel did otherwise than policy says; unknown: nobody can say. */
export type Agreement = 'agrees' | 'differs' | 'unknown';

export function agreementOf(allowed: boolean, live: Live): Agreement {
  const fate = fateOf(live);
  if (live.outcome === undefined) return 'unknown';
  if (fate.kind === 'unknown') return allowed ? 'unknown' : 'agrees';
  const isThrough = fate.kind === 'passed' && live.outcome.kind !== 'error';
  if (allowed) return isThrough ? 'agrees' : 'differs';
  if (fate.kind === 'dropped') return 'agrees';
  return fate.kind === 'passed' ? 'differs' : 'unknown';
}
