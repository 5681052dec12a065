/** Carries out a talk (src/ipam/talk.ts) over the port `Objects`: asks become requests, manifests become values. */
import type { Answer, Ask, Kept, Talk, Thing } from '../ipam/talk.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { isObject } from '../store/json.ts';
import type { Objects, Stored } from '../store/objects.ts';
import { formatPath } from '../store/schema/flaw.ts';
import { readManifest } from '../store/schema/manifest.ts';
import { toManifest } from '../store/schema/write.ts';

/** @param onLog  hears of objects in a list that cannot be read; they are left out */
export async function drive<T>(talk: Talk<T>, objects: Objects, onLog: (what: string) => void): Promise<T> {
  let step = talk.next();
  while (step.done !== true) step = talk.next(await perform(step.value, objects, onLog));
  return step.value;
}

/** Without its fixed fields a request is one line; each answers with what is there now. */
export async function perform(ask: Ask, objects: Objects, onLog: (what: string) => void): Promise<Answer> {
  switch (ask.op) {
    case 'read': {
      const got = await objects.get({ kind: ask.kind, name: ask.name });
      if (!got.ok) return got;
      if (got.value === undefined) return ok([]);
      const thing = thingOf(got.value);
      return thing.ok ? ok([thing.value]) : err({ kind: 'invalid', what: thing.error });
    }
    case 'list':
      return await list(objects, ask.kind, ask.labels ? { labels: ask.labels } : {}, onLog);
    case 'create':
      return keep(await objects.create(toManifest(ask.thing)), ask.thing);
    case 'update':
      return keep(await objects.update(toManifest(ask.thing), ask.version), ask.thing);
    case 'delete': {
      const { kind, meta } = ask.thing;
      const gone = await objects.delete({ kind, name: meta.name }, ask.version);
      return gone.ok ? ok([]) : gone;
    }
  }
}

/** @param scope  selects by fields or labels */
export async function list(
  objects: Objects,
  kind: Thing['kind'],
  scope: Parameters<Objects['list']>[1],
  onLog: (what: string) => void,
): Promise<Answer> {
  const got = await objects.list(kind, scope);
  if (!got.ok) return got;
  const read = got.value.map(thingOf);
  for (const one of read) if (!one.ok) onLog(one.error);
  return ok(read.flatMap((one) => (one.ok ? [one.value] : [])));
}

/** What was written is what we wrote: only its version is news. */
const keep = (written: Awaited<ReturnType<Objects['create']>>, thing: Thing): Answer =>
  written.ok ? ok([{ thing, version: written.value.version }]) : written;

function thingOf({ manifest, version }: Stored): Result<Kept<Thing>> {
  const read = readManifest(manifest);
  const { kind, metadata } = manifest;
  const name = `${String(kind)}/${isObject(metadata) ? String(metadata['name']) : '?'}`;
  if (!read.ok) {
    const flaws = read.error.map(({ path, what, fix }) => `${formatPath(path)} ${what} ${fix}`);
    return err(`${name} cannot be read: ${flaws.join(' ')}`);
  }
  const { value } = read;
  return value.kind === 'IPAMBlock' || value.kind === 'BlockAffinity'
    ? ok({ thing: value, version })
    : err(`${name} is not what was asked for.`);
}
