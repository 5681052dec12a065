/** RFC 6902 JSON Patch, over plain JSON. */
import { err, ok, type Result } from '../../lib/result.ts';
import type { Json } from '../../store/store.ts';
import { at, textAt } from '../cluster/json.ts';

type Container = Json[] | { [key: string]: Json };

const isContainer = (value: unknown): value is Container => typeof value === 'object' && value !== null;

/** §4 of RFC 6901: "~1" is "/", "~0" is "~". */
const stepsOf = (pointer: string): readonly string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));

/** Fails: a sentence that names the operation. `target` is not changed. */
export function jsonPatch(target: Json, operations: unknown): Result<Json> {
  if (!Array.isArray(operations)) return err('A JSON patch is a list of operations.');
  let value = structuredClone(target) as Json;
  for (const operation of operations) {
    const done = applyOne(value, operation);
    if (!done.ok) return err(`${JSON.stringify(operation)} cannot be done: ${done.error}.`);
    value = done.value;
  }
  return ok(value);
}

function applyOne(root: Json, operation: unknown): Result<Json> {
  const path = textAt(operation, 'path');
  const from = textAt(operation, 'from');
  const value = at(operation, 'value');
  switch (at(operation, 'op')) {
    case 'add':
      return value === undefined ? err('it has no value') : add(root, path, value);
    case 'remove':
      return remove(root, path);
    case 'replace': {
      if (value === undefined) return err('it has no value');
      const removed = remove(root, path);
      return removed.ok ? add(root, path, value) : removed;
    }
    case 'test':
      return JSON.stringify(at(root, ...stepsOf(path))) === JSON.stringify(value)
        ? ok(root)
        : err('the test fails');
    case 'move':
    case 'copy': {
      const moved = at(root, ...stepsOf(from));
      if (moved === undefined) return err(`there is nothing at ${from}`);
      const copy = structuredClone(moved) as Json;
      const rest = at(operation, 'op') === 'move' ? remove(root, from) : ok(root);
      return rest.ok ? add(rest.value, path, copy) : rest;
    }
    default:
      return err('op must be add, remove, replace, move, copy or test');
  }
}

function parentOf(root: Json, path: string): Result<{ readonly parent: Container; readonly last: string }> {
  const steps = stepsOf(path);
  const last = steps.at(-1);
  if (last === undefined) return err('the path must name a field, such as /spec/asNumber');
  const parent = at(root, ...steps.slice(0, -1));
  return isContainer(parent)
    ? ok({ parent, last })
    : err(`there is nothing at /${steps.slice(0, -1).join('/')}`);
}

function add(root: Json, path: string, value: Json): Result<Json> {
  const place = parentOf(root, path);
  if (!place.ok) return place;
  const { parent, last } = place.value;
  if (!Array.isArray(parent)) parent[last] = value;
  else {
    const index = last === '-' ? parent.length : Number(last);
    if (!Number.isInteger(index) || index < 0 || index > parent.length)
      return err(`there is no place ${last} in the list`);
    parent.splice(index, 0, value);
  }
  return ok(root);
}

function remove(root: Json, path: string): Result<Json> {
  const place = parentOf(root, path);
  if (!place.ok) return place;
  const { parent, last } = place.value;
  if (!Object.hasOwn(parent, last)) return err(`there is nothing at ${path}`);
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete parent[last];
  return ok(root);
}
