/** Why a connection is allowed or denied: a question in a person's words, the oracle's answer, and that answer in words. */
import { type Address, formatAddress, type IpVersion, versionOf } from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Pod } from '../model/resource.ts';
import type { Cluster } from './cluster.ts';
import type { Connection, End } from './connection.ts';
import { protocolNumbers } from './convert/ports.ts';
import type { Judgement, Reason, TierLook } from './judgement.ts';
import { pendingVerdict, type Verdict, verdict } from './verdict.ts';
import { hostEndpointAt, pairsOf, parseTarget, type Target, type Who, whoIs } from './who.ts';
import { protocolWord, ruleWords } from './words.ts';

export interface Answer {
  readonly from: string;
  readonly to: string;
  readonly version: IpVersion;
  readonly source: Address;
  readonly destination: Address;
  /** IANA number. */
  readonly protocol: number;
  readonly port?: number;
  /** Nobody said which port: this one stands for those that no rule names. */
  readonly anyPort: boolean;
  readonly verdict: Verdict;
  /** Once what is staged is done; present where that would differ. */
  readonly pending?: Verdict;
}

/**
 * One answer for each pair, family and port that is meant.
 * @param namespace  of names without one. Fails: a sentence.
 */
export function why(
  cluster: Cluster,
  from: string,
  to: string,
  namespace: string,
): Result<readonly Answer[]> {
  const target = parseTarget(to);
  if (!target.ok) return target;
  const sources = whoIs(cluster, from, namespace);
  if (!sources.ok) return sources;
  const destinations = whoIs(cluster, target.value.who, namespace);
  if (!destinations.ok) return destinations;
  const answers: Answer[] = [];
  for (const source of sources.value)
    for (const destination of destinations.value) {
      const asked = askedOf(cluster, target.value, destination);
      if (!asked.ok) return asked;
      for (const pair of pairsOf(source, destination))
        answers.push(...asked.value.map((what) => answer(cluster, source, destination, pair, what)));
    }
  return answers.length === 0
    ? err(`${from} and ${target.value.who} have no address of one family, so no packet goes between them.`)
    : ok(answers);
}

interface What {
  readonly protocol: number;
  readonly port?: number;
  readonly anyPort: boolean;
}

const podOf = ({ spot }: Who): Pod | undefined => (spot?.kind === 'workload' ? spot.pod : undefined);
const isIcmp = (protocol: number): boolean => protocol === 1 || protocol === 58;
const hasPorts = (protocol: number): boolean => [6, 17, 132, 136].includes(protocol);

/** Without a port: those the destination declares; if it declares none, one that no rule names. */
function askedOf(cluster: Cluster, { port, protocol }: Target, destination: Who): Result<readonly What[]> {
  const declared = (podOf(destination)?.ports ?? []).map((each) => ({
    ...each,
    protocol: protocolNumbers[each.protocol],
  }));
  if (typeof port === 'number')
    return ok([{ protocol: protocol ?? protocolNumbers.TCP, port, anyPort: false }]);
  if (typeof port === 'string') {
    const named = declared.filter(
      (each) => each.name === port && (protocol === undefined || each.protocol === protocol),
    );
    return named.length === 0
      ? err(
          `${destination.label} has no port called ${JSON.stringify(port)}${declaredWords(declared)}. Write the number.`,
        )
      : ok(named.map((each) => ({ protocol: each.protocol, port: each.port, anyPort: false })));
  }
  if (protocol !== undefined && !hasPorts(protocol)) return ok([{ protocol, anyPort: false }]);
  const wanted = declared.filter((each) => protocol === undefined || each.protocol === protocol);
  return ok(
    wanted.length > 0
      ? wanted.map((each) => ({ protocol: each.protocol, port: each.port, anyPort: false }))
      : [{ protocol: protocol ?? protocolNumbers.TCP, port: unnamedPort(cluster), anyPort: true }],
  );
}

