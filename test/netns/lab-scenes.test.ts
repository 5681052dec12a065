/** The scenes of the lab as a person plays them: what must hold is asserted, what is measured only loosely. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';

const launcher = new URL('../../src/tortie.ts', import.meta.url).pathname;
const runRoot = mkdtempSync(join(tmpdir(), 'scenes-'));
/** Machines of CI are slow. */
const patience = { timeout: 300_000 };

function start(...argv: readonly string[]) {
  const child = spawn(process.execPath, [launcher, 'lab', ...argv], {
    env: { ...process.env, TORTIE_LAB_RUN: runRoot },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const done = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, done, output: () => stdout };
}

/** Nothing is left of it: no namespace, no directory. */
function expectNoTrace(name: string): void {
  const netns = readdirSync('/run/netns').filter((one) => one.startsWith(`tortie-${name}-`));
  expect(netns).toEqual([]);
  expect(readdirSync(runRoot)).not.toContain(name);
}

/** The JSON of a scene that came out as it should. */
async function played(name: string) {
  const { code, stdout, stderr } = await start('scene', name, '--json').done;
  const facts = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  expect(facts.failures, stderr).toEqual([]);
  expect(code).toBe(0);
  expect(facts).toMatchObject({ scene: name, ok: true });
  expectNoTrace(name);
  return facts;
}

afterAll(async () => {
  for (const name of ['ecmp', 'reflector', 'drain', 'unnumbered', 'cut'])
    await start('down', '--name', name).done;
  rmSync(runRoot, { recursive: true, force: true });
});

test(
  'two ToRs: a cable that is cut, silently or not, costs a moment, and its return nothing',
  patience,
  async () => {
    const { cuts, used } = await played('ecmp');
    for (const packets of used) expect(packets).toBeGreaterThan(0);
    expect(cuts).toMatchObject([
      { link: 'a', kind: 'middle', lostMending: 0 },
      { link: 'b', kind: 'plug', lostMending: 0 },
    ]);
    for (const { lost, outMs, backMs } of cuts) {
      expect(lost).toBeGreaterThan(0);
      expect(Math.max(outMs, backMs)).toBeLessThan(3000);
    }
  },
);

describe.concurrent('beside each other', () => {
  test(
    'RFC 4456 §8: of fifty clients each hears the forty-nine others, and all hear that one leaves',
    patience,
    async () => {
      const { clients, sessions, routes } = await played('reflector');
      expect([clients, sessions, routes]).toEqual([50, 50, 50 * 49]);
    },
  );

  test('RFC 8326 §4: a node that is drained, undrained or ended loses no packet', patience, async () => {
    const { lost, times } = await played('drain');
    expect(lost).toEqual({ before: 0, drain: 0, undo: 0, sigterm: 0 });
    expect(times.withdrawn).toBeGreaterThan(9000);
  });

  test('RFC 8950: a ToR found by its link carries packets of a pod both ways', patience, async () => {
    const { out, back, fromPod, fromHost } = await played('unnumbered');
    for (const way of [out, back]) expect(way.gateway).toMatch(/^fe80::/);
    for (const { sent, there, back: answers } of [fromPod, fromHost]) {
      expect(sent).toBeGreaterThan(0);
      expect([there.lost, answers.lost]).toEqual([0, 0]);
    }
  });

  test(
    'Ctrl-C in the middle leaves nothing behind, and a scene of that name cannot be played twice at a time',
    patience,
    async () => {
      const running = start('scene', 'unnumbered', '--name', 'cut');
      await eventually(() => expect(running.output()).toContain('the session is up'), { within: 120_000 });
      const again = await start('scene', 'reflector', '--name', 'cut').done;
      expect(again.code).toBe(2);
      expect(again.stderr).toContain('A lab "cut" is running already.');
      running.child.kill('SIGINT');
      expect((await running.done).code).toBe(130);
      expectNoTrace('cut');
    },
  );
});

test('the scenes are listed, and one that there is not is refused', async () => {
  const listed = await start('scene', '--list').done;
  expect(listed.code).toBe(0);
  for (const name of ['ecmp', 'reflector', 'drain', 'unnumbered']) expect(listed.stdout).toContain(name);
  expect((await start('scene', 'opera').done).code).toBe(2);
  expect((await start('scene').done).stderr).toContain('Which scene?');
});
