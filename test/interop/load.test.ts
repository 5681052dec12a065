/**
 * Two faults that others have shown under load, which are not in ours: the tail of a burst that is read only when the
 * neighbour says something more, and prefixes that keep a path which is no longer the best. Nothing here is timed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openStage, type Seen, type StageSpec } from '../bench/bgp/stage.ts';
import { createPlayground } from '../support/namespaces.ts';

/** Against what hangs only. */
const within = 150_000;

async function everyPathArrives(prefix: string, spec: StageSpec): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tortie-load-'));
  const ground = createPlayground(prefix);
  const total = spec.plan.isShared ? spec.plan.count : spec.plan.count * spec.plan.injectors;
  try {
    const stage = await openStage(ground, join(directory, 'device'), 'ours', spec);
    try {
      for (const what of ['announce', 'withdraw', 'announce'] as const) {
        await stage.monitor.ask('want', { plan: spec.plan, what });
        await stage.injector.ask('send', what);
        const seen = await stage.monitor.ask<Seen>('right', within);
        expect(
          { what, right: seen.right, strange: seen.strange, closed: seen.closed },
          stage.device?.running.output(),
        ).toEqual({ what, right: [total], strange: 0, closed: [] });
      }
    } finally {
      await stage.close();
    }
  } finally {
    await ground.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

test('after a burst of more than 10,000 UPDATEs and then silence, all of them are processed without another byte', () =>
  everyPathArrives('ld1', {
    plan: { family: 4, count: 100_000, form: 'table', injectors: 1, isShared: false },
    monitors: 1,
    isSilent: true,
  }));

test('after ten neighbours have told the same prefixes at full speed, each prefix has its best path, also after a withdrawal and a second telling', () =>
  everyPathArrives('ld2', {
    plan: { family: 4, count: 15_000, form: 'table', injectors: 10, isShared: true },
    monitors: 1,
  }));
