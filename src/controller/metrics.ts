/**
 * What Prometheus is told. IPAM's metrics have Calico's names and labels (kube-controllers), so that dashboards for it work;
 * they are those of the leader, and empty at who waits.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import { type Counted, countUse, poolOf } from './decide/count.ts';
import { reservedIn, sizeOfPrefix } from './decide/pool.ts';
import type { Counters, Term } from './term.ts';
import { reservedBy, type World } from './world.ts';

/** @param term  of the present, if this process leads. @returns what to tell of what happens */
export function registerMetrics(registry: Registry, term: () => Term | undefined): Counters {
  const registers = [registry];
  const gauge: MakeGauge = (name, help, labelNames, read) => {
    new Gauge({
      ...{ name, help, registers, labelNames: [...labelNames] },
      collect() {
        this.reset();
        const now = term();
        if (now?.world.inSync === true) read(this, now);
      },
    });
  };
  const counter = (name: string, help: string, labelNames: readonly string[]) =>
    new Counter({ name, help, registers, labelNames: [...labelNames] });

  new Gauge({
    name: 'tortie_controller_leader',
    help: '1 if this process leads and does the work, 0 if it waits to take over.',
    registers,
    collect() {
      this.set(term() === undefined ? 0 : 1);
    },
  });

  registerIpam(gauge);

  const reclaimed = counter(
    'ipam_allocations_gc_reclamations',
    'Leaked addresses that were taken back.',
    places,
  );
  const events = counter('tortie_controller_events_total', 'Events written, and dropped as too many.', [
    'what',
  ]);
  const statuses = counter(
    'tortie_controller_status_writes_total',
    'Statuses whose conditions were written.',
    [],
  );
  const failures = counter(
    'tortie_controller_duty_failures_total',
    'Times a duty could not be finished and is tried again.',
    ['duty'],
  );
  return {
    event: (what) => events.inc({ what }),
    status: () => statuses.inc(),
    failure: (duty) => failures.inc({ duty }),
    reclaimed: ({ node = 'no_node', addresses: [first] }, addresses, world: World) => {
      const ippool = first === undefined ? 'no_ippool' : poolOf({ cidr: first.block }, world.all('IPPool'));
      reclaimed.inc({ node, ippool }, addresses);
    },
  };
}

const places = ['ippool', 'node'];

type MakeGauge = (
  name: string,
  help: string,
  labelNames: readonly string[],
  read: (gauge: Gauge, term: Term) => void,
) => void;

function registerIpam(gauge: MakeGauge): void {
  const use = ({ world }: Term): readonly Counted[] => countUse(world.all('IPAMBlock'), world.all('IPPool'));
  const byPlace = (name: string, help: string, what: 'inUse' | 'borrowed' | 'blocks'): void =>
    gauge(name, help, places, (each, now) => {
      for (const { ippool, node, [what]: count } of use(now)) each.set({ ippool, node }, count);
    });
  byPlace('ipam_allocations_in_use', 'Addresses given, by pool and the node that uses them.', 'inUse');
  byPlace('ipam_allocations_borrowed', "Of these, out of another node's block.", 'borrowed');
  byPlace('ipam_blocks', 'Blocks, by pool and owner.', 'blocks');

  const byNode = (name: string, help: string, what: 'inUse' | 'borrowed' | 'blocks'): void =>
    gauge(name, help, ['node'], (each, now) => {
      for (const { node, [what]: count } of use(now)) each.inc({ node }, count);
    });
  byNode('ipam_allocations_per_node', 'Addresses given, by node.', 'inUse');
  byNode('ipam_allocations_borrowed_per_node', "Of these, out of another node's block.", 'borrowed');
  byNode('ipam_blocks_per_node', 'Blocks, by owner.', 'blocks');

  gauge(
    'ipam_allocations_gc_candidates',
    'Addresses nobody seems to use; taken back when that lasts.',
    places,
    (each, { world, candidates }) => {
      for (const { node = 'no_node', addresses } of candidates())
        for (const { block } of addresses)
          each.inc({ node, ippool: poolOf({ cidr: block }, world.all('IPPool')) });
    },
  );
  gauge('ipam_ippool_size', 'Addresses of a pool.', ['ippool'], (each, { world }) => {
    for (const { meta, cidr } of world.all('IPPool')) each.set({ ippool: meta.name }, sizeOfPrefix(cidr));
  });
  gauge(
    'ipam_ippool_reserved',
    'Addresses of a pool that IPReservations keep.',
    ['ippool'],
    (each, { world }) => {
      const reserved = reservedBy(world);
      for (const { meta, cidr } of world.all('IPPool'))
        each.set({ ippool: meta.name }, reservedIn(cidr, reserved));
    },
  );
}
