/** `tortie lab scene`: one thing at a time, each from nothing, measured, and removed. */
import { paintFor } from '../../ctl/style.ts';
import { columns } from '../../ctl/table.ts';
import { fail, isFailure } from '../failure.ts';
import { guarded } from '../guard.ts';
import { checkPrograms, refuseIfPresent, takeDown, wordsFor } from '../lab.ts';
import { createReport } from '../report.ts';
import { drain } from './drain.ts';
import { ecmp } from './ecmp.ts';
import { Ground } from './ground.ts';
import { reflector } from './reflector.ts';
import type { Facts, Scene } from './scene.ts';
import { unnumbered } from './unnumbered.ts';

const scenes = { ecmp, reflector, drain, unnumbered } as const;
type SceneName = keyof typeof scenes;
export const sceneNames = Object.keys(scenes) as SceneName[];

export interface SceneOptions {
  /** Of the namespaces; absent: the scene's own name. */
  readonly name?: string;
  readonly list?: boolean;
  readonly json?: boolean;
  readonly rounds: number;
}

/** @returns the exit code */
export async function scene(which: SceneName | undefined, options: SceneOptions): Promise<number> {
  if (options.list === true) return list();
  if (which === undefined) return fail(`Which scene? One of: ${sceneNames.join(', ')}.`);
  const played: Scene = scenes[which];
  const name = options.name ?? which;
  checkPrograms(played.needs);
  refuseIfPresent(name);
  const stream = options.json === true ? process.stderr : process.stdout;
  const paint = paintFor(stream, process.env['NO_COLOR']);
  const report = createReport((text) => void stream.write(text), paint, stream.isTTY);
  const began = performance.now();
  return guarded(async (signal) => {
    const failures: string[] = [];
    const check = (done: string, ...wrong: readonly (string | false)[]): void => {
      const all = wrong.filter((text) => text !== false);
      for (const text of all) report.wrong(text);
      failures.push(...all);
      if (all.length === 0) report.step(done);
    };
    let facts: Facts = {};
    report.heading(`Scene "${which}": ${played.about}`);
    const ground = new Ground(name, signal);
    try {
      facts = await played.play({ ground, report, rounds: options.rounds, check });
    } catch (error) {
      if (signal.aborted || !isFailure(error)) throw error;
      report.wrong(error.message);
      failures.push(error.message);
    } finally {
      await ground.close();
      await takeDown(name);
      report.step('everything is removed again');
    }
    const seconds = Math.round((performance.now() - began) / 1000);
    const ok = failures.length === 0;
    report.heading(
      ok
        ? `All as expected, in ${seconds} s.`
        : `${wordsFor(failures.length, 'thing')} not as expected, in ${seconds} s.`,
    );
    if (options.json === true)
      process.stdout.write(`${JSON.stringify({ scene: which, ...facts, failures, ok })}\n`);
    return ok ? 0 : 1;
  });
}

function list(): number {
  const rows = sceneNames.map((name) => [name, scenes[name].about]);
  process.stdout.write(`${columns(['SCENE', 'WHAT IT SHOWS'], rows)}\n`);
  return 0;
}
