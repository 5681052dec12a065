/** A reflector against a model API server that fails at random: once it is quiet, what was told is what the server has. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keyOf } from '../../../src/model/resource.ts';
import {
  openReflector,
  type ReflectorEffect,
  type ReflectorEvent,
  step,
  type WatchMessage,
} from '../../../src/store/reflector.ts';
import type { Change } from '../../../src/store/store.ts';
import { item } from '../../support/items.ts';

const name = fc.constantFrom('a', 'b', 'c');
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), name }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), name }) },
  { weight: 8, arbitrary: fc.constant({ do: 'serve' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'bookmark' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'fail' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'forget' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'stall' as const }) },
  { weight: 4, arbitrary: fc.constant({ do: 'time' as const }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

class World {
  readonly state = openReflector(false);
  readonly told = new Map<string, string>();
  readonly objects = new Map<string, number>();
  wasSynced = false;
  #history: { readonly version: number; readonly name: string; readonly put: boolean }[] = [];
  #version = 1;
  #oldest = 0;
  /** A page asked for: where it goes on, and the snapshot it is cut from. */
  #listing:
    | {
        readonly from: number;
        readonly version: number;
        readonly names: readonly (readonly [string, number])[];
      }
    | undefined;
  #watchingFrom: number | undefined;
  #retryDue = false;

  constructor() {
    this.happen({ kind: 'start' });
  }

  happen(event: ReflectorEvent): void {
    for (const effect of step(this.state, event)) this.#run(effect);
    expect(this.state.synced || !this.wasSynced).toBe(true);
    this.wasSynced = this.state.synced;
  }

  #run(effect: ReflectorEffect): void {
    if (effect.kind === 'list')
      this.#listing =
        effect.next === undefined
          ? { from: 0, version: this.#version, names: [...this.objects] }
          : this.#listing && { ...this.#listing, from: Number(effect.next) };
    if (effect.kind === 'watch') this.#watchingFrom = Number(effect.version);
    if (effect.kind === 'stop watch') this.#watchingFrom = undefined;
    if (effect.kind === 'start timer' && effect.name === 'retry') this.#retryDue = true;
    if (effect.kind === 'tell') for (const change of effect.changes) this.#hear(change);
  }

  #hear(change: Change): void {
    if (change.kind === 'put') {
      const { name: told, annotations } = change.resource.meta;
      this.told.set(told, annotations['version'] ?? '');
    } else {
      expect(this.told.delete(change.ref.name), `${keyOf(change.ref)} was told before`).toBe(true);
    }
  }

  act(next: Action): void {
    if (next.do === 'put' || next.do === 'remove') this.#change(next.name, next.do === 'put');
    else this.#actions[next.do]();
  }

  readonly #actions = {
    serve: () => this.serve(),
    time: () => this.time(),
    fail: () => this.#fail(),
    forget: () => {
      this.#oldest = this.#version;
    },
    stall: () => {
      if (this.#watchingFrom !== undefined) this.happen({ kind: 'timer', name: 'stall' });
    },
    // A server bookmarks only what it has sent everything before.
    bookmark: () => {
      this.#sendDue();
      this.#send([{ kind: 'bookmark', version: String(this.#version) }]);
    },
  };

  #change(changed: string, put: boolean): void {
    if (!put && !this.objects.has(changed)) return;
    this.#version += 1;
    if (put) this.objects.set(changed, this.#version);
    else this.objects.delete(changed);
    this.#history.push({ version: this.#version, name: changed, put });
  }

  /** The server answers what it was asked. */
  serve(): void {
    if (this.#listing !== undefined) this.#servePage(this.#listing);
    else if (this.#watchingFrom === undefined) return;
    else if (this.#watchingFrom >= this.#oldest) this.#sendDue();
    else this.#send([{ kind: 'error', failure: { status: 410, message: 'too old' } }]);
  }

  #servePage({
    from,
    version,
    names,
  }: {
    from: number;
    version: number;
    names: readonly (readonly [string, number])[];
  }): void {
    const items = names.slice(from, from + 1).map(([one, at]) => item(one, String(at)));
    const more = from + 1 < names.length;
    if (!more) this.#listing = undefined;
    this.happen({
      kind: 'page',
      items,
      version: String(version),
      ...(more ? { next: String(from + 1) } : {}),
    });
  }

  #sendDue(): void {
    const from = this.#watchingFrom;
    if (from === undefined || from < this.#oldest) return;
    const due = this.#history.filter(({ version }) => version > from);
    this.#send(
      due.map(({ version, name: one, put }) =>
        put
          ? { kind: 'put', item: item(one, String(version)), version: String(version) }
          : { kind: 'delete', ref: { kind: 'Namespace', name: one }, version: String(version) },
      ),
    );
  }

  #send(messages: readonly WatchMessage[]): void {
    if (
      this.#watchingFrom === undefined ||
      (this.#watchingFrom < this.#oldest && messages[0]?.kind !== 'error')
    )
      return;
    const last = messages.at(-1);
    if (last !== undefined && last.kind !== 'error') this.#watchingFrom = Number(last.version);
    this.happen({ kind: 'messages', messages });
  }

  #fail(): void {
    const failure = { message: 'broken' };
    if (this.#listing !== undefined) {
      this.#listing = undefined;
      this.happen({ kind: 'list failed', failure });
    } else if (this.#watchingFrom !== undefined) {
      this.#watchingFrom = undefined;
      this.happen({ kind: 'watch ended', failure, lastedMs: 100 });
    }
  }

  time(): void {
    if (!this.#retryDue) return;
    this.#retryDue = false;
    this.happen({ kind: 'timer', name: 'retry' });
  }
}

test('after any history of changes and failures, what was told is what the server has', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80, size: 'max' }), (actions) => {
      const world = new World();
      for (const next of actions) world.act(next);
      for (let round = 0; round < 20; round++) {
        world.time();
        world.serve();
      }
      const expected = new Map([...world.objects].map(([key, version]) => [key, String(version)]));
      expect(new Map([...world.told].sort())).toEqual(new Map([...expected].sort()));
      expect(world.state.synced).toBe(true);
    }),
    { numRuns: 500 },
  );
});
