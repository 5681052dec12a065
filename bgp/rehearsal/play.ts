/**
 * The course of a rehearsal: all tell all, which paths won is looked at, all take all back; again and again with other
 * attributes. It stops between any two pieces, each of a few milliseconds.
 *
 * There are two speakers, in turn. What V8 has seen in one alone it compiles for that one: with its very functions and with what
 * never changed there as constants. The real one would be the second.
 */
import type { Announcement, Family } from '../wire/message.ts';
import { castConfig, type Part, parts, tellers } from './cast.ts';
import { Scene, type SceneOptions } from './scene.ts';
import { announcements, families, prefixAt, prefixes } from './script.ts';

export interface PlayOptions extends SceneOptions {
  /** Prefixes of each family. */
  readonly count: number;
  readonly rounds: number;
}

/** Attribute sets of a piece. */
const groupsAtOnce = 20;
/** Prefixes of a piece that takes back. */
const withdrawnAtOnce = 600;
/** Prefixes of a family that change alone, and how many of them are a piece. */
const changed = 150;
const changedAtOnce = 30;
/** Prefixes of a family that stay. */
const kept = 40;
/** One in so many is looked at. */
const sampled = 50;

/** One sentence without a full stop that says what did not come out as it must; undefined: all did. */
interface Ending {
  readonly flaw: string | undefined;
}

/** Undefined: it goes on. */
export type Course = Generator<Ending | undefined, void, undefined>;

/**
 * It stops at its end and does not return, with a few routes in its tables: what V8 has compiled for a form of object is thrown away
 * when the last object of that form is, so whoever keeps the course keeps what came of it.
 */
export function* play(options: PlayOptions): Course {
  yield { flaw: yield* all(options) };
}

function* all(options: PlayOptions): Generator<undefined, string | undefined, undefined> {
  // One speaker has nobody who is told the same as another.
  const [first, second] = [
    sceneOf(
      options,
      parts.filter((part) => part !== 'alike'),
    ),
    sceneOf(options, parts),
  ];
  if (typeof first === 'string') return first;
  if (typeof second === 'string') return second;
  yield;
  for (let round = 0; round < options.rounds; round += 1) {
    const flaw = yield* once(round % 2 === 0 ? first : second, options.count, round);
    if (flaw !== undefined) return flaw;
  }
  for (const scene of [first, second])
    for (const family of families) yield* tell(scene, family, Math.min(kept, options.count), options.rounds);
  return undefined;
}

function sceneOf(options: SceneOptions, present: readonly Part[]): Scene | string {
  const config = castConfig();
  if (config === undefined) return 'a rehearsal has no configuration';
  const scene = new Scene(config, options, present);
  return scene.absent.length > 0 ? `no session with ${scene.absent.join(', ')} came up` : scene;
}

function* once(
  scene: Scene,
  count: number,
  round: number,
): Generator<undefined, string | undefined, undefined> {
  // Now and then nobody takes anything for a while, and changes gather.
  if (round % 4 > 1) scene.hold();
  for (const family of families) yield* tell(scene, family, count, round);
  scene.release();
  yield;
  for (const family of families) yield* change(scene, family, count, round);
  const missed = flawOf(scene, count);
  if (missed !== undefined) return missed;
  for (const family of families) yield* takeBack(scene, family, count);
  const left = scene.toldToEach.reduce((sum, one) => sum + one, scene.speaker.locRib.size);
  return left > 0 ? `${left} routes are there that all had taken back` : undefined;
}

function* tell(
  scene: Scene,
  family: Family,
  count: number,
  round: number,
): Generator<undefined, void, undefined> {
  for (const part of tellers) {
    let piece: { readonly withdrawn: readonly []; readonly announced: readonly Announcement[] }[] = [];
    for (const announcement of announcements(part, family, count, round)) {
      piece.push({ withdrawn: [], announced: [announcement] });
      if (piece.length < groupsAtOnce) continue;
      scene.say(part, piece);
      piece = [];
      yield;
    }
    scene.say(part, piece);
    yield;
  }
}

/** Single prefixes of the better path get other attributes, one UPDATE at a time, in a table that stands. */
function* change(
  scene: Scene,
  family: Family,
  count: number,
  round: number,
): Generator<undefined, void, undefined> {
  const [part] = tellers;
  if (part === undefined) return;
  let left = Math.min(count, changed);
  for (const { attributes, prefixes: told } of announcements(part, family, count, -1 - round)) {
    const [prefix] = told;
    if (left === 0 || prefix === undefined) return;
    scene.say(part, [{ withdrawn: [], announced: [{ family, attributes, prefixes: [prefix] }] }]);
    left -= 1;
    if (left % changedAtOnce === 0) yield;
  }
}

function* takeBack(scene: Scene, family: Family, count: number): Generator<undefined, void, undefined> {
  for (const part of tellers)
    for (let at = 0; at < count; at += withdrawnAtOnce) {
      const withdrawn = prefixes(family, at, Math.min(count, at + withdrawnAtOnce));
      scene.say(part, [{ withdrawn, announced: [] }]);
      yield;
    }
}

/** Once all have told all. */
function flawOf(scene: Scene, count: number): string | undefined {
  const all = families.length * count;
  const { size } = scene.speaker.locRib;
  if (size !== all) return `${size} of ${all} prefixes have a path`;
  for (const told of scene.toldToEach) if (told !== all) return `${told} of ${all} prefixes were told on`;
  for (const family of families)
    for (let at = 0; at < count; at += sampled)
      if (scene.bestOf(prefixAt(family, at)) !== 'better')
        return `prefix ${at} of ${family} has the worse path`;
  return undefined;
}
