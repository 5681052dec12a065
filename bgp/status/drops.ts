/**
 * Segments the kernel dropped before any socket saw them, for their signature (RFC 2385) or their TTL (RFC 5082): the only
 * trace of a neighbour whose password, or distance, is another than we were told. Counted for this node's whole network,
 * not by neighbour: /proc/net/netstat, TcpExt.
 */
import type { Clock } from '../../src/host/clock.ts';
import type { Millis } from '../../src/lib/net.ts';

export interface DropCounts {
  /** Signed, and not with our key (TCPMD5Failure). */
  readonly wrongKey: number;
  /** Unsigned, and we have a key (TCPMD5NotFound). */
  readonly unsigned: number;
  /** Signed, and we have no key (TCPMD5Unexpected). */
  readonly unexpected: number;
  /** From too far away (TCPMinTTLDrop). */
  readonly tooFar: number;
}

const names: Readonly<Record<keyof DropCounts, string>> = {
  wrongKey: 'TCPMD5Failure',
  unsigned: 'TCPMD5NotFound',
  unexpected: 'TCPMD5Unexpected',
  tooFar: 'TCPMinTTLDrop',
};

/** A line of names and one of numbers, each led by "TcpExt:". A counter that this kernel lacks stays 0. */
export function parseDrops(text: string): DropCounts {
  const [titles = [], values = []] = text
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '));
  const count = (what: keyof DropCounts): number => Number(values[titles.indexOf(names[what])] ?? 0) || 0;
  return {
    wrongKey: count('wrongKey'),
    unsigned: count('unsigned'),
    unexpected: count('unexpected'),
    tooFar: count('tooFar'),
  };
}

/** What counts as now. */
const recentMs = 60_000;

export interface Drops {
  /** To be called every few seconds. */
  look(): void;
  /** Within the last minute. */
  recent(): DropCounts;
}

/** Looks at once, so that what was before does not count. @param read  the file's text; undefined: it cannot be read */
export function watchDrops(clock: Clock, read: () => string | undefined): Drops {
  let samples: readonly { readonly at: Millis; readonly counts: DropCounts }[] = [];

  function look(): void {
    const text = read();
    if (text === undefined) return;
    const now = clock.now();
    const kept = samples.filter(({ at }) => now - at <= recentMs);
    samples = [...(kept.length > 0 ? kept : samples.slice(-1)), { at: now, counts: parseDrops(text) }];
  }

  look();
  return {
    look,
    recent: () => {
      look();
      const first = samples[0]?.counts ?? parseDrops('');
      const last = samples.at(-1)?.counts ?? first;
      const since = (what: keyof DropCounts): number => Math.max(0, last[what] - first[what]);
      return {
        wrongKey: since('wrongKey'),
        unsigned: since('unsigned'),
        unexpected: since('unexpected'),
        tooFar: since('tooFar'),
      };
    },
  };
}
