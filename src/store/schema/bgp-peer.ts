/** projectcalico.org/v3 BGPPeer. Strict; Calico's fields that this version lacks are refused by name. */
import { type Address, contains, hostPrefix, type Prefix, parsePrefix } from '../../lib/net.ts';
import { ok, type Result } from '../../lib/result.ts';
import type { BgpPeer, Meta } from '../../model/resource.ts';
import { asNumber, parseAddressField } from './addresses.ts';
import { withRules } from './cel.ts';
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
import { check, field, manifest, read, strict, unsupported } from './read.ts';
import { secretKey } from './secret-key.ts';

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
  ['fe80::/10', 'link-local peers are not supported in this version'],
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

interface NextHop {
  readonly keepOriginalNextHop?: boolean;
  readonly nextHopMode?: string;
}

const nextHopFlaw = ({ keepOriginalNextHop, nextHopMode = 'Auto' }: NextHop) =>
  keepOriginalNextHop === true && nextHopMode !== 'Auto'
    ? {
        at: ['keepOriginalNextHop'],
        wrong: { what: 'cannot stand next to nextHopMode.', fix: 'Keep nextHopMode.' },
      }
    : undefined;

export const bgpPeerSchema = manifest(
  withRules(
    strict({
      node: maybe(
        textOrAbsent.describe('The node that has this peer; neither this nor nodeSelector: all have.'),
      ),
      nodeSelector: maybe(selectorOrAbsent.describe('The nodes that have this peer, by their labels.')),
      peerIP: withRules(
        field(parseEndpoint, { type: 'string', minLength: 2 }).describe(
          'Address of the peer, with a port if it is not 179: 10.0.0.1, 10.0.0.1:1790, fd00::1 or [fd00::1]:1790.',
        ),
        [
          {
            rule: String.raw`isIP(self) || self.matches('^([0-9.]+|\\[[0-9a-fA-F:.]+\\]):[0-9]{1,5}$')`,
            message: 'must be an address like 10.0.0.1, 10.0.0.1:1790, fd00::1 or [fd00::1]:1790',
          },
        ],
        { maxLength: 64 },
      ),
      asNumber: asNumber.describe('AS number of the peer, plain or as "a.b".'),
      keepaliveTime: maybe(
        seconds(1, longestKeepalive).describe(
          'Whole seconds between messages, like 30s; the hold time asked for is three times this.',
        ),
      ),
      localASNumber: maybe(asNumber.describe('Our AS number towards this peer; that of the node if absent.')),
      peerSelector: unsupported('peers are named by peerIP', ''),
      localWorkloadSelector: unsupported('peering with local workloads is not there yet', ''),
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
      reachableBy: unsupported('routes to peers are not set', ''),
      filters: maybe(
        list(text)
          .describe('BGPFilters, asked in this order before what is accepted and announced by default.')
          .meta({ maxItems: 50 }),
      ),
      reversePeering: unsupported('the other side of a peering is never made up', 'Manual'),
    })
      .superRefine(check(nextHopFlaw))
      .superRefine(
        check(({ node, nodeSelector }) =>
          node === undefined || nodeSelector === undefined
            ? undefined
            : {
                at: ['node'],
                wrong: { what: 'cannot stand next to nodeSelector.', fix: 'Keep one of the two.' },
              },
        ),
      ),
    [
      {
        rule: "!has(self.node) || self.node == '' || !has(self.nodeSelector) || self.nodeSelector == ''",
        message: 'node cannot stand next to nodeSelector: keep one of the two',
      },
      {
        rule: "!has(self.keepOriginalNextHop) || !self.keepOriginalNextHop || !has(self.nextHopMode) || self.nextHopMode == 'Auto'",
        message: 'keepOriginalNextHop cannot stand next to nextHopMode: keep nextHopMode',
      },
    ],
  ),
);

export function readBgpPeer(meta: Meta, json: unknown): Result<BgpPeer, readonly Flaw[]> {
  const parsed = read(bgpPeerSchema, json);
  if (!parsed.ok) return parsed;
  const { spec } = parsed.value;
  const { node, nodeSelector, peerIP, asNumber: peerAsn, keepaliveTime, maxRestartTime, filters = [] } = spec;
  const { password, ttlSecurity = 0 } = spec;
  return ok({
    kind: 'BGPPeer',
    meta,
    ...(node === undefined ? {} : { node }),
    ...(nodeSelector === undefined ? {} : { nodeSelector }),
    peerIp: peerIP.ip,
    ...(peerIP.port === undefined ? {} : { peerPort: peerIP.port }),
    asNumber: peerAsn,
    ...(keepaliveTime === undefined ? {} : { keepaliveTimeMs: keepaliveTime }),
    ...(maxRestartTime === undefined ? {} : { maxRestartTimeMs: maxRestartTime }),
    ...(password === undefined ? {} : { password: password.secretKeyRef }),
    ...(ttlSecurity === 0 ? {} : { ttlSecurity }),
    ...(spec.localASNumber === undefined ? {} : { localAsNumber: spec.localASNumber }),
    ...(spec.numAllowedLocalASNumbers === undefined || spec.numAllowedLocalASNumbers === 0
      ? {}
      : { numAllowedLocalAsNumbers: spec.numAllowedLocalASNumbers }),
    ...(spec.nextHopMode === undefined || spec.nextHopMode === 'Auto'
      ? {}
      : { nextHopMode: spec.nextHopMode }),
    ...(spec.keepOriginalNextHop === true ? { keepOriginalNextHop: true } : {}),
    ...(spec.sourceAddress === 'None' ? { sourceAddress: 'None' } : {}),
    filters,
  });
}
