/**
 * Every reason a route is not accepted or not told: what it begins with, what it means, and what to do. The codes label
 * metrics, so they never change; docs/ROUTES.md has the table.
 */
export interface Reason {
  /** Stable, of few words. */
  readonly code: string;
  /** Of the clause as the policies give it. */
  readonly begins: string;
  /** And further on. */
  readonly has?: string;
  readonly meaning: string;
  readonly remedy: string;
}

const filters = 'Add or change a BGPFilter rule and name the filter in the BGPPeer.';

/** Import policy, in the order it asks. */
export const importReasons: readonly Reason[] = [
  {
    code: 'as-loop',
    begins: 'loop: our own AS',
    meaning: 'RFC 4271 §9.1.2: the route has passed through our AS.',
    remedy: 'Nothing, as a rule. Where sites share an AS: BGPPeer numAllowedLocalASNumbers.',
  },
  {
    code: 'originator-loop',
    begins: 'loop: ORIGINATOR_ID',
    meaning: 'RFC 4456 §8: a reflector returned what we originated.',
    remedy: 'Nothing; two nodes with one router ID show the same, so see that they differ.',
  },
  {
    code: 'cluster-loop',
    begins: 'loop: our own cluster',
    meaning: 'RFC 4456 §8: the route has been reflected by our cluster before.',
    remedy: 'Nothing; reflectors that should take it from each other need different cluster IDs.',
  },
  {
    code: 'first-as',
    begins: 'its AS path begins with ',
    meaning:
      'RFC 4271 §6.3, where enforceFirstAS asks for it: the neighbour tells a path that it is not part of.',
    remedy:
      'Mend the path at the neighbour; of a route server, which does so rightly, remove enforceFirstAS.',
  },
  {
    code: 'as-set',
    begins: 'its AS path holds an AS_SET',
    meaning: 'RFC 9774: such a path hides who originated the route, and is treated as withdrawn.',
    remedy: 'Aggregate without AS_SET where the route comes from.',
  },
  {
    code: 'next-hop',
    begins: 'next hop ',
    meaning:
      'RFC 4271 §6.3: the next hop is no host that someone else can be, ourselves, or of the wrong family.',
    remedy: 'Mend the next hop at the neighbour (next-hop-self).',
  },
  {
    code: 'leak',
    begins: 'leak: ',
    meaning: 'RFC 9234 §5: a route meant for customers came from below or from beside.',
    remedy: 'Tell the neighbour of the leak, or mend the role in the BGPPeer.',
  },
  {
    code: 'no-policy',
    begins: 'no filter says what may come',
    meaning: 'RFC 8212 is asked for by requireEBGPPolicy, and no filter holds for this direction and family.',
    remedy: filters,
  },
  {
    code: 'filter',
    begins: 'rejected by ',
    meaning: 'The first rule that matches rejects it.',
    remedy: 'See the rule it names.',
  },
  {
    code: 'blackhole',
    begins: 'carries the community BLACKHOLE',
    meaning: 'RFC 7999 §3.3: traffic is dropped by agreement only.',
    remedy: 'Accept it by a rule with communities 65535:666 and the prefixes it may be for.',
  },
  {
    code: 'default-route',
    begins: 'a default route is never accepted',
    meaning: 'It could take this node off the network.',
    remedy: 'Accept it by a rule with matchOperator Equal and cidr 0.0.0.0/0 or ::/0.',
  },
  {
    code: 'api-server',
    begins: "takes away the API server's address",
    meaning: 'The node must reach the API server to be told anything at all.',
    remedy: 'Accept it by a rule whose cidr lies inside that address, if it is meant.',
  },
  {
    code: 'own-pods',
    begins: 'lies inside our own pod CIDR',
    meaning: 'Pods of this node have these addresses.',
    remedy: 'Find out which other node announces them: two Nodes may have one pod CIDR.',
  },
  {
    code: 'own-block',
    begins: 'lies inside our own block',
    meaning: 'The block is ours; only single addresses of it may be borrowed by others.',
    remedy: 'Find out who announces it; see tortiectl ipam check.',
  },
  {
    code: 'services',
    begins: 'lies inside ',
    has: 'addresses of Services',
    meaning: 'Every node answers for them itself.',
    remedy: 'Nothing, as a rule; a rule with a cidr inside that range lets it in.',
  },
  {
    code: 'own-network',
    begins: 'lies inside ',
    has: 'a network of this node itself',
    meaning: 'The node is on that network with an interface, and it is closer than any pool.',
    remedy: 'Nothing, as a rule; a rule with a cidr inside that network lets it in.',
  },
  {
    code: 'not-ours',
    begins: "not inside any IP pool or node's pod CIDR",
    meaning: 'By default only what belongs to the cluster is taken.',
    remedy: filters,
  },
  {
    code: 'unusable',
    begins: '',
    meaning: 'No host or network can have these addresses (loopback, link-local, multicast, reserved).',
    remedy: 'Accept it by a rule with a cidr inside that range, if it is meant.',
  },
];

