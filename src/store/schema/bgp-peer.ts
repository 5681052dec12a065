/** projectcalico.org/v3 BGPPeer. Strict; Calico's fields that this version lacks are refused by name. */
import type { z } from 'zod';
import { type Address, contains, hostPrefix, type Prefix, parsePrefix, versionOf } from '../../lib/net.ts';
import { assert, ok, type Result } from '../../lib/result.ts';
import type { Remote, SessionOptions } from '../../model/bgp-peer.ts';
import type { BgpPeer, Meta } from '../../model/resource.ts';
import { address, asNumber, parseAddressField, strictPrefix } from './addresses.ts';
import { isStrictPrefix, prefixLength, type Rule, withRules } from './cel.ts';
import {
  flag,
  list,
  maybe,
  oneOf,
  seconds,
  selectorOrAbsent,
  text,
  textOrAbsent,
  wholeNumber,
} from './fields.ts';
import { describe, type Flaw, mustBe, type Wrong, wrong } from './flaw.ts';
import { createdAt } from './meta.ts';
import { check, field, manifest, read, strict } from './read.ts';
import { secretKey } from './secret-key.ts';
import { bfdOf, sessionFields, sessionFlaw, sessionRules } from './session-options.ts';

interface Endpoint {
  readonly ip: Address;
  readonly port?: number;
}

const peerIpFix = 'Write an address like 10.0.0.1, 10.0.0.1:1790, fd00::1 or [fd00::1]:1790.';

const unusable: readonly (readonly [string, string])[] = [
  ['0.0.0.0/8', 'it is the address of no host'],
  ['::/128', 'it is the address of no host'],
  ['224.0.0.0/4', 'it is a multicast address'],
  ['ff00::/8', 'it is a multicast address'],
  ['240.0.0.0/4', 'it is a reserved address'],
  ['fe80::/10', 'a link-local address says nothing without its link: give interface instead of peerIP'],
];
const unusablePrefixes = unusable.flatMap(([text, why]): readonly (readonly [Prefix, string])[] => {
  const prefix = parsePrefix(text);
  return prefix === undefined ? [] : [[prefix, why]];
});

function parseEndpoint(json: unknown): Result<Endpoint, Wrong> {
  if (typeof json !== 'string' || json === '')
    return mustBe('an address', json === '' ? undefined : json, peerIpFix);
  const withPort = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(json);
  const parsed = parseAddressField(withPort?.[1] ?? withPort?.[2] ?? json);
  if (!parsed.ok) return wrong(parsed.error.what, peerIpFix);
  const ip = parsed.value;
  const why = unusablePrefixes.find(([prefix]) => contains(prefix, hostPrefix(ip)))?.[1];
  if (why !== undefined)
    return wrong(`cannot be ${describe(json)}: ${why}.`, 'Give the address of the peer.');
  if (withPort === null) return ok({ ip });
  const port = Number(withPort[3]);
  return port >= 1 && port <= 65535
    ? ok({ ip, port })
    : wrong(`must have a port from 1 to 65535, but it is ${withPort[3]}.`, peerIpFix);
}

/** A third of the longest hold time a message can carry, 65535 s (RFC 4271 §4.2). */
const longestKeepalive = 21845;

/** What the 12 bits of RFC 4724 §3 can say. */
export const longestRestart = 4095;

/** Who a BGPPeer is with: exactly one of these. */
const remotes = ['peerIP', 'peerSelector', 'peerRange', 'interface', 'localWorkloadSelector'] as const;
const remotesText = 'peerIP, peerSelector, peerRange, interface and localWorkloadSelector';

/** Of a peer for whom no asNumber is told: the AS is that of the node, or anybody's. */
const withoutAs: readonly string[] = ['peerSelector', 'peerRange', 'interface'];

/** So many at one time, where peerLimit does not say it. */
const usualLimit = 100;

const linkName = field(
  (json) =>
    typeof json === 'string' && /^[a-zA-Z0-9_.:-]{1,15}$/.test(json)
      ? ok(json)
      : mustBe('the name of a link', json, 'Write it as "ip link" shows it, for example eth1.'),
  { type: 'string', pattern: '^[a-zA-Z0-9_.:-]{1,15}$', maxLength: 15 },
);

