/**
 * By which ports a policy can be met, where these are few: then a tier finds its policies by the port a packet goes to, in one
 * lookup, and asks those alone, in their order. All others could not have matched.
 */
import { same } from '../../src/lib/same.ts';
import type { Match, PortJump, Rule } from './model.ts';

/** What a packet goes to: IANA number of a protocol with ports, and the port. */
export type Door = Omit<PortJump, 'chain'>;

/** Of one policy; one with more is asked as if it had none. */
const mostDoors = 16;
/** A lookup costs as much as one or two policies that do not match. */
const fewest = 3;

/** Every packet that any of the rules matches goes to one of these. Undefined: to others too, or to too many. */
export function doorsOf(rules: readonly Rule[]): readonly Door[] | undefined {
  const doors = new Map<string, Door>();
  for (const { matches, verdict } of rules) {
    const ports = matches.find(isDoor);
    // Pass is `return`, which has to be said in the tier's own chain.
    if (ports === undefined || verdict?.kind === 'return') return undefined;
    for (const { first, last } of ports.ranges) {
      if (doors.size + last - first >= mostDoors) return undefined;
      for (let port = first; port <= last; port++)
        doors.set(`${ports.protocol} ${port}`, { protocol: ports.protocol, port });
    }
  }
  return [...doors.values()];
}

const isDoor = (match: Match): match is Extract<Match, { kind: 'ports' }> =>
  match.kind === 'ports' && match.side === 'destination' && match.not !== true;

interface Entered {
  readonly doors?: readonly Door[];
}

/** Neighbours that are asked by the packet's port; or one that always is. */
export type Stretch<T> =
  | { readonly one: T }
  | { readonly doors: readonly { readonly door: Door; readonly asked: readonly T[] }[] };

/** In order. What has no door at all is left out. */
export function stretchesOf<T extends Entered>(all: readonly T[]): readonly Stretch<T>[] {
  const stretches: Stretch<T>[] = [];
  let run: T[] = [];
  const close = (): void => {
    stretches.push(...stretchOf(run));
    run = [];
  };
  for (const one of all) {
    if (one.doors?.length === 0) continue;
    if (one.doors === undefined) {
      close();
      stretches.push({ one });
    } else run.push(one);
  }
  close();
  return stretches;
}

function stretchOf<T extends Entered>(run: readonly T[]): readonly Stretch<T>[] {
  const byDoor = new Map<string, { readonly door: Door; readonly asked: T[] }>();
  for (const one of run) {
    for (const door of one.doors ?? []) {
      const key = `${door.protocol} ${door.port}`;
      const known = byDoor.get(key);
      if (known === undefined) byDoor.set(key, { door, asked: [one] });
      else known.asked.push(one);
    }
  }
  const isWorthIt = run.length >= fewest && byDoor.size >= fewest;
  return isWorthIt ? [{ doors: [...byDoor.values()] }] : run.map((one) => ({ one }));
}

export const sameDoors = (a: Entered, b: Entered): boolean => same(a.doors, b.doors);
