/**
 * Sessions between two nodes of this cluster, seen from both ends: each end works its own out by itself, so what BGPPeers
 * say of the two must fit together.
 */
import { formatIpv4 } from '../lib/net.ts';
import { same } from '../lib/same.ts';
import {
  amongNodes,
  appliesTo,
  areMeshed,
  type Claim,
  claimsBetween,
  claimsOf,
  type Neighbourhood,
  otherRole,
} from './peering.ts';
import type { Problem } from './problem.ts';
import type { BgpPeer, ResourceRef } from './resource.ts';
import { addressesOf, meetingAddress, type Router, sourceFor } from './router.ts';
import { matchesSelector } from './selector.ts';

export interface Ends {
  /** Names of the nodes with which a BGPPeer at either end asks for the same session, so that the mesh leaves it to them. */
  readonly settled: ReadonlySet<string>;
  /** Each with the BGPPeer that says so. */
  readonly problems: readonly EndProblem[];
}

type EndProblem = Problem & { readonly ref: ResourceRef };

const refTo = ({ meta }: BgpPeer): ResourceRef => ({ kind: 'BGPPeer', name: meta.name });

/** @param claims  in force at `own` */
export function endsOf(
  own: Router,
  claims: readonly Claim[],
  peers: readonly BgpPeer[],
  around: Neighbourhood,
  isMeshEnabled: boolean,
): Ends {
  const settled = new Set<string>();
  const problems: EndProblem[] = [];
  const lonely: { readonly claim: Claim; readonly other: Router }[] = [];
  const among = amongNodes(peers, around);
  const facing = among.filter((peer) => canBeWith(peer, own));
  for (const claim of claims) {
    const { to } = claim;
    if (to.kind !== 'address') continue;
    if (to.node === undefined) {
      problems.push(...wrongPort(claim, own, around));
      continue;
    }
    if (!isRivalled(claim, to.node, facing)) {
      settled.add(to.node.name);
      continue;
    }
    const theirs = claimsBetween(to.node, own, among, around).find((one) => meets(one, own, claim));
    if (theirs === undefined) lonely.push({ claim, other: to.node });
    else {
      settled.add(to.node.name);
      problems.push(...mismatch(claim, theirs, own, to.node));
    }
  }
  for (const { claim, other } of lonely)
    problems.push(...alone(claim, own, other, isMeshEnabled && !settled.has(other.name)));
  return { settled, problems: [...problems, ...splitClusters(own, claims, among, around)] };
}

/**
 * The other end may be anything but what this very BGPPeer makes of it, which fits: it is not made up, or another BGPPeer
 * gives that node its own. Most sessions of a large cluster are of one BGPPeer, and need no second look.
 * @param facing  those that may make another node a neighbour of ours
 */
const isRivalled = ({ peer, isReverse }: Claim, other: Router, facing: readonly BgpPeer[]): boolean =>
  (!isReverse && (peer.reversePeering === 'Manual' || peer.remote.kind !== 'nodes')) ||
  facing.some((one) => (one !== peer || isOneSided(one)) && appliesTo(one, other));

/** Said of both ends, it does not fit itself. */
const isOneSided = ({ localAsNumber, connectMode, role }: BgpPeer): boolean =>
  localAsNumber !== undefined || connectMode !== undefined || role !== undefined;

const canBeWith = ({ remote }: BgpPeer, own: Router): boolean =>
  (remote.kind === 'nodes' && matchesSelector(remote.selector, own.labels)) ||
  (remote.kind === 'address' && addressesOf(own).includes(remote.ip));

/** It is the session that `claim` is about: with the address we come from. */
const meets = ({ to }: Claim, own: Router, claim: Claim): boolean =>
  to.kind === 'address' && claim.to.kind === 'address' && to.address === sourceFor(own, claim.to.address);

/** It is an address of a node, and nobody of this cluster listens on that port of it. */
function wrongPort({ peer, to }: Claim, own: Router, { byAddress }: Neighbourhood): readonly EndProblem[] {
  const other = to.kind === 'address' ? byAddress.get(to.address) : undefined;
  if (other === undefined || to.kind !== 'address') return [];
  return [
    {
      ref: refTo(peer),
      where: `BGPPeer/${peer.meta.name} spec.peerIP`,
      what: `It gives Node/${own.name} a session with port ${to.port} of Node/${other.name}, which listens on port ${other.port}; with that address there is no other session, not even the mesh’s.`,
      fix: `Leave the port out, or write ${other.port}.`,
    },
  ];
}

