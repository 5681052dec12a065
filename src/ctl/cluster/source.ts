/**
 * Reading the cluster for a person: objects as they are, of any kind, with the rights of the one who asks.
 *
 * What cannot be read is a value in words, so that a command can say it and still show the rest.
 */
import type { Result } from '../../lib/result.ts';
import type { Manifest } from '../../store/objects.ts';

/** Where a kind lives, be it one of ours or not. */
export interface Place {
  readonly kind: string;
  readonly apiVersion: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

export interface Scope {
  /** Absent: all of them. */
  readonly namespace?: string;
  /** As kubectl's -l. */
  readonly labels?: string;
  /** As kubectl's --field-selector. */
  readonly fields?: string;
}

export interface Trouble {
  /** absent: the kind is not known there · away: no answer · asked: the question itself is wrong */
  readonly kind: 'forbidden' | 'absent' | 'away' | 'asked';
  /** A sentence or two: what, why, and what to do. */
  readonly sentence: string;
}

export interface Source {
  /** For people: "https://10.0.0.1:6443", "dir:/etc/tortie". */
  readonly where: string;
  list(place: Place, scope?: Scope): Promise<Result<readonly Manifest[], Trouble>>;
  /** Undefined if there is none. */
  get(place: Place, name: string, namespace?: string): Promise<Result<Manifest | undefined, Trouble>>;
  /**
   * Tells all there is, at once and again when it changed, until stopped. A source that is away tells nothing meanwhile.
   * `onTrouble` is for what will not pass by waiting.
   */
  follow(
    place: Place,
    scope: Scope,
    onItems: (items: readonly Manifest[]) => void,
    onTrouble: (trouble: Trouble) => void,
  ): () => void;
  /** The clock of the API server less ours, in ms, as its answer says; undefined where there is none. */
  clockSkewMs?(): Promise<number | undefined>;
}
