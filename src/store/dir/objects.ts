/**
 * `Objects` in the embedded datastore: PATH/.objects/Kind/ns/name/N.json, each file one version (`versions.ts`), `null` a deletion.
 *
 * An object that stands in a manifest file is a person's: it can be read here, and is refused to be changed. Its status is
 * not the person's: it stands below PATH/.status, as what daemons report.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { ok, type Result } from '../../lib/result.ts';
import { isObject } from '../json.ts';
import { isKind, writtenKindOf } from '../kinds.ts';
import { mergePatch } from '../merge-patch.ts';
import type { ListScope, Manifest, ObjectRef, Objects, Refusal, Stored, WrittenKind } from '../objects.ts';
import { rightIdentityOf } from '../right.ts';
import type { Json } from '../store.ts';
import {
  conflict,
  created,
  exists,
  gone,
  identityOf,
  isInScope,
  keyOfObject,
  refuse,
  replaced,
  withStatus,
} from '../written.ts';
import { assemble, nothing } from './contents.ts';
import { DirReader } from './reader.ts';
import { writeStatus } from './status.ts';
import { append, directoriesOf, directoryOf, latest, ring, type Seen } from './versions.ts';

interface Current {
  readonly seen: Seen;
  /** Undefined: deleted, or never made. */
  readonly stored?: Stored;
}

async function currentOf(directory: string): Promise<Current> {
  const seen = await latest(directory);
  const manifest = seen.text === undefined ? null : (JSON.parse(seen.text) as Manifest | null);
  return { seen, ...(manifest === null ? {} : { stored: { manifest, version: String(seen.number) } }) };
}

/** The version of every object of a manifest file: there is no telling one from the next. */
const ofPerson = 'file';

/** Objects of manifest files, as `kubectl get -f` would show them; they have no version that a change could be based on. */
async function peoplesObjects(root: string): Promise<ReadonlyMap<string, Stored>> {
  const look = await new DirReader(root).look();
  if (look === undefined) return new Map();
  const { statuses } = assemble(nothing, look.manifests, look.statuses);
  const found = new Map<string, Stored>();
  for (const { documents } of look.manifests)
    for (const { ref, json } of documents) {
      if (ref === undefined || !isObject(json) || found.has(keyOfObject(ref))) continue;
      const status = statuses.get(keyOfObject(ref))?.status;
      const { name, namespace } = ref;
      const metadata = { ...(json['metadata'] as object), name, ...(namespace && { namespace }) };
      const manifest = {
        ...json,
        metadata,
        ...(status === undefined ? {} : { status: mergePatch(json['status'], status) }),
      };
      found.set(keyOfObject(ref), { manifest: manifest as Manifest, version: ofPerson });
    }
  return found;
}

const isOfKind = ({ apiVersion, kind: apiKind }: Manifest, kind: WrittenKind): boolean =>
  writtenKindOf(apiVersion, apiKind) === kind;

type Answer<T> = Promise<Result<T, Refusal>>;

