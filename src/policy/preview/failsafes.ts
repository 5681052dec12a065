/** The failsafe ports of the nodes that have host endpoints: they pass whatever policies say. */
import type { ProtoPort } from '../../model/felix-fields.ts';
import type { Cluster } from '../cluster.ts';
import { settingsAt } from '../settings.ts';

/** A cluster is a value and never changes, so it is asked once. */
const books = new WeakMap<Cluster, readonly ProtoPort[]>();

/** Each once, of all these clusters. */
export const failsafesOf = (clusters: readonly Cluster[]): readonly ProtoPort[] =>
  distinct(clusters.flatMap(ofOne));

function ofOne(cluster: Cluster): readonly ProtoPort[] {
  const before = books.get(cluster);
  if (before !== undefined) return before;
  const nodes = new Set(cluster.hostEndpoints.map(({ node }) => node));
  const found = distinct(
    [...nodes].flatMap((node) => {
      const { failsafeInboundHostPorts, failsafeOutboundHostPorts } = settingsAt(cluster, node);
      return [...failsafeInboundHostPorts, ...failsafeOutboundHostPorts];
    }),
  );
  books.set(cluster, found);
  return found;
}

const distinct = (all: readonly ProtoPort[]): readonly ProtoPort[] => [
  ...new Map(all.map((each) => [`${each.protocol} ${each.port} ${each.net}`, each])).values(),
];
