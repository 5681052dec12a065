/** What of the program stays in memory: nothing it still needs is lost, and what only the start needed is gone. */
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { mappingsOf } from '../../../src/kernel/resident.ts';

const module = new URL('../../../src/kernel/resident.ts', import.meta.url).href;

test('a mapping is told by where it is, of which file, and what of it differs from the file', () => {
  const smaps = [
    '55e4a0000000-55e4a0002000 r-xp 00001000 fe:01 42                         /usr/bin/some node',
    'Size:                  8 kB',
    'Anonymous:             0 kB',
    'VmFlags: rd ex mr mw me',
    '55e4a0002000-55e4a0003000 r--p 00003000 fe:01 42                         /usr/bin/some node',
    'Size:                  4 kB',
    'Anonymous:             4 kB',
    '7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 ',
    'Anonymous:            12 kB',
  ].join('\n');
  expect(mappingsOf(smaps)).toEqual([
    { start: 0x55e4a0000000, length: 0x2000, file: '/usr/bin/some node', isWritable: false, own: 0 },
    { start: 0x55e4a0002000, length: 0x1000, file: '/usr/bin/some node', isWritable: false, own: 4 },
    { start: 0x7ffd00000000, length: 0x21000, file: '', isWritable: true, own: 12 },
  ]);
});

/** In a process of its own: this one is shared with other tests. KB of files in memory before and after, and what it computes then. */
const program = `
  import { readFileSync } from 'node:fs';
  import { giveBack } from ${JSON.stringify(module)};
  const kb = () => Number(/RssFile:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
  const before = kb();
  const isDone = await giveBack();
  const after = kb();
  const sorted = Array.from({ length: 20000 }, (_, index) => (index * 7919) % 20011).sort((a, b) => a - b);
  console.log(JSON.stringify({ before, isDone, after, first: JSON.parse(JSON.stringify(sorted))[9], text: 'ß'.normalize('NFD').toUpperCase() }));
`;

test('the program goes on as before with far less of its file in memory', () => {
  const said = execFileSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  const { before, isDone, after, first, text } = JSON.parse(said) as Record<
    string,
    number | boolean | string
  >;
  expect(isDone).toBe(true);
  expect(Number(after)).toBeLessThan(Number(before) - 10_000);
  expect([first, text]).toEqual([9, 'SS']);
});
