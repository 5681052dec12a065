/**
 * Events (core v1): which are written, as new ones or as a higher count, and which are too many.
 *
 * The name of an Event is made of what it says of whom, so that one that is said again, even by the next leader, is the same
 * object with a higher count. Each object has a bucket of 25 Events that fills by one in five minutes, as in Kubernetes.
 */
import { sha1Hex } from '../../lib/hash.ts';
import type { Millis } from '../../lib/net.ts';
import type { Kind } from '../../model/resource.ts';
import { shorten } from './condition.ts';

export interface Notice {
  readonly about: Subject;
  readonly type: 'Normal' | 'Warning';
  /** One word in camel case. */
  readonly reason: string;
  readonly message: string;
}

/** Whom it is about: what an ObjectReference says. */
export interface Subject {
  readonly kind: Kind;
  readonly name: string;
  readonly namespace?: string;
  /** The uid, so that an object made anew under an old name does not inherit; absent where the datastore has none. */
  readonly uid?: string;
}

export interface Bucket {
  readonly left: number;
  readonly at: Millis;
}

const burst = 25;
const refillMs = 300_000;
/** The API takes no longer message. */
const longestMessage = 1024;
/** Subjects whose bucket is remembered; of more the oldest is forgotten, whose bucket is then full. */
const mostBuckets = 4096;

/** Takes one token of the subject's bucket. False: there is none. `buckets` is changed; the one used last is last. */
export function allow(buckets: Map<string, Bucket>, subject: Subject, now: Millis): boolean {
  const key = subjectKey(subject);
  const before = buckets.get(key);
  const left = before === undefined ? burst : Math.min(burst, before.left + (now - before.at) / refillMs);
  if (left < 1) return false;
  buckets.delete(key);
  buckets.set(key, { left: left - 1, at: now });
  const [oldest] = buckets.keys();
  if (buckets.size > mostBuckets && oldest !== undefined) buckets.delete(oldest);
  return true;
}

const subjectKey = ({ kind, namespace, name, uid }: Subject): string =>
  JSON.stringify([kind, namespace, name, uid]);

/** metadata.name: the subject's, and a hash of what is said. Also the key by which Events that wait to be written are one. */
export function noticeName({ about, type, reason, message }: Notice): string {
  const said = sha1Hex(JSON.stringify([subjectKey(about), type, reason, message])).slice(0, 16);
  // No part of a name may end in a dash.
  return `${about.name.slice(0, 200).replace(/[^a-z0-9]+$/, '')}.${said}`;
}

/** Events of what is in no namespace stand in this one. */
const clusterNamespace = 'default';

export const noticeNamespace = ({ about }: Notice): string => about.namespace ?? clusterNamespace;

/**
 * The Event as it is first written.
 * @param subject  apiVersion and kind, as the API has them
 * @param by  reportingInstance: which controller
 * @param now  ISO 8601 without fractions
 */
export const firstEvent = (
  notice: Notice,
  subject: { readonly apiVersion: string; readonly kind: string },
  by: string,
  now: string,
) => ({
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name: noticeName(notice), namespace: noticeNamespace(notice) },
  involvedObject: {
    ...subject,
    name: notice.about.name,
    ...(notice.about.namespace === undefined ? {} : { namespace: notice.about.namespace }),
    ...(notice.about.uid === undefined ? {} : { uid: notice.about.uid }),
  },
  type: notice.type,
  reason: notice.reason,
  message: shorten(notice.message, longestMessage),
  source: { component: 'tortie-controller' },
  reportingComponent: 'tortie-controller',
  reportingInstance: by,
  firstTimestamp: now,
  lastTimestamp: now,
  count: 1,
});

/** The same Event, said `times` more. */
export function countedUp<Event extends { readonly [key: string]: unknown }>(
  event: Event,
  times: number,
  now: string,
) {
  const { count } = event;
  return { ...event, count: (typeof count === 'number' ? count : 1) + times, lastTimestamp: now };
}
