/** The ports of the datastore without a world behind them: manifests in a Map, told on the next microtask. Held to the same contracts. */
import { err, ok, type Result } from '../../src/lib/result.ts';
import type { Problem } from '../../src/model/problem.ts';
import { type Resource, type ResourceRef, refOf } from '../../src/model/resource.ts';
import { Delivery } from '../../src/store/delivery.ts';
import { identify } from '../../src/store/dir/documents.ts';
import { isObject } from '../../src/store/json.ts';
import { infoOf, kindOfManifest, writtenKindOf } from '../../src/store/kinds.ts';
import { mergePatch } from '../../src/store/merge-patch.ts';
import type { Manifest, ObjectRef, Objects, Refusal, Stored } from '../../src/store/objects.ts';
import { rightIdentityOf } from '../../src/store/right.ts';
import { formatPath } from '../../src/store/schema/flaw.ts';
import { readManifest } from '../../src/store/schema/manifest.ts';
import type { Store } from '../../src/store/store.ts';
import {
  conflict,
  created,
  exists,
  gone,
  identityOf,
  isInScope,
  keyOfObject,
  replaced,
  withStatus,
} from '../../src/store/written.ts';

export interface MemoryStore extends Store {
  /** What the store holds, as a program reads and writes it. */
  readonly objects: Objects;
  /** Adds or replaces an object given as a manifest, right or wrong. */
  apply(manifest: unknown): void;
  /** Adds or replaces an object given as a value. */
  put(resource: Resource): void;
  remove(ref: ResourceRef): void;
  /** While away, watchers hear nothing, and whoever reads or writes is refused. */
  away(isAway: boolean): void;
}

interface Row {
  /** Absent for what was put as a value: `objects` does not see it. */
  readonly stored?: Stored;
  readonly resource?: Resource;
  readonly problems: readonly Problem[];
}

function rowOf(key: string, stored: Stored, before: Row | undefined): Row {
  const { apiVersion, kind } = stored.manifest;
  if (kindOfManifest(apiVersion, kind) === undefined) return { stored, problems: [] };
  const read = readManifest(stored.manifest);
  if (read.ok) return { stored, resource: read.value, problems: [] };
  const ref = identify(stored.manifest);
  const problems = read.error.map(({ path, what, fix }) => ({
    where: `${key} ${formatPath(path)}`,
    what,
    fix,
    ...(ref && { ref }),
  }));
  return { stored, problems, ...(before?.resource === undefined ? {} : { resource: before.resource }) };
}

/** Rows by key, and whoever watches them. */
class Table {
  readonly rows = new Map<string, Row>();
  readonly deliveries = new Set<Delivery>();
  isAway = false;
  #due = false;
  #version = 0;

  nextVersion(): string {
    this.#version += 1;
    return String(this.#version);
  }

  set(ref: ObjectRef, row: Row | undefined): void {
    if (row === undefined) this.rows.delete(keyOfObject(ref));
    else this.rows.set(keyOfObject(ref), row);
    this.tellSoon();
  }

  store(ref: ObjectRef, stored: Stored): void {
    const key = keyOfObject(ref);
    this.set(ref, rowOf(key, stored, this.rows.get(key)));
  }

  tellSoon(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      if (this.isAway) return;
      const rows = [...this.rows.values()];
      const resources = rows.flatMap(({ resource }) => resource ?? []);
      const problems = rows.flatMap((row) => row.problems);
      for (const delivery of this.deliveries) delivery.replace(resources, problems);
    });
  }
}

const isOfKind = ({ apiVersion, kind: apiKind }: Manifest, kind: ObjectRef['kind']): boolean =>
  writtenKindOf(apiVersion, apiKind) === kind;

function objectsOf(table: Table): Objects {
  const find = (ref: ObjectRef): Stored | undefined => table.rows.get(keyOfObject(ref))?.stored;
  const ask = async <T>(run: () => Result<T, Refusal>): Promise<Result<T, Refusal>> =>
    table.isAway ? err({ kind: 'away', what: 'The store is away.' }) : run();

  const change = (
    ref: ObjectRef,
    version: string | undefined,
    next: (before: Manifest) => Stored | undefined,
  ): Result<Stored | undefined, Refusal> => {
    const before = find(ref);
    if (before === undefined) return gone(ref);
    if (version !== undefined && version !== before.version) return conflict(ref);
    const after = next(before.manifest);
    if (after === undefined) table.set(ref, undefined);
    else table.store(ref, after);
    return ok(after);
  };
  const changed = (
    manifest: Manifest,
    version: string,
    identity: typeof identityOf,
    next: typeof replaced,
  ): Promise<Result<Stored, Refusal>> =>
    ask(() => {
      const ref = identity(manifest);
      if (!ref.ok) return ref;
      const after = change(ref.value, version, (before) =>
        next(before, manifest, ref.value, table.nextVersion()),
      );
      return after as Result<Stored, Refusal>;
    });

  return {
    get: (ref) => ask(() => ok(find(ref))),
    list: (kind, scope = {}) =>
      ask(() => {
        const all = [...table.rows.values()].flatMap(({ stored }) => stored ?? []);
        return ok(all.filter(({ manifest }) => isOfKind(manifest, kind) && isInScope(manifest, scope)));
      }),
    create: (manifest) =>
      ask(() => {
        const ref = rightIdentityOf(manifest);
        if (!ref.ok) return ref;
        if (find(ref.value) !== undefined) return exists(ref.value);
        const version = table.nextVersion();
        const stored = created(manifest, ref.value, version, `uid-${version}`, new Date());
        table.store(ref.value, stored);
        return ok(stored);
      }),
    update: (manifest, version) => changed(manifest, version, rightIdentityOf, replaced),
    updateStatus: (manifest, version) =>
      changed(manifest, version, identityOf, (before, after, ref, number) =>
        withStatus(before, after['status'], ref, number),
      ),
    delete: (ref, version) =>
      ask(() => {
        const answer = change(ref, version, () => undefined);
        return answer.ok ? ok(undefined) : answer;
      }),
  };
}

export function memoryStore(...manifests: readonly unknown[]): MemoryStore {
  const table = new Table();
  const apply = (manifest: unknown): void => {
    const ref = identify(manifest);
    if (ref === undefined || !isObject(manifest))
      throw new Error(`no kind or name: ${JSON.stringify(manifest)}`);
    const version = table.nextVersion();
    const metadata = isObject(manifest['metadata']) ? manifest['metadata'] : {};
    const space = infoOf(ref.kind).namespaced ? { namespace: ref.namespace } : {};
    const whole = { ...manifest, metadata: { ...metadata, ...space, resourceVersion: version } } as Manifest;
    table.store(ref, { manifest: whole, version });
  };
  for (const manifest of manifests) apply(manifest);

  return {
    objects: objectsOf(table),
    watch: (kinds, onBatch) => {
      const delivery = new Delivery(kinds, onBatch);
      table.deliveries.add(delivery);
      table.tellSoon();
      return () => table.deliveries.delete(delivery);
    },
    putStatus: async (ref, status) => {
      const manifest = table.rows.get(keyOfObject(ref))?.stored?.manifest;
      if (manifest === undefined)
        throw new Error(`${keyOfObject(ref)} is not there, so its status was not written.`);
      apply({ ...manifest, status: mergePatch(manifest['status'], status) });
    },
    apply,
    put: (resource) => table.set(refOf(resource), { resource, problems: [] }),
    remove: (ref) => table.set(ref, undefined),
    away: (away) => {
      table.isAway = away;
      table.tellSoon();
    },
  };
}
