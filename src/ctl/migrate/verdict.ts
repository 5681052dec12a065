/** What becomes of one object of another network when Tortie takes over. */
export type Fate = 'works' | 'works differently' | 'not supported';

export interface Verdict {
  readonly fate: Fate;
  /** "IPPool/default-ipv4-ippool", and the field where it is about one. */
  readonly object: string;
  /** How, in words; empty where it works as it is. */
  readonly what: string;
  /** What to do; empty for nothing. */
  readonly fix: string;
}

export const works = (object: string, what = ''): Verdict => ({ fate: 'works', object, what, fix: '' });
export const differs = (object: string, what: string, fix = ''): Verdict => ({
  fate: 'works differently',
  object,
  what,
  fix,
});
export const unsupported = (object: string, what: string, fix: string): Verdict => ({
  fate: 'not supported',
  object,
  what,
  fix,
});