const spec = strict({
  node: maybe(textOrAbsent.describe('The node that has this peer; neither this nor nodeSelector: all have.')),
  nodeSelector: maybe(selectorOrAbsent.describe('The nodes that have this peer, by their labels.')),
  peerIP: maybe(
    withRules(
      field((json) => (json === '' ? ok(undefined) : parseEndpoint(json)), { type: 'string' }).describe(
        'Address of the peer, with a port if it is not 179: 10.0.0.1, 10.0.0.1:1790, fd00::1 or [fd00::1]:1790.',
      ),
      [
        {
          rule: String.raw`self == '' || isIP(self) || self.matches('^([0-9.]+|\\[[0-9a-fA-F:.]+\\]):[0-9]{1,5}$')`,
          message: 'must be an address like 10.0.0.1, 10.0.0.1:1790, fd00::1 or [fd00::1]:1790',
        },
      ],
      { maxLength: 64 },
    ),
  ),
  peerSelector: maybe(
    selectorOrAbsent.describe('Instead of peerIP: the nodes that are the peers, by their labels.'),
  ),
  peerRange: maybe(
    withRules(strictPrefix, [isStrictPrefix], prefixLength).describe(
      'Instead of peerIP: whoever dials from this prefix is a peer, and is never dialled.',
    ),
  ),
  peerLimit: maybe(
    wholeNumber('a number of peers', 1, 10000).describe('Of peerRange: so many at one time; 100 if absent.'),
  ),
  interface: maybe(
    linkName.describe('Instead of peerIP: the router on this link, found by its IPv6 link-local address.'),
  ),
  asNumber: maybe(
    asNumber.describe(
      'AS number of the peer, plain or as "a.b". Not next to peerSelector; with peerRange and interface any but ours if absent.',
    ),
  ),
  keepaliveTime: maybe(
    seconds(1, longestKeepalive).describe(
      'Whole seconds between messages, like 30s; the hold time asked for is three times this.',
    ),
  ),
  localASNumber: maybe(asNumber.describe('Our AS number towards this peer; that of the node if absent.')),
  localWorkloadSelector: maybe(
    selectorOrAbsent.describe(
      'Instead of peerIP: the pods of the same node that are the peers, by their labels. They dial, by localWorkloadPeeringIPV4 and IPV6 of BGPConfiguration.',
    ),
  ),
  keepOriginalNextHop: maybe(flag.describe('As nextHopMode Keep, towards another AS only.')),
  nextHopMode: maybe(
    oneOf('Auto', 'Self', 'Keep').describe(
      'What the peer is told as next hop: always this node, or what it was. Auto: as usual, RFC 4271 5.1.3.',
    ),
  ),
  password: maybe(
    strict({
      secretKeyRef: secretKey.describe(
        'Where the password is: a Secret in the namespace of Tortie, and a key of it.',
      ),
    }).describe('Both sides sign what they send with this password (RFC 2385).'),
  ),
  sourceAddress: maybe(
    oneOf('UseNodeIP', 'None').describe('None: the kernel chooses where the session comes from.'),
  ),
  maxRestartTime: maybe(
    seconds(1, longestRestart).describe(
      'How long routes are kept while a node, or this peer, restarts (RFC 4724); 120s if absent.',
    ),
  ),
  numAllowedLocalASNumbers: maybe(
    wholeNumber('a number of times', 0, 255).describe(
      'So often our own AS number may stand in the AS path of a route of this peer.',
    ),
  ),
  ttlSecurity: maybe(
    wholeNumber('a number of hops', 0, 255).describe(
      'The peer is at most so many hops away; packets from further away are dropped (RFC 5082). 0: not checked.',
    ),
  ),
  reachableBy: maybe(
    withRules(
      address.describe('A route to the peer by this gateway, of the same IP version, is kept in the kernel.'),
      [{ rule: 'isIP(self)', message: 'must be an address like 10.0.0.1 or fd00::1' }],
      { maxLength: 64 },
    ),
  ),
  filters: maybe(
    list(text)
      .describe('BGPFilters, asked in this order before what is accepted and announced by default.')
      .meta({ maxItems: 50 }),
  ),
  reversePeering: maybe(
    oneOf('Auto', 'Manual').describe(
      'Auto, the default: where the peer is a node of this cluster, its side is made up from this. Manual: it has its own BGPPeer.',
    ),
  ),
  ...sessionFields,
});

