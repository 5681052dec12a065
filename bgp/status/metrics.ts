/**
 * What Prometheus is told of the speaker; read when scraped.
 *
 * A series for each neighbour that a BGPPeer asks for, and for each of the mesh while it is small; a mesh of thousands is
 * counted as a whole (kind="mesh"), or the whole cluster would have their square.
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Clock } from '../../src/host/clock.ts';
import { exposeBfd } from '../bfd/metrics.ts';
import type { Daemon } from '../daemon.ts';
import { type PeerReport, peerStatuses } from '../speaker/report.ts';
import { Rejections } from '../watch/rejections.ts';
import { watchLoopDelay } from './loop-delay.ts';

/** Neighbours of the mesh that have series of their own. */
const smallMesh = 100;

type Labels = Readonly<Record<string, string>>;
type Say = (labels: Labels, value: number) => void;

interface Row {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** It only ever grows; absent: a gauge. */
  readonly isCounter?: true;
  readonly read: (daemon: Daemon, say: Say) => void;
}

const kindOf = ({ type }: PeerReport): string => (type === 'node-to-node mesh' ? 'mesh' : 'peer');

/** Those with series of their own. */
function single({ speaker }: Daemon): readonly PeerReport[] {
  const all = peerStatuses(speaker);
  const isSmall = all.filter((peer) => kindOf(peer) === 'mesh').length <= smallMesh;
  return isSmall ? all : all.filter((peer) => kindOf(peer) === 'peer');
}

/** Adds up what comes with the same labels. */
function summed(say: Say): { readonly add: Say; readonly end: () => void } {
  const sums = new Map<string, { readonly labels: Labels; value: number }>();
  return {
    add: (labels, value) => {
      const key = JSON.stringify(labels);
      const known = sums.get(key);
      if (known === undefined) sums.set(key, { labels, value });
      else known.value += value;
    },
    end: () => {
      for (const { labels, value } of sums.values()) say(labels, value);
    },
  };
}

const rows: readonly Row[] = [
  {
    name: 'peer_up',
    help: '1 if the session is Established.',
    labels: ['peer'],
    read: (daemon, say) => {
      for (const { name, state } of single(daemon)) say({ peer: name }, state === 'Established' ? 1 : 0);
    },
  },
  {
    name: 'peer_prefixes',
    help: 'Prefixes received from, accepted from and advertised to a neighbour.',
    labels: ['peer', 'what'],
    read: (daemon, say) => {
      for (const peer of single(daemon)) {
        say({ peer: peer.name, what: 'received' }, peer.prefixesReceived);
        say({ peer: peer.name, what: 'accepted' }, peer.prefixesAccepted);
        say({ peer: peer.name, what: 'advertised' }, peer.prefixesAdvertised);
      }
    },
  },
  {
    name: 'peer_flaps_total',
    help: 'Times an Established session went down.',
    labels: ['peer'],
    isCounter: true,
    read: (daemon, say) => {
      const { flaps } = daemon.observers.witness;
      for (const { name } of single(daemon)) say({ peer: name }, flaps.get(name) ?? 0);
    },
  },
  {
    name: 'sessions',
    help: 'Sessions by state, those of BGPPeers and those of the mesh.',
    labels: ['kind', 'state'],
    read: ({ speaker }, say) => {
      const { add, end } = summed(say);
      for (const peer of peerStatuses(speaker)) add({ kind: kindOf(peer), state: peer.state }, 1);
      end();
    },
  },
  {
    name: 'messages_total',
    help: 'BGP messages by type and direction, of BGPPeers and of the mesh.',
    labels: ['kind', 'type', 'direction'],
    isCounter: true,
    read: ({ speaker, transport }, say) => {
      const { add, end } = summed(say);
      for (const peer of peerStatuses(speaker)) {
        const account = transport.account(`${peer.address} ${peer.port}`);
        for (const direction of ['sent', 'received'] as const)
          for (const [type, count] of Object.entries(account[direction]))
            add({ kind: kindOf(peer), type, direction }, count);
      }
      end();
    },
  },
  {
    name: 'unreadable_messages_total',
    help: 'Messages that ended a connection because they could not be read, by code/subcode of our NOTIFICATION.',
    labels: ['kind', 'code'],
    isCounter: true,
    read: ({ speaker, transport }, say) => {
      const { add, end } = summed(say);
      for (const peer of peerStatuses(speaker))
        for (const [code, count] of Object.entries(transport.account(`${peer.address} ${peer.port}`).refused))
          add({ kind: kindOf(peer), code }, count);
      end();
    },
  },
  {
    name: 'notifications_total',
    help: 'NOTIFICATIONs by direction and code/subcode, of all neighbours there are.',
    labels: ['direction', 'code'],
    isCounter: true,
    read: ({ transport }, say) => {
      for (const [key, count] of transport.notifications) {
        const [direction = '', code = ''] = key.split(' ');
        say({ direction, code }, count);
      }
    },
  },
  {
    name: 'prefixes',
    help: 'Prefixes by stage: received, accepted, rejected and advertised over all neighbours, best in the Loc-RIB, installed in the kernel.',
    labels: ['stage'],
    read: ({ speaker, fib }, say) => {
      const sums = { received: 0, accepted: 0, advertised: 0 };
      for (const peer of peerStatuses(speaker)) {
        sums.received += peer.prefixesReceived;
        sums.accepted += peer.prefixesAccepted;
        sums.advertised += peer.prefixesAdvertised;
      }
      for (const [stage, count] of Object.entries(sums)) say({ stage }, count);
      say({ stage: 'rejected' }, Math.max(0, sums.received - sums.accepted));
      say({ stage: 'best' }, speaker.locRib.size);
      say({ stage: 'installed' }, fib?.status().installed ?? 0);
    },
  },
  {
    name: 'kernel_routes',
    help: 'Routes of protocol 80: in the kernel, still to change, kept from an earlier life.',
    labels: ['what'],
    read: ({ fib }, say) => {
      const status = fib?.status();
      say({ what: 'installed' }, status?.installed ?? 0);
      say({ what: 'pending' }, status?.pending ?? 0);
      say({ what: 'stale' }, status?.stale ?? 0);
    },
  },
  {
    name: 'inbox_events',
    help: 'Events waiting for the speaker.',
    labels: [],
    read: (daemon, say) => say({}, daemon.depth()),
  },
  {
    name: 'queued_bytes',
    help: 'Octets that wait: for neighbours, for the BMP station, for the disk (--mrt-updates).',
    labels: ['queue'],
    read: ({ transport, observers: { bmp, mrt } }, say) => {
      say({ queue: 'neighbours' }, transport.queued);
      say({ queue: 'bmp' }, bmp?.waiting ?? 0);
      say({ queue: 'mrt' }, mrt?.waiting ?? 0);
    },
  },
  {
    name: 'journal_forgotten_total',
    help: 'Entries of "tortiectl bgp history" that newer ones have pushed out.',
    labels: [],
    isCounter: true,
    read: ({ observers }, say) => say({}, observers.journal.forgotten),
  },
  {
    name: 'bmp_connected',
    help: '1 if the BMP station (--bmp) hears us; -1: there is none.',
    labels: [],
    read: ({ observers: { bmp } }, say) => say({}, bmp === undefined ? -1 : Number(bmp.isConnected)),
  },
  {
    name: 'bmp_resyncs_total',
    help: 'Times the connection to the BMP station was lost, or closed because too much waited.',
    labels: [],
    isCounter: true,
    read: ({ observers }, say) => say({}, observers.bmp?.resyncs ?? 0),
  },
  {
    name: 'mrt_dropped_total',
    help: 'Records that --mrt-updates could not write.',
    labels: [],
    isCounter: true,
    read: ({ observers }, say) => say({}, observers.mrt?.dropped ?? 0),
  },
];

