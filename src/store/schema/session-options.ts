/** How a BGPPeer's sessions are spoken: the fields that Calico lacks, each with what the API server can check of it. */
import type { z } from 'zod';
import { err, ok, type Result } from '../../lib/result.ts';
import { type PeerBfd, type PrefixMaximum, peerRoles } from '../../model/bgp-peer.ts';
import { type Rule, withRules } from './cel.ts';
import { duration, flag, list, maybe, oneOf, seconds, wholeNumber } from './fields.ts';
import { describe, type Wrong } from './flaw.ts';
import { check, field, strict } from './read.ts';

/** What the 16 bits of the Hold Time field can say (RFC 4271 §4.2). */
const longestHold = 65535;
/** What the 24 bits of RFC 9494 §3 can say. */
const longestStale = 16777215;
const mostPrefixes = 4294967295;

const prefixes = wholeNumber('a number of prefixes', 1, mostPrefixes);

const maximum = strict({
  limit: prefixes.describe('The most prefixes the peer may have told at one time.'),
  warnPercent: maybe(
    wholeNumber('a share', 1, 100).describe('A warning is given from this share of it on; 80 if absent.'),
  ),
  action: maybe(
    oneOf('Cease', 'Discard', 'Warn').describe(
      'Above it: end the session, take no more of them, or only say so; Cease if absent.',
    ),
  ),
  restartAfter: maybe(
    seconds(1, longestHold).describe(
      'Of Cease: the session is tried again after so long; if absent, when someone resets it.',
    ),
  ),
});

function maximumOf(given: z.output<typeof maximum>): PrefixMaximum {
  const { limit, warnPercent = 80, action = 'Cease', restartAfter } = given;
  const words = { Cease: 'cease', Discard: 'discard', Warn: 'warn' } as const;
  return {
    most: limit,
    warnPercent,
    action: words[action],
    ...(restartAfter === undefined ? {} : { restartMs: restartAfter }),
  };
}

const restartRule: Rule = {
  rule: "!has(self.restartAfter) || !has(self.action) || self.action == 'Cease'",
  message: 'restartAfter goes with the action Cease',
};

const prefixMaximum = withRules(
  maximum
    .superRefine(
      check(({ action = 'Cease', restartAfter }) =>
        restartAfter !== undefined && action !== 'Cease'
          ? {
              at: ['restartAfter'],
              wrong: { what: 'goes with the action Cease.', fix: 'Remove it, or write action: Cease.' },
            }
          : undefined,
      ),
    )
    .transform(maximumOf),
  [restartRule],
);

/** A number of paths, or All. */
const paths = field(
  (json): Result<number | 'all', Wrong> => {
    if (json === 'All') return ok('all');
    return typeof json === 'number' && Number.isInteger(json) && json >= 1 && json <= 255
      ? ok(json)
      : err({
          what: `must be a number of paths from 1 to 255, or All, but is ${describe(json)}.`,
          fix: 'Write for example 2, or All.',
        });
  },
  { 'x-kubernetes-int-or-string': true, minimum: 1, maximum: 255, pattern: '^All$' },
);

const bfd = strict({
  minimumSendInterval: maybe(
    duration('10ms', '60s').describe('The least time between two packets we send; 300ms if absent.'),
  ),
  minimumRecvInterval: maybe(
    duration('10ms', '60s').describe('The least time between two packets we ask for; 300ms if absent.'),
  ),
  multiplier: maybe(
    wholeNumber('a number of packets', 1, 255).describe(
      'So many packets in a row must be missing until the other side takes us for gone; 3 if absent.',
    ),
  ),
  multihop: maybe(flag.describe('The peer is more than one hop away (RFC 5883).')),
  strict: maybe(flag.describe('The session does not come up before BFD does.')),
});

