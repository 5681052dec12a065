/** The sysctl that Reevaluate sets is what it was when it is Keep again, whichever process sees that. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Loose, looseKey } from '../../../felix/observe/loose.ts';

const made: string[] = [];
afterEach(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true });
});

function host(value: string) {
  const directory = mkdtempSync(join(tmpdir(), 'loose-'));
  made.push(directory);
  const sysctls = new Map([
    [looseKey, value],
    ['kernel/random/boot_id', 'first'],
  ]);
  const kernel = {
    sysctl: async (path: string, wanted: string): Promise<void> => void sysctls.set(path, wanted),
    readSysctl: async (path: string): Promise<string> => sysctls.get(path) ?? '',
  };
  return {
    directory,
    sysctls,
    /** A process of its own. */
    felix: () => new Loose(kernel, directory),
    loose: () => sysctls.get(looseKey),
  };
}

test.each(['0', '1'])('it is 0 meanwhile, and %s again for the process that finds it so', async (value) => {
  const { directory, felix, loose } = host(value);
  await felix().forbid();
  expect(loose()).toBe('0');
  await felix().forbid();
  await felix().restore();
  expect(loose()).toBe(value);
  expect(readdirSync(directory)).toEqual([]);
});

test('who never set it leaves it alone, 0 as it may be', async () => {
  const { felix, loose } = host('0');
  await felix().restore();
  expect(loose()).toBe('0');
});

test('what somebody else has set since stays, and so does what the host set when it started again', async () => {
  const changed = host('1');
  await changed.felix().forbid();
  changed.sysctls.set(looseKey, '2');
  await changed.felix().restore();
  expect(changed.loose()).toBe('2');
  const again = host('1');
  await again.felix().forbid();
  again.sysctls.set('kernel/random/boot_id', 'second');
  await again.felix().restore();
  expect(again.loose()).toBe('0');
  expect(readdirSync(again.directory)).toEqual([]);
});

test('a file that is no longer whole counts as none', async () => {
  const { directory, felix, loose } = host('1');
  writeFileSync(join(directory, 'tcp-loose.json'), '{"boot":');
  await felix().forbid();
  await felix().restore();
  expect(loose()).toBe('1');
});
