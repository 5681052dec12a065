/** CalicoNodeStatus.status as Calico's own tools read it: `agent` and `bgp`, from what the speaker reports. */
import type { BgpReport, SessionReport } from '../../model/node-report.ts';
import type { Json } from '../../store/store.ts';

const calicoType: Readonly<Record<SessionReport['type'], string>> = {
  'node-to-node mesh': 'NodeMesh',
  global: 'GlobalPeer',
  'node specific': 'NodePeer',
};

/**
 * One process speaks for both families, so both agents are it. Counts are whole; the lists name what the report names,
 * which leaves out sessions of the mesh that are as they should be.
 */
export function calicoStatus(report: BgpReport): { readonly [key: string]: Json } {
  const { established, total, v6 = { established: 0, total: 0 } } = report.sessions;
  const agent = {
    state: report.inSync && report.asn !== undefined ? 'Ready' : 'NotReady',
    version: report.version,
    routerID: report.routerId ?? null,
  };
  const isV6 = ({ address }: SessionReport): boolean => address.includes(':');
  return {
    agent: { birdV4: agent, birdV6: agent },
    bgp: {
      numberEstablishedV4: established - v6.established,
      numberNotEstablishedV4: total - established - (v6.total - v6.established),
      numberEstablishedV6: v6.established,
      numberNotEstablishedV6: v6.total - v6.established,
      peersV4: report.peers.filter((peer) => !isV6(peer)).map(peerOf),
      peersV6: report.peers.filter(isV6).map(peerOf),
    },
  };
}

const peerOf = ({ address, type, state, since }: SessionReport): Json => ({
  peerIP: address,
  type: calicoType[type],
  state,
  since,
});
