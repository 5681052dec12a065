/** Who gets through to whom: which pairs are tried, and what was seen held against what was expected. Pure. */
import type { IpVersion } from '../lib/net.ts';
import { allows, type Expected, type Target, targetText } from './expect.ts';

/** One attempt of one family. */
export interface Attempt {
  readonly from: string;
  readonly target: Target;
  readonly version: IpVersion;
}

export interface Seen extends Attempt {
  readonly through: boolean;
  /** Absent: not judged. */
  readonly expected?: boolean;
}

export const attemptKey = ({ from, target, version }: Attempt): string =>
  `${from} > ${targetText(target)} IPv${version}`;

/** Every source to every target over both families; nobody is tried against itself. */
export const attemptsFor = (sources: readonly string[], targets: readonly Target[]): readonly Attempt[] =>
  targets.flatMap((target) =>
    sources
      .filter((from) => from !== target.host)
      .flatMap((from) => ([4, 6] as const).map((version) => ({ from, target, version }))),
  );

/** @param expected  absent: nothing is judged. A target without a line of its own is not judged either. */
export function judge(
  attempts: readonly Attempt[],
  through: ReadonlySet<string>,
  expected: readonly Expected[] | undefined,
): readonly Seen[] {
  const lines = new Map((expected ?? []).map((line) => [targetText(line.target), line.sources]));
  return attempts.map((attempt) => {
    const sources = lines.get(targetText(attempt.target));
    return {
      ...attempt,
      through: through.has(attemptKey(attempt)),
      ...(sources === undefined ? {} : { expected: allows(sources, attempt.from) }),
    };
  });
}

export const isWrong = ({ through, expected }: Seen): boolean =>
  expected !== undefined && expected !== through;

/** "shop/front > shop/api TCP 8080 IPv4: expected to get through, did not". */
export const wrongText = (seen: Seen): string =>
  `${attemptKey(seen)}: expected ${seen.expected ? 'to get through, and did not' : 'to be dropped, and got through'}`;

export interface MatrixCell {
  readonly text: string;
  readonly wrong: boolean;
}

export interface Matrix {
  readonly columns: readonly string[];
  readonly rows: readonly { readonly head: string; readonly cells: readonly MatrixCell[] }[];
}

const sign = (through: boolean): string => (through ? '✓' : '·');

/** One sign for both families; "✓4" or "✓6" if only one got through. */
function signs(cell: readonly Seen[], through: (seen: Seen) => boolean): string {
  const passing = cell.filter(through);
  return passing.length === 0 || passing.length === cell.length
    ? sign(passing.length > 0)
    : `${sign(true)}${passing.map(({ version }) => version).join('')}`;
}

/**
 * Rows are destinations, columns `sources` in their order; a cell shows expected and seen, or seen alone if it is not judged.
 */
export function matrixOf(seen: readonly Seen[], sources: readonly string[]): Matrix {
  const targets = [...new Set(seen.map(({ target }) => targetText(target)))];
  const cells = Map.groupBy(seen, ({ from, target }) => `${from} > ${targetText(target)}`);
  return {
    columns: sources,
    rows: targets.map((head) => ({
      head,
      cells: sources.map((from) => {
        const cell = cells.get(`${from} > ${head}`);
        if (cell === undefined) return { text: '', wrong: false };
        const judged = cell.some(({ expected }) => expected !== undefined);
        const expected = judged ? `${signs(cell, (one) => one.expected === true)} ` : '';
        return { text: `${expected}${signs(cell, (one) => one.through)}`, wrong: cell.some(isWrong) };
      }),
    })),
  };
}
