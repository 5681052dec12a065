/** What the scheduler is asked for single threads. */
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

const module = new URL('../../../src/kernel/schedule.ts', import.meta.url).href;

/** In a process of its own. By thread its name and, of proc_pid_stat(5), field 41: 0 is SCHED_OTHER, 3 is SCHED_BATCH. */
const program = `
  import { readdirSync, readFileSync } from 'node:fs';
  import { yieldWorkers } from ${JSON.stringify(module)};
  yieldWorkers();
  const tasks = '/proc/self/task';
  console.log(JSON.stringify(readdirSync(tasks).map((thread) => [
    readFileSync(tasks + '/' + thread + '/comm', 'utf8').trimEnd(),
    Number(readFileSync(tasks + '/' + thread + '/stat', 'utf8').split(') ')[1].split(' ')[38]),
  ])));
`;

test('the threads by which V8 compiles are scheduled as batch work, and all others as before', () => {
  const said = execFileSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  const threads = JSON.parse(said) as readonly (readonly [string, number])[];
  const workers = threads.filter(([name]) => name === 'V8Worker');
  expect(workers.length).toBeGreaterThan(0);
  expect(new Set(workers.map(([, policy]) => policy))).toEqual(new Set([3]));
  const others = threads.filter(([name]) => name !== 'V8Worker');
  expect(new Set(others.map(([, policy]) => policy))).toEqual(new Set([0]));
});
