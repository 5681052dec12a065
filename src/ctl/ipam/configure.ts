/** `tortiectl ipam configure`: the IPAMConfiguration called default, made if there is none. */
import { err, ok, type Result } from '../../lib/result.ts';
import { isObject } from '../../store/json.ts';
import type { Manifest, Objects } from '../../store/objects.ts';
import { formatPath } from '../../store/schema/flaw.ts';
import { readManifest } from '../../store/schema/manifest.ts';
import type { Json } from '../../store/store.ts';
import type { Global } from '../command.ts';
import type { ConfigureOptions } from './options.ts';
import { withObjects } from './survey.ts';

export const configure = (options: ConfigureOptions & Global): Promise<number> =>
  withObjects(options, async (objects) => {
    const wanted = settingsOf(options);
    if (wanted.length === 0)
      return err({ code: 2, sentence: 'Say what to change: see "tortiectl ipam configure --help".' });
    for (let tries = 0; ; tries += 1) {
      const done = await change(objects, wanted);
      if (!done.ok && done.error.isRace && tries < 5) continue;
      if (!done.ok) return err({ code: 2, sentence: done.error.what });
      for (const { name, value } of wanted)
        process.stdout.write(`Successfully set ${name} to: ${String(value)}\n`);
      return ok(0);
    }
  });

interface Setting {
  readonly name: string;
  readonly field: string;
  readonly value: Json;
}

/** A number that is none goes on as it is: the schema says what is wrong with it. */
const numberOf = (text: string): Json => (/^\d+$/.test(text) ? Number(text) : text);

function settingsOf(options: ConfigureOptions): readonly Setting[] {
  const { strictaffinity, autoAllocateBlocks, maxBlocksPerHost, ipCooldownSeconds } = options;
  const set = (name: string, field: string, value: Json | undefined): readonly Setting[] =>
    value === undefined ? [] : [{ name, field, value }];
  return [
    ...set('StrictAffinity', 'strictAffinity', strictaffinity && strictaffinity === 'true'),
    ...set('AutoAllocateBlocks', 'autoAllocateBlocks', autoAllocateBlocks && autoAllocateBlocks === 'true'),
    ...set('MaxBlocksPerHost', 'maxBlocksPerHost', maxBlocksPerHost && numberOf(maxBlocksPerHost)),
    ...set('IPCooldownSeconds', 'ipCooldownSeconds', ipCooldownSeconds && numberOf(ipCooldownSeconds)),
  ];
}

interface Refused {
  readonly what: string;
  /** Another was quicker: look again. */
  readonly isRace: boolean;
}

async function change(objects: Objects, wanted: readonly Setting[]): Promise<Result<undefined, Refused>> {
  const there = await objects.get({ kind: 'IPAMConfiguration', name: 'default' });
  if (!there.ok) return err({ what: there.error.what, isRace: false });
  const before: Manifest = there.value?.manifest ?? {
    ...{ apiVersion: 'projectcalico.org/v3', kind: 'IPAMConfiguration', metadata: { name: 'default' } },
  };
  const spec = isObject(before['spec']) ? (before['spec'] as Manifest) : {};
  const manifest: Manifest = {
    ...before,
    spec: { ...spec, ...Object.fromEntries(wanted.map(({ field, value }) => [field, value])) },
  };
  const read = readManifest(manifest);
  if (!read.ok) {
    const flaws = read.error.map(({ path, what, fix }) => `${formatPath(path)} ${what} ${fix}`);
    return err({ what: flaws.join(' '), isRace: false });
  }
  const written =
    there.value === undefined
      ? await objects.create(manifest)
      : await objects.update(manifest, there.value.version);
  if (written.ok) return ok(undefined);
  const { kind, what } = written.error;
  return err({ what, isRace: kind === 'conflict' || kind === 'exists' || kind === 'gone' });
}
