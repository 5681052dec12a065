/** What a bench hands back, and how it is shown: medians, and the ratio of the two of each pair, because a machine's speed drifts. */

/** One thing measured. Less is better, whatever the unit. */
export interface Row {
  /** "bench: what". */
  readonly name: string;
  readonly unit: 'ms' | 'µs' | 'MB';
  /** One figure a round. */
  readonly ours: readonly number[];
  /** Measured in the same rounds, so as many figures; absent if there is nobody to compare with. */
  readonly peer?: readonly number[];
  readonly peerName?: string;
}

/** Percentile by nearest rank; `share` from 0 to 1. NaN of nothing. */
export function percentile(figures: readonly number[], share: number): number {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

const median = (figures: readonly number[]): number => percentile(figures, 0.5);

const digits = (figure: number): string => figure.toFixed(figure < 10 ? 2 : figure < 100 ? 1 : 0);

const span = (figures: readonly number[]): string =>
  `${digits(Math.min(...figures))}-${digits(Math.max(...figures))}`;

const widths = [50, 12, 12, 7, 24] as const;

const line = (cells: readonly string[]): string =>
  cells
    .map((cell, index) => (index === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[index] ?? 0)))
    .join('  ')
    .trimEnd();

export const heading = `${line(['name', 'ours', 'peer', 'ratio', 'spread of ours'])}  peer is`;

export function format({ name, unit, ours, peer, peerName = '' }: Row): string {
  const ratios = (peer ?? []).map((figure, index) => (ours[index] ?? Number.NaN) / figure);
  const cells = [
    name,
    `${digits(median(ours))} ${unit}`,
    peer === undefined ? '' : `${digits(median(peer))} ${unit}`,
    peer === undefined ? '' : median(ratios).toFixed(2),
    ours.length === 1 ? 'one figure' : `${span(ours)}, n=${ours.length}`,
  ];
  return `${line(cells)}  ${peerName}`.trimEnd();
}
