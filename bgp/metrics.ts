/** What Prometheus is told of the speaker; read when scraped. */
import { Gauge, type Registry } from 'prom-client';
import { exposeBfd } from './bfd/metrics.ts';
import type { Daemon } from './daemon.ts';
import { peerStatuses } from './speaker/report.ts';

export function exposeMetrics(registry: Registry, daemon: Daemon): void {
  const gauge = (
    name: string,
    help: string,
    labelNames: readonly string[],
    read: (gauge: Gauge) => void,
  ): void => {
    new Gauge({
      name: `tortie_bgp_${name}`,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect() {
        this.reset();
        read(this);
      },
    });
  };
  const peers = () => peerStatuses(daemon.speaker);
  gauge('peer_up', '1 if the session is Established.', ['peer'], (each) => {
    for (const { name, state } of peers()) each.set({ peer: name }, state === 'Established' ? 1 : 0);
  });
  gauge(
    'peer_prefixes',
    'Prefixes received from, accepted from and advertised to a neighbour.',
    ['peer', 'what'],
    (each) => {
      for (const peer of peers()) {
        each.set({ peer: peer.name, what: 'received' }, peer.prefixesReceived);
        each.set({ peer: peer.name, what: 'accepted' }, peer.prefixesAccepted);
        each.set({ peer: peer.name, what: 'advertised' }, peer.prefixesAdvertised);
      }
    },
  );
  gauge(
    'kernel_routes',
    'Routes of protocol 80: in the kernel, still to change, kept from an earlier life.',
    ['what'],
    (each) => {
      const fib = daemon.fib?.status();
      each.set({ what: 'installed' }, fib?.installed ?? 0);
      each.set({ what: 'pending' }, fib?.pending ?? 0);
      each.set({ what: 'stale' }, fib?.stale ?? 0);
    },
  );
  exposeBfd(registry, daemon);
  gauge('inbox_events', 'Events waiting for the speaker.', [], (each) => each.set(daemon.depth()));
}