/** Fields of BGPPeer.spec. */
export const sessionFields = {
  holdTime: maybe(
    seconds(0, longestHold).describe(
      'The hold time asked for: 0s for none, or 3s and more; three times keepaliveTime, or 90s, if absent.',
    ),
  ),
  connectRetry: maybe(
    seconds(1, longestHold).describe('Time between two attempts to connect; 5s if absent.'),
  ),
  connectMode: maybe(
    oneOf('Both', 'Passive', 'Active').describe('Passive: the peer is never dialled. Active: never let in.'),
  ),
  families: maybe(
    list(oneOf('IPv4', 'IPv6'))
      .describe('What the session carries; what the node has an address of if absent.')
      .meta({ minItems: 1, maxItems: 2 }),
  ),
  role: maybe(oneOf(...peerRoles).describe('What this node is to the peer (RFC 9234).')),
  roleStrict: maybe(flag.describe('No session with a peer that does not say its own role.')),
  addPath: maybe(
    strict({
      receive: maybe(flag.describe('The peer may tell several paths of a prefix.')),
      send: maybe(paths.describe('So many paths of a prefix are told to the peer, the best first; or All.')),
    }).describe('Several paths of one prefix (RFC 7911).'),
  ),
  maxPrefix: maybe(
    strict({ ipv4: maybe(prefixMaximum), ipv6: maybe(prefixMaximum) }).describe(
      'How much the peer may tell, by IP version.',
    ),
  ),
  prefixLimit: maybe(
    strict({ ipv4: maybe(prefixes), ipv6: maybe(prefixes) }).describe(
      'How many prefixes are told to the peer at most, by IP version.',
    ),
  ),
  restartMode: maybe(
    oneOf('GracefulRestart', 'GracefulRestartNotification', 'LongLivedGracefulRestart').describe(
      'GracefulRestartNotification: routes are kept after a NOTIFICATION or silence too (RFC 8538). LongLivedGracefulRestart: so too, and as a last resort beyond maxRestartTime (RFC 9494).',
    ),
  ),
  longLivedStaleTime: maybe(
    seconds(1, longestStale).describe('Of LongLivedGracefulRestart: for how long; 1h if absent.'),
  ),
  enforceFirstAS: maybe(
    flag.describe('Of an external peer no route is taken whose AS path does not begin with its own AS.'),
  ),
  gracefulShutdown: maybe(
    flag.describe(
      'The session is about to be shut down: all routes of it become the last choice (RFC 8326).',
    ),
  ),
  privateAS: maybe(
    oneOf('Keep', 'Remove', 'Replace').describe('Private AS numbers in paths told to a peer of another AS.'),
  ),
  failureDetectionMode: maybe(
    oneOf('None', 'BFDIfDirectlyConnected').describe(
      'BFDIfDirectlyConnected: BFD where the peer is on a network of the node.',
    ),
  ),
  bfd: maybe(bfd.describe('Bidirectional Forwarding Detection (RFC 5880), by these times.')),
} as const;

interface Given {
  readonly keepaliveTime?: number;
  readonly holdTime?: number;
  readonly roleStrict?: boolean;
  readonly role?: string;
  readonly families?: readonly string[];
  readonly restartMode?: string;
  readonly longLivedStaleTime?: number;
  readonly failureDetectionMode?: string;
  readonly bfd?: z.output<typeof bfd>;
}

type Misplaced = { readonly at: readonly string[]; readonly wrong: Wrong };
const misplaced = (field: string, what: string, fix: string): Misplaced => ({
  at: [field],
  wrong: { what, fix },
});