/** @returns  ends what it began */
export function exposeMetrics(registry: Registry, daemon: Daemon, clock: Clock): () => void {
  for (const row of [...rows, rejectedRow(daemon, clock)]) expose(registry, daemon, row);
  exposeBfd(registry, daemon);
  const delay = new Histogram({
    name: 'tortie_bgp_loop_delay_seconds',
    help: 'How late the event loop of the speaker was, looked at every 50 ms.',
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 3],
    registers: [registry],
  });
  return watchLoopDelay(clock, (seconds) => delay.observe(seconds));
}

function rejectedRow({ speaker, transport }: Daemon, clock: Clock): Row {
  const rejections = new Rejections({
    speaker: () => speaker,
    now: () => clock.now(),
    mark: markOf(speaker, transport),
    later: setImmediate,
  });
  return {
    name: 'rejected_prefixes',
    help: 'Prefixes that import policy rejects, by neighbour and reason; those of a large mesh with no name. Counted every 15 s at most.',
    labels: ['peer', 'reason'],
    read: (one, say) => {
      const named = new Map(single(one).map((peer) => [`${peer.address} ${peer.port}`, peer.name]));
      const { add, end } = summed(say);
      for (const [key, reasons] of rejections.read())
        for (const [reason, count] of reasons) add({ peer: named.get(key) ?? '', reason }, count);
      end();
    },
  };
}

/** Differs when what is rejected may be something else. */
function markOf(speaker: Daemon['speaker'], transport: Daemon['transport']): () => string {
  let config = speaker.life.config;
  let configs = 0;
  return () => {
    if (config !== speaker.life.config) configs += 1;
    config = speaker.life.config;
    const heard = [...speaker.neighbours].map(
      ([key, { adjRibIn }]) => `${transport.account(key).received.update}/${adjRibIn.size}`,
    );
    return `${configs} ${speaker.jobs.size} ${heard.join(' ')}`;
  };
}

function expose(registry: Registry, daemon: Daemon, { name, help, labels, isCounter, read }: Row): void {
  const options = {
    name: `tortie_bgp_${name}`,
    help,
    labelNames: [...labels],
    registers: [registry],
  };
  if (isCounter === true)
    new Counter({
      ...options,
      collect() {
        this.reset();
        read(daemon, (of, value) => this.inc(of, value));
      },
    });
  else
    new Gauge({
      ...options,
      collect() {
        this.reset();
        read(daemon, (of, value) => this.set(of, value));
      },
    });
}