const declaredWords = (ports: readonly { readonly name?: string; readonly port: number }[]): string =>
  ports.length === 0
    ? ': it declares none'
    : `; it declares ${ports.map(({ name, port }) => (name === undefined ? port : `${name} (${port})`)).join(', ')}`;

/** The highest port that no rule names by itself; ranges that hold every port do not count. */
function unnamedPort({ policies }: Cluster): number {
  const named = policies
    .flatMap(({ ingress, egress }) => [...ingress, ...egress])
    .flatMap(({ destination }) => [...(destination.ports ?? []), ...(destination.notPorts ?? [])])
    .flatMap((port) => ('first' in port && port.last - port.first < 32768 ? [port] : []));
  let port = 65535;
  while (port > 1 && named.some(({ first, last }) => first <= port && port <= last)) port -= 1;
  return port;
}

function answer(
  cluster: Cluster,
  from: Who,
  to: Who,
  [source, destination]: readonly [Address, Address],
  { protocol, port, anyPort }: What,
): Answer {
  const version = versionOf(source);
  // A ping is what people mean by ICMP.
  const icmp = isIcmp(protocol) ? { icmp: { type: version === 4 ? 8 : 128, code: 0 } } : {};
  const connection: Connection = connectionOf(cluster, from, to, [source, destination], {
    protocol: isIcmp(protocol) ? (version === 4 ? 1 : 58) : protocol,
    ...(port === undefined ? {} : { port }),
    ...icmp,
  });
  const [now, pending] = [verdict(cluster, connection), pendingVerdict(cluster, connection)];
  return {
    from: from.label,
    to: to.label,
    version,
    source,
    destination,
    protocol: connection.protocol,
    ...(port === undefined ? {} : { port }),
    anyPort,
    verdict: now,
    ...(pending.allowed === now.allowed ? {} : { pending }),
  };
}

export interface Traffic {
  /** IANA number. */
  readonly protocol: number;
  readonly port?: number;
  readonly icmp?: { readonly type: number; readonly code: number };
}

const anySourcePort = 40_000;

/** A connection between these, with the host endpoints it crosses where the two are not on one node. */
export function connectionOf(
  cluster: Cluster,
  from: Who,
  to: Who,
  [source, destination]: readonly [Address, Address],
  { protocol, port, icmp }: Traffic,
): Connection {
  const [start, end] = [nodeOf(from), nodeOf(to)];
  const apart = start === undefined || start !== end;
  return {
    from: {
      ...endOf(cluster, from, source, apart),
      ...(port === undefined ? {} : { port: anySourcePort }),
    },
    to: { ...endOf(cluster, to, destination, apart), ...(port === undefined ? {} : { port }) },
    protocol,
    ...(icmp === undefined ? {} : { icmp }),
  };
}

const nodeOf = ({ spot }: Who): string | undefined =>
  spot?.kind === 'workload' ? (spot.node ?? spot.pod?.nodeName) : spot?.node;

function endOf(cluster: Cluster, who: Who, address: Address, apart: boolean): End {
  const { spot } = who;
  if (spot === undefined) return { address };
  const endpoint = apart
    ? hostEndpointAt(cluster, nodeOf(who), spot.kind === 'host' ? address : undefined)
    : undefined;
  if (endpoint === undefined) return { address, spot };
  return spot.kind === 'host' ? { address, spot: { ...spot, endpoint } } : { address, spot, via: endpoint };
}

