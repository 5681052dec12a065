/** The checks of the cluster, which need no more than the right to read it. */
import type { Check, Finding } from '../check.ts';
import type { ClusterFacts, Need } from './facts.ts';
import { addresses, routerIds } from './identity.ts';
import { leaks } from './leaks.ts';
import { overlapping } from './overlap.ts';
import { clocks, silent, taints, versions } from './reports.ts';
import { peerSelectors, policySelectors } from './selectors.ts';
import { mesh, peersDown } from './sessions.ts';

const unreadable = (facts: ClusterFacts): readonly Finding[] =>
  facts.unreadable.map(({ object, why, fix }) => ({
    severity: 'error',
    subject: object,
    evidence: why,
    why: 'The daemons do not act on an object they cannot read; what it said before stays.',
    fix,
  }));

export const clusterChecks: readonly Check<ClusterFacts, Need>[] = [
  { name: 'reports', what: 'nodes without a report', needs: ['Node', 'CalicoNodeStatus'], find: silent },
  { name: 'peers', what: 'sessions that are not up, and why', needs: ['CalicoNodeStatus'], find: peersDown },
  { name: 'objects', what: 'objects that cannot be read', needs: [], find: unreadable },
  {
    name: 'router-ids',
    what: 'router ids of more than one node',
    needs: ['CalicoNodeStatus'],
    find: routerIds,
  },
  { name: 'addresses', what: 'addresses of more than one node', needs: ['Node'], find: addresses },
  {
    name: 'overlaps',
    what: 'pools, pod CIDRs and service ranges that overlap',
    needs: ['Node', 'IPPool'],
    find: overlapping,
  },
  {
    name: 'leaks',
    what: 'addresses that IPAM holds for nobody',
    needs: ['IPAMBlock', 'BlockAffinity', 'Pod', 'Node'],
    find: leaks,
  },
  { name: 'peer-selectors', what: 'BGPPeers of no node', needs: ['BGPPeer', 'Node'], find: peerSelectors },
  {
    name: 'policy-selectors',
    what: 'NetworkPolicies that match nothing',
    needs: ['NetworkPolicy', 'Pod', 'Namespace'],
    find: policySelectors,
  },
  { name: 'versions', what: 'nodes of different versions', needs: ['CalicoNodeStatus'], find: versions },
  { name: 'mesh', what: 'a mesh of too many nodes', needs: ['Node', 'BGPConfiguration'], find: mesh },
  {
    name: 'taints',
    what: 'nodes that wait with the startup taint for no reason',
    needs: ['Node', 'CalicoNodeStatus'],
    find: taints,
  },
  { name: 'clock', what: 'clocks that differ', needs: ['clock', 'CalicoNodeStatus'], find: clocks },
];
