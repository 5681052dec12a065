/** What differs between two configurations, in words, for the journal. Pure. */
import { formatPrefix, type Prefix } from '../../src/lib/net.ts';
import type { PeerConfig, SpeakerConfig } from '../config.ts';
import { whereOf } from '../speaker/report.ts';
import { sameData } from '../speaker/same.ts';

/** Of each kind of thing, so many are named. */
const named = 3;

/** Each a phrase; none: they say the same. */
export function configChanges(
  before: SpeakerConfig | undefined,
  after: SpeakerConfig | undefined,
): readonly string[] {
  if (after === undefined) return before === undefined ? [] : ['this node cannot speak any more'];
  if (before === undefined)
    return [
      `this node speaks: AS ${after.asn}, ${after.peers.length} neighbours, ${after.origins.length} prefixes`,
    ];
  return [
    ...peerChanges(before.peers, after.peers),
    ...prefixChanges(before.origins, after.origins),
    ...(Object.keys(words) as (keyof typeof words)[])
      .filter((field) => !sameData(before[field], after[field]))
      .map((field) => words[field]),
    ...(before.drain === after.drain ? [] : [drained[after.drain ?? 'no']]),
  ];
}

const drained = {
  shutdown: 'this node is being drained: what we announce carries GRACEFUL_SHUTDOWN',
  withdrawn: 'this node is drained: nothing is announced any more',
  no: 'this node is drained no longer: everything is announced again',
} as const;

const words = {
  asn: 'our AS number',
  routerId: 'our BGP Identifier',
  listenPort: 'the port we listen on',
  bind: 'the addresses we listen on',
  ownAddress: 'our next hops',
  importPolicy: 'what is taken by default',
  exportDeny: 'what is not told',
  communities: 'communities of what we tell',
  clusterId: 'our cluster id',
  decision: 'how the best path is chosen',
  requirePolicy: 'whether eBGP needs filters',
  dynamic: 'who may dial us from a range',
} as const satisfies Partial<Record<keyof SpeakerConfig, string>>;

function peerChanges(before: readonly PeerConfig[], after: readonly PeerConfig[]): readonly string[] {
  const [old, now] = [byKey(before), byKey(after)];
  const nameOf = (peer: PeerConfig): string =>
    peer.resource === undefined ? whereOf(peer) : `${whereOf(peer)} (${peer.resource})`;
  const added = after.filter(({ key }) => !old.has(key)).map(nameOf);
  const removed = before.filter(({ key }) => !now.has(key)).map(nameOf);
  const changed = after.flatMap((peer) => {
    const known = old.get(peer.key);
    const fields = known === undefined ? [] : fieldChanges(known, peer);
    return fields.length === 0 ? [] : [`${nameOf(peer)}: ${fields.join(', ')}`];
  });
  return [
    ...listed('neighbour added: ', added),
    ...listed('neighbour removed: ', removed),
    ...listed('neighbour changed: ', changed),
  ];
}

const byKey = (peers: readonly PeerConfig[]): ReadonlyMap<string, PeerConfig> =>
  new Map(peers.map((peer) => [peer.key, peer]));

/** Numbers, strings and yes or no with both their values; the rest by name. */
function fieldChanges(before: PeerConfig, after: PeerConfig): readonly string[] {
  const old = new Map<string, unknown>(Object.entries(before));
  const now = new Map<string, unknown>(Object.entries(after));
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((field) => {
    const [was, is] = [old.get(field), now.get(field)];
    if (sameData(was, is)) return [];
    const isShown = isPlain(was) && isPlain(is) && field !== 'address' && field !== 'localAddress';
    return [isShown ? `${field} ${was ?? 'absent'} → ${is ?? 'absent'}` : field];
  });
}

const isPlain = (value: unknown): boolean =>
  ['string', 'number', 'boolean', 'undefined'].includes(typeof value);

function prefixChanges(before: readonly Prefix[], after: readonly Prefix[]): readonly string[] {
  const [old, now] = [new Set(before), new Set(after)];
  return [
    ...listed('we announce ', after.filter((prefix) => !old.has(prefix)).map(formatPrefix)),
    ...listed('we no longer announce ', before.filter((prefix) => !now.has(prefix)).map(formatPrefix)),
  ];
}

function listed(what: string, items: readonly string[]): readonly string[] {
  if (items.length === 0) return [];
  const more = items.length > named ? ` and ${items.length - named} more` : '';
  return [`${what}${items.slice(0, named).join('; ')}${more}`];
}