type Spec = z.output<typeof spec>;
type Misplaced = { readonly at: readonly string[]; readonly wrong: Wrong };
const misplaced = (at: readonly string[], what: string, fix: string): Misplaced => ({
  at,
  wrong: { what, fix },
});

const given = (one: Spec): readonly (typeof remotes)[number][] =>
  remotes.filter((name) => one[name] !== undefined);

function remoteFlaw(one: Spec): Misplaced | undefined {
  const named = given(one);
  const [kind, second] = named;
  if (kind === undefined) return misplaced(['peerIP'], 'is missing.', `Give one of ${remotesText}.`);
  if (second !== undefined)
    return misplaced([second], `cannot stand next to ${kind}.`, `Keep one of ${remotesText}.`);
  if (kind === 'peerSelector' && one.asNumber !== undefined)
    return misplaced(['asNumber'], 'cannot stand next to peerSelector: each node has its own.', 'Remove it.');
  if (one.asNumber === undefined && !withoutAs.includes(kind))
    return misplaced(['asNumber'], 'is missing.', 'Give the AS number of the peer.');
  if (one.peerLimit !== undefined && kind !== 'peerRange')
    return misplaced(['peerLimit'], 'goes with peerRange.', 'Remove it.');
  return undefined;
}

function fieldsFlaw(one: Spec): Misplaced | undefined {
  const { node, nodeSelector, keepOriginalNextHop, nextHopMode = 'Auto', reachableBy, peerIP } = one;
  if (node !== undefined && nodeSelector !== undefined)
    return misplaced(['node'], 'cannot stand next to nodeSelector.', 'Keep one of the two.');
  if (keepOriginalNextHop === true && nextHopMode !== 'Auto')
    return misplaced(['keepOriginalNextHop'], 'cannot stand next to nextHopMode.', 'Keep nextHopMode.');
  if (reachableBy !== undefined && peerIP === undefined)
    return misplaced(['reachableBy'], 'goes with peerIP.', 'Remove it, or give peerIP.');
  if (reachableBy !== undefined && peerIP !== undefined && versionOf(reachableBy) !== versionOf(peerIP.ip))
    return misplaced(
      ['reachableBy'],
      'must be of the same IP version as peerIP.',
      `Give an IPv${versionOf(peerIP.ip)} address.`,
    );
  if (reachableBy !== undefined && reachableBy === peerIP?.ip)
    return misplaced(['reachableBy'], 'is the peer itself.', 'Give the gateway, or remove it.');
  return passiveFlaw(one) ?? workloadFlaw(one) ?? sessionFlaw(one);
}

/** Whoever comes from a range is never dialled and known only once it has dialled, so neither we nor BFD can be first. */
function passiveFlaw({ peerRange, connectMode, bfd }: Spec): Misplaced | undefined {
  if (peerRange === undefined) return undefined;
  if (connectMode === 'Active')
    return misplaced(['connectMode'], 'cannot be Active with peerRange.', 'Remove it: those peers dial us.');
  return bfd?.strict === true
    ? misplaced(
        ['bfd', 'strict'],
        'cannot stand next to peerRange: BFD with those peers begins when they dial.',
        'Remove it.',
      )
    : undefined;
}

/** A pod of the same node dials, from an address that is its own as long as its object is there. */
function workloadFlaw(one: Spec): Misplaced | undefined {
  if (one.localWorkloadSelector === undefined) return undefined;
  if (one.connectMode === 'Active')
    return misplaced(
      ['connectMode'],
      'cannot be Active with localWorkloadSelector.',
      'Remove it: those pods dial us.',
    );
  if (one.reversePeering === 'Manual')
    return misplaced(['reversePeering'], 'goes with peers that are nodes.', 'Remove it.');
  const detection = (['bfd', 'failureDetectionMode'] as const).find((name) =>
    name === 'bfd' ? one.bfd !== undefined : (one[name] ?? 'None') !== 'None',
  );
  return detection === undefined
    ? undefined
    : misplaced(
        [detection],
        'cannot stand next to localWorkloadSelector: of a pod on the same node we hear when it goes.',
        'Remove it.',
      );
}