export class DirObjects implements Objects {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  get(ref: ObjectRef): Answer<Stored | undefined> {
    return this.#guarded(async () => {
      const { stored } = await currentOf(directoryOf(this.#root, ref));
      return ok(stored ?? (await peoplesObjects(this.#root)).get(keyOfObject(ref)));
    });
  }

  list(kind: WrittenKind, scope: ListScope = {}): Answer<readonly Stored[]> {
    return this.#guarded(async () => {
      const directories = await directoriesOf(this.#root, kind);
      const found = await Promise.all(directories.map((at) => currentOf(join(this.#root, at))));
      const written = found.flatMap(({ stored }) => stored ?? []);
      const peoples = [...(await peoplesObjects(this.#root)).values()];
      const all = [...written, ...peoples.filter(({ manifest }) => isOfKind(manifest, kind))];
      return ok(all.filter(({ manifest }) => isInScope(manifest, scope)));
    });
  }

  create(manifest: Manifest): Answer<Stored> {
    return this.#guarded(async () => {
      const ref = rightIdentityOf(manifest);
      if (!ref.ok) return ref;
      const current = await currentOf(directoryOf(this.#root, ref.value));
      const isThere = current.stored !== undefined || (await this.#isPersons(ref.value));
      if (isThere) return exists(ref.value);
      const stored = created(manifest, ref.value, String(current.seen.number + 1), randomUUID(), new Date());
      return this.#put(ref.value, current.seen, stored, exists(ref.value));
    });
  }

  update(manifest: Manifest, version: string): Answer<Stored> {
    return this.#changed(manifest, version, rightIdentityOf, replaced);
  }

  updateStatus(manifest: Manifest, version: string): Answer<Stored> {
    if (version === ofPerson) return this.#guarded(() => this.#reportOf(manifest));
    return this.#changed(manifest, version, identityOf, (before, { status }, ref, number) =>
      withStatus(before, status, ref, number),
    );
  }

  async #reportOf(manifest: Manifest): Answer<Stored> {
    const ref = identityOf(manifest);
    if (!ref.ok) return ref;
    const { kind, ...rest } = ref.value;
    if (!isKind(kind) || !(await this.#isPersons(ref.value))) return gone(ref.value);
    await writeStatus(this.#root, { kind, ...rest }, manifest['status'] ?? {});
    return ok({ manifest, version: ofPerson });
  }

  delete(ref: ObjectRef, version?: string): Answer<undefined> {
    return this.#guarded(async () => {
      const answer = await this.#change(ref, version, () => undefined);
      return answer.ok ? ok(undefined) : answer;
    });
  }

  /** What the file system says no to is a refusal: trying again may help. */
  async #guarded<T>(run: () => Answer<T>): Answer<T> {
    try {
      return await run();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return refuse('away', `${this.#root} cannot be used: ${why}.`);
    }
  }

  #changed(
    manifest: Manifest,
    version: string,
    identity: typeof identityOf,
    next: typeof replaced,
  ): Answer<Stored> {
    return this.#guarded(async () => {
      const ref = identity(manifest);
      if (!ref.ok) return ref;
      const answer = await this.#change(ref.value, version, (before, number) =>
        next(before, manifest, ref.value, number),
      );
      return answer as Result<Stored, Refusal>;
    });
  }

  /** @param next  what it becomes; undefined: nothing, it is deleted */
  async #change(
    ref: ObjectRef,
    version: string | undefined,
    next: (before: Manifest, version: string) => Stored | undefined,
  ): Answer<Stored | undefined> {
    const { stored, seen } = await currentOf(directoryOf(this.#root, ref));
    if (stored === undefined) {
      if (!(await this.#isPersons(ref))) return gone(ref);
      const what = `${keyOfObject(ref)} stands in a manifest file of ${this.#root}. Change it there.`;
      return refuse('forbidden', what);
    }
    if (version !== undefined && version !== stored.version) return conflict(ref);
    const after = next(stored.manifest, String(seen.number + 1));
    return this.#put(ref, seen, after, conflict(ref));
  }

  async #isPersons(ref: ObjectRef): Promise<boolean> {
    return (await peoplesObjects(this.#root)).has(keyOfObject(ref));
  }

  /** @param taken  what to say if somebody else was faster */
  async #put<T extends Stored | undefined>(
    ref: ObjectRef,
    seen: Seen,
    next: T,
    taken: Result<never, Refusal>,
  ): Answer<T> {
    const text = JSON.stringify(next?.manifest ?? null);
    const appended = await append(directoryOf(this.#root, ref), seen, text);
    if (appended === 'taken') return taken;
    await ring(this.#root, keyOfObject(ref));
    return appended === 'done'
      ? ok(next)
      : refuse('unknown', `It is not known whether ${keyOfObject(ref)} was changed: it took too long.`);
  }
}

/**
 * Merges `status` into that of a written object, whoever else writes it meanwhile.
 * @returns false: there is no such written object
 */
export async function mergeStatus(root: string, ref: ObjectRef, status: Json): Promise<boolean> {
  const objects = new DirObjects(root);
  for (;;) {
    const { stored } = await currentOf(directoryOf(root, ref));
    if (stored === undefined) return false;
    const merged = mergePatch(stored.manifest['status'], status) as Json;
    const answer = await objects.updateStatus({ ...stored.manifest, status: merged }, stored.version);
    if (answer.ok) return true;
    if (answer.error.kind !== 'conflict' && answer.error.kind !== 'unknown')
      throw new Error(answer.error.what);
  }
}