/** No BGPPeer gives the other node its end. The mesh may, where it is left to them. */
function alone(claim: Claim, own: Router, other: Router, isMeshed: boolean): readonly EndProblem[] {
  if (claim.to.kind !== 'address') return [];
  const byMesh = isMeshed && areMeshed(own, other) && claim.to.address === meetingAddress(own, other);
  if (byMesh && claim.localAsn === own.asn && claim.peerAsn === other.asn) return [];
  const where = `BGPPeer/${claim.peer.meta.name}`;
  const ref = refTo(claim.peer);
  if (claim.peerAsn !== other.asn)
    return [
      {
        ref,
        where: `${where} spec.asNumber`,
        what: `It expects AS ${claim.peerAsn} of Node/${other.name}, which speaks for AS ${other.asn}, so there is no session between it and Node/${own.name}.`,
        fix: `Write ${other.asn}, or give that node a BGPPeer with localASNumber ${claim.peerAsn}.`,
      },
    ];
  return [
    {
      ref,
      where,
      what: `It gives Node/${own.name} a session with Node/${other.name}, and no BGPPeer gives that node its end of it.`,
      fix: 'Leave out reversePeering Manual, or add a BGPPeer for that node.',
    },
  ];
}

/** Both ends have a BGPPeer of their own: what of the two does not fit, as a clause about this end, and what to do. */
const mismatches: readonly {
  readonly isIn: (mine: Claim, theirs: Claim) => boolean;
  readonly what: (mine: Claim, theirs: Claim) => string;
  readonly fix: string;
}[] = [
  {
    isIn: (mine, theirs) => mine.peerAsn !== theirs.localAsn || mine.localAsn !== theirs.peerAsn,
    what: (mine, theirs) =>
      `one speaks for AS ${mine.localAsn} and expects AS ${mine.peerAsn}, the other speaks for AS ${theirs.localAsn} and expects AS ${theirs.peerAsn}`,
    fix: 'Make asNumber and localASNumber of the two agree.',
  },
  {
    isIn: ({ options: a }, { options: b }) => a.connectMode !== undefined && a.connectMode === b.connectMode,
    what: ({ options }) =>
      options.connectMode === 'Passive' ? 'both wait to be dialled' : 'both dial and let nobody in',
    fix: 'Leave connectMode out of one of the two.',
  },
  {
    isIn: ({ options: a }, { options: b }) => !same(a.password, b.password),
    what: () => 'they do not take their password from the same Secret and key',
    fix: 'Make password of the two agree.',
  },
  {
    isIn: (mine, { options: b }) =>
      mine.localAsn !== mine.peerAsn &&
      mine.options.role !== undefined &&
      b.role !== undefined &&
      otherRole[mine.options.role.own] !== b.role.own,
    what: ({ options: a }, { options: b }) =>
      `one says that it is ${a.role?.own} and the other that it is ${b.role?.own} (RFC 9234)`,
    fix: 'Write provider and customer, rs and rs-client, or peer twice.',
  },
];

function mismatch(mine: Claim, theirs: Claim, own: Router, other: Router): readonly EndProblem[] {
  return mismatches
    .filter(({ isIn }) => isIn(mine, theirs))
    .slice(0, 1)
    .map(({ what, fix }) => ({
      ref: refTo(mine.peer),
      where: `BGPPeer/${mine.peer.meta.name}`,
      what: `By it Node/${own.name}, and by BGPPeer/${theirs.peer.meta.name} Node/${other.name}, have a session with each other that does not come up: ${what(mine, theirs)}.`,
      fix,
    }));
}

/**
 * Reflectors of one cluster pass over what another of them has reflected (RFC 4456 §8), so each must have all the clients:
 * two that share an id and not the clients keep routes from some nodes.
 */
function splitClusters(
  own: Router,
  claims: readonly Claim[],
  among: readonly BgpPeer[],
  around: Neighbourhood,
): readonly EndProblem[] {
  const { clusterId } = own;
  if (clusterId === undefined) return [];
  const ours = clientsOf(own, claims);
  return around.routers
    .filter((other) => other.name !== own.name && other.clusterId === clusterId)
    .flatMap((other): readonly EndProblem[] => {
      const theirs = clientsOf(other, claimsOf(other, among, around).inForce);
      const found = [...ours].find(([name]) => !theirs.has(name) && name !== other.name);
      if (found === undefined) return [];
      const [stranger, peer] = found;
      return [
        {
          ref: refTo(peer),
          where: `Node/${own.name} annotation projectcalico.org/RouteReflectorClusterID`,
          what: `It has the cluster id ${formatIpv4(clusterId)}, and so has Node/${other.name}, but Node/${stranger} is a client of the first only: neither passes on what the other has reflected, so some nodes miss routes.`,
          fix: 'Give the two different cluster ids, or the same clients by BGPPeer.',
        },
      ];
    });
}

/** By name, with the BGPPeer that makes it one. */
const clientsOf = (own: Router, claims: readonly Claim[]): ReadonlyMap<string, BgpPeer> =>
  new Map(
    claims.flatMap(({ peer, to, localAsn, peerAsn }) =>
      to.kind === 'address' &&
      localAsn === peerAsn &&
      to.node !== undefined &&
      to.node.clusterId !== own.clusterId
        ? [[to.node.name, peer] as const]
        : [],
    ),
  );