const has = (name: string): string => `(has(self.${name}) && self.${name} != '' ? 1 : 0)`;

const rules: readonly Rule[] = [
  {
    rule: "!has(self.node) || self.node == '' || !has(self.nodeSelector) || self.nodeSelector == ''",
    message: 'node cannot stand next to nodeSelector: keep one of the two',
  },
  {
    rule: `${remotes.map(has).join(' + ')} == 1`,
    message: `exactly one of ${remotesText} must be given`,
  },
  {
    rule: "!has(self.peerSelector) || self.peerSelector == '' || !has(self.asNumber)",
    message: 'asNumber cannot stand next to peerSelector: each node has its own',
  },
  {
    rule: "has(self.asNumber) || has(self.peerRange) || has(self.interface) || (has(self.peerSelector) && self.peerSelector != '')",
    message: 'asNumber is missing: give the AS number of the peer',
  },
  {
    rule: '!has(self.peerLimit) || has(self.peerRange)',
    message: 'peerLimit goes with peerRange',
  },
  {
    rule: "!has(self.peerRange) || !has(self.connectMode) || self.connectMode != 'Active'",
    message: 'connectMode cannot be Active with peerRange: those peers dial us',
  },
  {
    rule: '!has(self.peerRange) || !has(self.bfd) || !has(self.bfd.strict) || !self.bfd.strict',
    message: 'bfd.strict cannot stand next to peerRange: BFD with those peers begins when they dial',
  },
  {
    rule: "!has(self.reachableBy) || (has(self.peerIP) && self.peerIP != '')",
    message: 'reachableBy goes with peerIP',
  },
  {
    rule: "!has(self.reachableBy) || !has(self.peerIP) || !isIP(self.reachableBy) || (isIP(self.peerIP) ? ip(self.peerIP).family() == ip(self.reachableBy).family() : self.peerIP.startsWith('[') == (ip(self.reachableBy).family() == 6))",
    message: 'reachableBy must be of the same IP version as peerIP',
  },
  {
    rule: "!has(self.keepOriginalNextHop) || !self.keepOriginalNextHop || !has(self.nextHopMode) || self.nextHopMode == 'Auto'",
    message: 'keepOriginalNextHop cannot stand next to nextHopMode: keep nextHopMode',
  },
  {
    rule: `!has(self.localWorkloadSelector) || self.localWorkloadSelector == '' || !has(self.connectMode) || self.connectMode != 'Active'`,
    message: 'connectMode cannot be Active with localWorkloadSelector: those pods dial us',
  },
  {
    rule: `!has(self.localWorkloadSelector) || self.localWorkloadSelector == '' || !has(self.reversePeering) || self.reversePeering != 'Manual'`,
    message: 'reversePeering goes with peers that are nodes',
  },
  {
    rule: `!has(self.localWorkloadSelector) || self.localWorkloadSelector == '' || (!has(self.bfd) && (!has(self.failureDetectionMode) || self.failureDetectionMode == 'None'))`,
    message: 'bfd cannot stand next to localWorkloadSelector: of a pod on the same node we hear when it goes',
  },
  ...sessionRules,
];

export const bgpPeerSchema = manifest(
  withRules(spec.superRefine(check(remoteFlaw)).superRefine(check(fieldsFlaw)), rules),
);

export function readBgpPeer(meta: Meta, json: unknown): Result<BgpPeer, readonly Flaw[]> {
  const parsed = read(bgpPeerSchema, json);
  if (!parsed.ok) return parsed;
  const { spec: one } = parsed.value;
  const { node, nodeSelector, asNumber: peerAsn } = one;
  const created = createdAt(json);
  return ok({
    kind: 'BGPPeer',
    meta,
    ...(created === undefined ? {} : { created }),
    ...(node === undefined ? {} : { node }),
    ...(nodeSelector === undefined ? {} : { nodeSelector }),
    remote: remoteOf(one),
    ...(peerAsn === undefined ? {} : { asNumber: peerAsn }),
    ...(one.reversePeering === 'Manual' ? { reversePeering: 'Manual' } : {}),
    ...timesOf(one),
    ...sourceOf(one),
    ...routesOf(one),
    filters: one.filters ?? [],
  });
}

