/** Sessions that are not up, each with what its last error means; and a mesh that has grown too large. */
import type { SessionReport } from '../../../model/node-report.ts';
import { ageText } from '../../objects/age.ts';
import { type Finding, sentence } from '../check.ts';
import type { ClusterFacts } from './facts.ts';

interface Meaning {
  readonly said: RegExp;
  readonly why: string;
  readonly fix: (peer: SessionReport) => string;
}

/** The first that fits what the speaker said. Numbers are code/subcode of a NOTIFICATION, RFC 4271 §4.5. */
const meanings: readonly Meaning[] = [
  {
    said: /secret/i,
    why: 'Without the password the session is not even tried.',
    fix: ({ name }) =>
      `See that the Secret which BGPPeer ${name} names exists in the namespace of Tortie, with that key.`,
  },
  {
    said: /refuses connections|ECONNREFUSED/,
    why: 'TCP reaches the neighbour, but nothing listens on that port there, or it refuses this address.',
    fix: ({ address }) =>
      `Start BGP on ${address}, let it know the node as a neighbour, and see that no firewall rejects TCP port 179.`,
  },
  {
    said: /\(2\/2\)|AS number|bad peer AS/,
    why: 'The two sides do not agree which AS the neighbour is in.',
    fix: ({ name, asn }) =>
      `Compare spec.asNumber of BGPPeer ${name} (${asn}) with the neighbour's own configuration, and its idea of ours.`,
  },
  {
    said: /MD5|TCP-AO|authenti|password/i,
    why: 'The two sides do not sign their segments with the same password.',
    fix: ({ name }) => `Give BGPPeer ${name} and the neighbour the same password, or none on both.`,
  },
  {
    said: /\(2\/3\)|BGP Identifier/,
    why: 'The neighbour does not take our router id, most often because another router has the same.',
    fix: () => 'Give every router an id of its own.',
  },
  {
    said: /\(6\/1\)|maximum.*prefixes/i,
    why: 'More prefixes came than one side allows, so it closed the session.',
    fix: () => 'Find out who announces so many; then raise the limit, or filter.',
  },
  {
    said: /\(6\/[23]\)/,
    why: 'The neighbour was told to end the session, or no longer has us as a neighbour.',
    fix: ({ address }) =>
      `Ask whoever runs ${address} whether the node is still configured there, and not shut down.`,
  },
  {
    said: /\(6\/5\)/,
    why: 'The neighbour does not know this node, or refuses it for now.',
    fix: ({ address }) => `Configure this node's address as a neighbour on ${address}.`,
  },
  {
    said: /\(2\/6\)/,
    why: 'The neighbour does not take the hold time we ask for.',
    fix: ({ name }) =>
      `Set spec.keepaliveTime of BGPPeer ${name} to a third of a hold time the neighbour takes.`,
  },
  {
    said: /hold timer|\(4\/0\)|for its hold time/,
    why: 'One side heard nothing for the whole hold time: the path loses packets, or a machine is too busy to answer.',
    fix: ({ address }) =>
      `Test the path with large packets (ping -M do -s 1472 ${address}), and look at the CPU of both ends.`,
  },
  {
    said: /E(HOST|NET)UNREACH|no route|unreachable/i,
    why: 'The node has no route to the neighbour, or the neighbour does not answer ARP.',
    fix: ({ address }) => `On the node: ip route get ${address}; ip neighbour show ${address}.`,
  },
  {
    said: /does not answer|ETIMEDOUT|timed out/,
    why: "No answer to TCP: a firewall drops port 179, the address is nobody's, or only one side signs with a password (its segments are dropped unread).",
    fix: ({ address }) =>
      `On the node: ping ${address}; nc -zv ${address} 179. Compare passwords and firewalls of both ends.`,
  },
  {
    said: /\(2\/7\)/,
    why: 'The neighbour insists on an address family or a feature that is not offered.',
    fix: () => 'Enable IPv4 or IPv6 unicast for this neighbour there, and nothing it can do without.',
  },
];

const unexplained: Omit<Meaning, 'said'> = {
  why: 'Routes are not exchanged with this neighbour.',
  fix: ({ address }) =>
    `On the node: tortiectl node status -o wide, and the log of "tortie bgp" about ${address}.`,
};

const neverTried: Omit<Meaning, 'said'> = {
  why: 'It has not failed yet, and is not up: it is being tried, or waits for the neighbour.',
  fix: () => 'Wait half a minute and look again: tortiectl status.',
};

export function explain(peer: SessionReport): { readonly why: string; readonly fix: string } {
  const { lastError } = peer;
  const { why, fix } =
    lastError === undefined ? neverTried : (meanings.find(({ said }) => said.test(lastError)) ?? unexplained);
  return { why, fix: fix(peer) };
}

export function peersDown({ reports, now }: ClusterFacts): readonly Finding[] {
  return reports.flatMap(({ node, report }) =>
    (report.bgp?.peers ?? [])
      .filter(({ state }) => state !== 'Established')
      .map((peer): Finding => {
        const said =
          peer.lastError === undefined ? 'It says no reason.' : `It says: ${sentence(peer.lastError)}`;
        return {
          severity: 'error',
          subject: `${node} → ${peer.name} (${peer.address}, AS ${peer.asn})`,
          evidence: `CalicoNodeStatus/${node}: ${peer.state} for ${ageText(peer.since, now)}. ${said}`,
          ...explain(peer),
        };
      }),
  );
}

/** A hundred nodes have 4,950 sessions among them, each node 99. */
const largestMesh = 100;

export function mesh({ nodes, configurations }: ClusterFacts): readonly Finding[] {
  const isOn = configurations.find(({ meta }) => meta.name === 'default')?.nodeToNodeMeshEnabled ?? true;
  if (!isOn || nodes.length <= largestMesh) return [];
  return [
    {
      severity: 'warning',
      subject: 'node-to-node mesh',
      evidence: `There are ${nodes.length} Nodes, and nodeToNodeMeshEnabled of BGPConfiguration/default is not false.`,
      why: `Every node has ${nodes.length - 1} sessions, and every change is told by each to all.`,
      fix: 'Peer the nodes with their ToR routers or with route reflectors by BGPPeer, then set nodeToNodeMeshEnabled: false.',
    },
  ];
}