/** By field: what is wrong, what to do; and the same as a rule of the API server. */
const flaws: readonly {
  readonly isIn: (given: Given) => boolean;
  readonly flaw: Misplaced;
  /** Absent: its schema says so. */
  readonly rule?: Rule;
}[] = [
  {
    isIn: ({ holdTime = 0 }) => holdTime > 0 && holdTime < 3000,
    flaw: misplaced('holdTime', 'must be 0s, or 3s and more (RFC 4271).', 'Write for example 9s.'),
    rule: {
      rule: "!has(self.holdTime) || !(self.holdTime in ['1s', '2s'])",
      message: 'holdTime must be 0s, or 3s and more',
    },
  },
  {
    isIn: ({ roleStrict, role }) => roleStrict === true && role === undefined,
    flaw: misplaced('roleStrict', 'goes with a role.', 'Give role, or remove roleStrict.'),
    rule: {
      rule: '!has(self.roleStrict) || !self.roleStrict || has(self.role)',
      message: 'roleStrict goes with a role: give role, or remove it',
    },
  },
  {
    isIn: ({ families }) => families !== undefined && new Set(families).size !== families.length,
    flaw: misplaced('families', 'names one of the two twice.', 'Write [IPv4], [IPv6] or [IPv4, IPv6].'),
    rule: {
      rule: '!has(self.families) || self.families.size() < 2 || self.families[0] != self.families[1]',
      message: 'families must not name one of the two twice',
    },
  },
  {
    isIn: ({ families }) => families?.length === 0,
    flaw: misplaced('families', 'names no IP version.', 'Write [IPv4], [IPv6] or [IPv4, IPv6].'),
  },
  {
    isIn: ({ longLivedStaleTime, restartMode }) =>
      longLivedStaleTime !== undefined && restartMode !== 'LongLivedGracefulRestart',
    flaw: misplaced(
      'longLivedStaleTime',
      'goes with the restartMode LongLivedGracefulRestart.',
      'Write restartMode: LongLivedGracefulRestart, or remove it.',
    ),
    rule: {
      rule: "!has(self.longLivedStaleTime) || (has(self.restartMode) && self.restartMode == 'LongLivedGracefulRestart')",
      message: 'longLivedStaleTime goes with the restartMode LongLivedGracefulRestart',
    },
  },
  {
    isIn: ({ failureDetectionMode, bfd: given }) => failureDetectionMode === 'None' && given !== undefined,
    flaw: misplaced(
      'bfd',
      'cannot stand next to failureDetectionMode None.',
      'Remove one of the two; bfd alone turns it on.',
    ),
    rule: {
      rule: "!has(self.bfd) || !has(self.failureDetectionMode) || self.failureDetectionMode != 'None'",
      message: 'bfd cannot stand next to failureDetectionMode None: remove one of the two',
    },
  },
  {
    isIn: ({ failureDetectionMode, bfd: given }) =>
      failureDetectionMode === 'BFDIfDirectlyConnected' && given?.multihop === true,
    flaw: misplaced(
      'bfd',
      'cannot be multihop with failureDetectionMode BFDIfDirectlyConnected.',
      'Remove failureDetectionMode: bfd alone turns it on.',
    ),
    rule: {
      rule: "!has(self.bfd) || !has(self.bfd.multihop) || !self.bfd.multihop || !has(self.failureDetectionMode) || self.failureDetectionMode != 'BFDIfDirectlyConnected'",
      message: 'bfd cannot be multihop with failureDetectionMode BFDIfDirectlyConnected',
    },
  },
];

export const sessionFlaw = (given: Given): Misplaced | undefined =>
  flaws.find(({ isIn }) => isIn(given))?.flaw;
export const sessionRules: readonly Rule[] = flaws.flatMap(({ rule }) => rule ?? []);

/** What Calico Enterprise and others start with. */
const usualIntervalMs = 300;
const usualMultiplier = 3;

export function bfdOf({ failureDetectionMode, bfd: given }: Given): PeerBfd | undefined {
  const ifConnected = failureDetectionMode === 'BFDIfDirectlyConnected';
  if (given === undefined && !ifConnected) return undefined;
  const { minimumSendInterval, minimumRecvInterval, multiplier, multihop, strict: isStrict } = given ?? {};
  return {
    minTxMs: minimumSendInterval ?? usualIntervalMs,
    minRxMs: minimumRecvInterval ?? usualIntervalMs,
    multiplier: multiplier ?? usualMultiplier,
    ...(multihop === true ? { isMultihop: true } : {}),
    ...(isStrict === true ? { isStrict: true } : {}),
    ...(ifConnected ? { ifConnected } : {}),
  };
}