function remoteOf({
  peerIP,
  peerSelector,
  peerRange,
  peerLimit = usualLimit,
  interface: link,
  localWorkloadSelector,
}: Spec): Remote {
  if (localWorkloadSelector !== undefined) return { kind: 'workloads', selector: localWorkloadSelector };
  if (peerSelector !== undefined) return { kind: 'nodes', selector: peerSelector };
  if (peerRange !== undefined) return { kind: 'range', range: peerRange, limit: peerLimit };
  if (link !== undefined) return { kind: 'link', interface: link };
  assert(peerIP !== undefined, 'one of the five is given: remoteFlaw');
  return { kind: 'address', ...peerIP };
}

type Options = Partial<SessionOptions>;

/** RFC 9494's usual time, where only the mode is given. */
const usualStaleMs = 3_600_000;

const timesOf = (one: Spec): Options => ({
  ...(one.keepaliveTime === undefined ? {} : { keepaliveTimeMs: one.keepaliveTime }),
  ...(one.holdTime === undefined ? {} : { holdTimeMs: one.holdTime }),
  ...(one.connectRetry === undefined ? {} : { connectRetryMs: one.connectRetry }),
  ...(one.maxRestartTime === undefined ? {} : { maxRestartTimeMs: one.maxRestartTime }),
  ...(one.restartMode === 'LongLivedGracefulRestart'
    ? { longLivedMs: one.longLivedStaleTime ?? usualStaleMs }
    : {}),
  ...(one.restartMode === 'GracefulRestartNotification' ? { notificationRestart: true } : {}),
});

function sourceOf(one: Spec): Options {
  const { password, ttlSecurity = 0, connectMode = 'Both', role, localASNumber, reachableBy } = one;
  const bfd = bfdOf(one);
  return {
    ...(password === undefined ? {} : { password: password.secretKeyRef }),
    ...(ttlSecurity === 0 ? {} : { ttlSecurity }),
    ...(localASNumber === undefined ? {} : { localAsNumber: localASNumber }),
    ...(one.sourceAddress === 'None' ? { sourceAddress: 'None' } : {}),
    ...(connectMode === 'Both' ? {} : { connectMode }),
    ...(role === undefined
      ? {}
      : { role: { own: role, ...(one.roleStrict === true ? { isStrict: true } : {}) } }),
    ...(reachableBy === undefined ? {} : { reachableBy }),
    ...(bfd === undefined ? {} : { bfd }),
  };
}

function routesOf(one: Spec): Options {
  const { numAllowedLocalASNumbers = 0, nextHopMode = 'Auto', addPath, privateAS = 'Keep' } = one;
  return {
    ...(numAllowedLocalASNumbers === 0 ? {} : { numAllowedLocalAsNumbers: numAllowedLocalASNumbers }),
    ...(nextHopMode === 'Auto' ? {} : { nextHopMode }),
    ...(one.keepOriginalNextHop === true ? { keepOriginalNextHop: true } : {}),
    ...(one.families === undefined
      ? {}
      : { families: one.families.map((family) => (family === 'IPv4' ? 4 : 6)).sort() }),
    ...(addPath === undefined ? {} : pathsOf(addPath)),
    ...(one.maxPrefix === undefined ? {} : { maxPrefix: one.maxPrefix }),
    ...(one.prefixLimit === undefined ? {} : { prefixLimit: one.prefixLimit }),
    ...(one.enforceFirstAS === true ? { enforceFirstAs: true } : {}),
    ...(one.gracefulShutdown === true ? { gracefulShutdown: true } : {}),
    ...(privateAS === 'Keep' ? {} : { privateAs: privateAS === 'Remove' ? 'remove' : 'replace' }),
  };
}

/** Neither direction: as if it was not given. */
function pathsOf({ receive, send }: NonNullable<Spec['addPath']>): Options {
  const told = {
    ...(receive === true ? { receive: true as const } : {}),
    ...(send === undefined ? {} : { send }),
  };
  return Object.keys(told).length === 0 ? {} : { addPath: told };
}