/** "rule 2 of NetworkPolicy shop/web (tier default) allows it: allow TCP 80 from …". */
export function reasonWords(because: Reason, { direction, tiers }: Judgement): string {
  switch (because.kind) {
    case 'rule': {
      const { rule, policy, tier } = because;
      const named = rule.name === undefined ? '' : ` (${rule.name})`;
      return `${policy.id} ${direction.toLowerCase()} rule ${rule.number}${named} in tier ${tier}: ${ruleWords(rule, direction)}`;
    }
    case 'unmatched':
      return `no rule matched; isolated in tier ${because.tier} by ${because.policies.map(({ id }) => id).join(', ')}`;
    case 'profile':
      return because.rule === undefined
        ? `${tiers.length === 0 ? 'no policy selects it' : 'every tier passes it on'}: profile ${because.profile} allows`
        : `profile ${because.profile} rule ${because.rule.number}: ${ruleWords(because.rule, direction)}`;
    case 'missingProfile':
      return `it lists the profile ${because.profile}, which is not there, so everything is denied`;
    case 'noProfile':
      return 'no policy and no profile of it allows anything: a host endpoint is closed by default';
    case 'undecided':
      return 'no policy of this stage decides: later ones do';
    case 'established':
      return 'an established connection goes on';
    case 'itself':
      return 'a pod always reaches itself';
    case 'failsafe':
      return `failsafe port ${protocolWord(because.failsafe.protocol)} ${because.failsafe.port}`;
    case 'ownHost':
      return 'a host always reaches the pods it runs';
    case 'endpointToHost':
      return `defaultEndpointToHostAction is ${because.action}`;
    case 'neighbours':
      return 'IPv6 neighbour discovery with the host is always allowed';
    case 'hostNetwork':
      return 'a pod of the host network is the host: policies of pods do not apply';
    case 'unknownPod':
      return 'the pod of this endpoint is not known, so everything is denied';
  }
}

const momentWords = {
  untracked: 'doNotTrack',
  preDnat: 'preDNAT',
  normal: '',
  forward: 'applyOnForward',
} as const;

const trafficWords = ({ protocol, port, anyPort }: Answer): string =>
  `${protocolWord(protocol)}${port === undefined ? '' : anyPort ? `, a port no rule names (${port})` : ` ${port}`}`;

/** Lines; the first says the verdict. @param whole  with every tier, policy and rule that was looked at */
export function answerLines(answer: Answer, whole: boolean): readonly string[] {
  const { from, to, source, destination, verdict: said, pending } = answer;
  const at = (label: string, address: Address): string =>
    label.includes(formatAddress(address)) ? label : `${label} (${formatAddress(address)})`;
  return [
    `${at(from, source)} → ${at(to, destination)} ${trafficWords(answer)}: ${said.allowed ? 'ALLOWED' : 'DENIED'}`,
    ...(said.judgements.length === 0 ? ['  neither end is one that policy judges'] : []),
    ...said.judgements.flatMap((judgement) => judgementLines(judgement, whole)),
    ...(pending === undefined
      ? []
      : [
          `  with the staged policies it would be ${pending.allowed ? 'ALLOWED' : 'DENIED'}:`,
          ...pending.judgements.flatMap((judgement) => judgementLines(judgement, false)),
        ]),
  ];
}

function judgementLines(judgement: Judgement, whole: boolean): readonly string[] {
  const { who, direction, moment, allowed, because, tiers } = judgement;
  const stage = momentWords[moment] === '' ? '' : `, ${momentWords[moment]}`;
  const mark = because.kind === 'undecided' ? 'goes on' : allowed ? 'allowed' : 'denied';
  return [
    `  ${direction.toLowerCase()} of ${who}${stage}: ${mark}`,
    `    ${reasonWords(because, judgement)}`,
    ...(whole ? tiers.flatMap((tier) => tierLines(tier, direction)) : []),
  ];
}

const outcomes = { allow: 'allows', deny: 'denies', next: 'leaves it to what comes after' } as const;

const tierLines = (
  { tier, policies, outcome }: TierLook,
  direction: Judgement['direction'],
): readonly string[] => [
  `    tier ${tier.name} (order ${Number.isFinite(tier.order) ? tier.order : 'last'}, default ${tier.defaultAction}${tier.defined ? '' : ', not defined'}) ${outcomes[outcome]}`,
  ...policies.flatMap(({ policy, rules }) => [
    `      ${policy.id}${rules.length === 0 ? ': no rules' : ''}`,
    ...rules.map(
      ({ rule, held }) => `        ${held ? '✓' : '·'} ${rule.number}. ${ruleWords(rule, direction)}`,
    ),
  ]),
];
