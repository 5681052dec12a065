/** Kubernetes Events about an object, newest last. */
import { ok, type Result } from '../../lib/result.ts';
import type { Manifest } from '../../store/objects.ts';
import { at, nameOf, textAt } from './json.ts';
import type { Place, Source, Trouble } from './source.ts';

export const eventPlace: Place = { kind: 'Event', apiVersion: 'v1', plural: 'events', namespaced: true };

/** When it happened last, ISO 8601; empty if it does not say. */
export const timeOf = (event: unknown): string =>
  textAt(event, 'lastTimestamp') ||
  textAt(event, 'series', 'lastObservedTime') ||
  textAt(event, 'eventTime') ||
  textAt(event, 'firstTimestamp') ||
  textAt(event, 'metadata', 'creationTimestamp');

export async function eventsOf(
  source: Source,
  object: Manifest,
): Promise<Result<readonly Manifest[], Trouble>> {
  const fields = `involvedObject.kind=${textAt(object, 'kind')},involvedObject.name=${nameOf(object)}`;
  const listed = await source.list(eventPlace, { fields });
  if (!listed.ok) return listed;
  const uid = at(object, 'metadata', 'uid');
  const same = (event: Manifest): boolean => {
    const about = at(event, 'involvedObject', 'uid');
    return about === undefined || about === '' || uid === undefined || about === uid;
  };
  return ok(listed.value.filter(same).sort((a, b) => timeOf(a).localeCompare(timeOf(b))));
}
