/** What Prometheus is told of BFD; read when scraped. */
import { Gauge, type Registry } from 'prom-client';
import type { Bfd } from '../bfd.ts';
import type { BfdView } from './problems.ts';

interface Sources {
  readonly bfd: Bfd;
  readonly speaker: {
    readonly neighbours: ReadonlyMap<string, { readonly config: { readonly name: string } }>;
  };
}

interface Row {
  readonly name: string;
  readonly help: string;
  /** Undefined: nothing is said. */
  readonly of: (view: BfdView) => number | undefined;
}

const seconds = (us: number | undefined): number | undefined => (us === undefined ? undefined : us / 1e6);

/** One value for each neighbour with BFD. */
const rows: readonly Row[] = [
  {
    name: 'session_up',
    help: '1 if the BFD session of a neighbour is Up.',
    of: ({ report }) => (report?.state === 'up' ? 1 : 0),
  },
  {
    name: 'session_downs',
    help: 'Times the BFD session of a neighbour was taken out of Up.',
    of: ({ downs }) => downs,
  },
  {
    name: 'detection_time_seconds',
    help: 'How long a silence of a neighbour is a failure, as agreed.',
    of: ({ report }) => seconds(report?.detectionUs),
  },
  {
    name: 'transmit_interval_seconds',
    help: 'The longest time between two packets to a neighbour, as agreed.',
    of: ({ report }) => seconds(report?.transmitUs),
  },
];

const packets = ['sent', 'received', 'discarded'] as const;

export function exposeBfd(registry: Registry, { bfd, speaker }: Sources): void {
  const each = (run: (peer: string, view: BfdView) => void): void => {
    for (const view of bfd.views())
      for (const key of view.wanted.peers) run(speaker.neighbours.get(key)?.config.name ?? key, view);
  };
  const gauge = (
    name: string,
    help: string,
    labelNames: readonly string[],
    read: (gauge: Gauge) => void,
  ): void => {
    new Gauge({
      name: `tortie_bfd_${name}`,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect() {
        this.reset();
        read(this);
      },
    });
  };
  for (const { name, help, of } of rows)
    gauge(name, help, ['peer'], (one) =>
      each((peer, view) => {
        const value = of(view);
        if (value !== undefined) one.set({ peer }, value);
      }),
    );
  gauge('packets', 'BFD packets of a neighbour: sent, received, discarded.', ['peer', 'what'], (one) =>
    each((peer, { report }) => {
      for (const what of packets) one.set({ peer, what }, report?.[what] ?? 0);
    }),
  );
  gauge('unheard_packets', 'BFD packets of no session, malformed, or dropped by the kernel.', [], (one) =>
    one.set((bfd.thread.health?.discarded ?? 0) + (bfd.thread.health?.dropped ?? 0)),
  );
  gauge('lateness_seconds', 'The most a transmission was late within the last second.', [], (one) =>
    one.set((bfd.thread.health?.worstLatenessMs ?? 0) / 1000),
  );
  gauge('thread_realtime', '1 if the BFD thread has real-time priority.', [], (one) =>
    one.set(bfd.thread.isRealtime ? 1 : 0),
  );
  gauge('thread_deaths', 'Times the BFD thread died and was started again.', [], (one) =>
    one.set(bfd.thread.deaths),
  );
}