/** Export policy, in the order it asks. */
export const exportReasons: readonly Reason[] = [
  {
    code: 'family',
    begins: 'its address family is not negotiated',
    meaning: 'The OPENs did not both name the family.',
    remedy: 'Enable it at both ends (BGPPeer families).',
  },
  {
    code: 'same-neighbour',
    begins: 'learned from this neighbour',
    meaning: 'Nobody is told what it told us.',
    remedy: 'Nothing.',
  },
  {
    code: 'drained',
    begins: 'this node is drained',
    meaning: 'Its annotation node.tortie.io/drain asks for it.',
    remedy: 'Remove the annotation.',
  },
  {
    code: 'not-reflected',
    begins: 'learned by iBGP',
    meaning: 'RFC 4271 §9.2: what comes by iBGP goes to iBGP only through a route reflector (RFC 4456 §6).',
    remedy: 'Full mesh, or a route reflector with this neighbour or the other as client.',
  },
  {
    code: 'cluster',
    begins: 'our own cluster is in its CLUSTER_LIST',
    meaning: 'RFC 4456 §8: it has been reflected by this cluster.',
    remedy: 'Nothing.',
  },
  {
    code: 'community',
    begins: 'carries the community ',
    meaning: 'RFC 1997: NO_ADVERTISE, NO_EXPORT or NO_EXPORT_SUBCONFED forbids it.',
    remedy: 'Take the community away where it is added.',
  },
  {
    code: 'stale',
    begins: 'is long-lived stale',
    meaning: 'RFC 9494 §4.3: only neighbours that know of such routes are told.',
    remedy: 'Turn long-lived graceful restart on at the neighbour.',
  },
  {
    code: 'as-loop',
    begins: "its path holds the neighbour's AS",
    meaning: 'RFC 4271 §9.1.2: it would drop it as a loop.',
    remedy: 'Nothing.',
  },
  {
    code: 'otc',
    begins: 'is for customers only',
    meaning: 'RFC 9234 §5: what came from a provider or peer goes to no other provider or peer.',
    remedy: 'Nothing; or mend the role in the BGPPeer.',
  },
  {
    code: 'no-policy',
    begins: 'no filter says what this eBGP neighbour may be told',
    meaning: 'RFC 8212 is asked for by requireEBGPPolicy, and no filter holds for this direction and family.',
    remedy: filters,
  },
  {
    code: 'filter',
    begins: 'rejected by ',
    meaning: 'The first rule that matches rejects it.',
    remedy: 'See the rule it names.',
  },
  {
    code: 'pool',
    begins: 'inside ',
    meaning: 'IPPool disableBGPExport.',
    remedy: 'Set it to false, or accept the prefix by a filter.',
  },
  {
    code: 'not-ours',
    begins: 'not inside any IP pool',
    meaning:
      'What a filter let in from elsewhere is for this node: only what belongs to the cluster is told on.',
    remedy: 'Accept the prefix by an export rule of a BGPFilter.',
  },
  {
    code: 'no-next-hop',
    begins: 'we have no address of its family',
    meaning: 'There is nothing we could name as next hop.',
    remedy: 'Give the Node an address of the family, or agree on RFC 8950 with the neighbour.',
  },
];

/** The reason behind a clause of a policy. */
export const reasonOf = (clause: string, reasons: readonly Reason[]): Reason | undefined =>
  reasons.find(({ begins, has = '' }) => clause.startsWith(begins) && clause.includes(has));
