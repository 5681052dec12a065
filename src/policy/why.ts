/** Why a connection is allowed or denied: a question in a person's words, the oracle's answer, and that answer in words. */
import { type Address, formatAddress, type IpVersion, versionOf } from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Pod } from '../model/resource.ts';
import type { Cluster } from './cluster.ts';
import type { Connection } from './connection.ts';
import { protocolNumbers } from './convert/ports.ts';
import type { Judgement, Reason, TierLook } from './judgement.ts';
import { connectionOf } from './meet.ts';
import { type Dialled, dialledBy, nameOfService } from './service.ts';
import { type Nobody, type Through, through } from './through.ts';
import { pendingVerdict, type Verdict, verdict } from './verdict.ts';
import { pairsOf, parseTarget, type Target, type Who, whoIs } from './who.ts';
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
  /** The destination was named by a Service; what is above is one of its backends. */
  readonly service?: ServiceAnswer;
}

export interface ServiceAnswer {
  /** "shop/db" */
  readonly name: string;
  /** What was dialled; absent of a headless one. */
  readonly address?: Address;
  readonly port?: number;
  readonly portName?: string;
  /** What was dialled is a NodePort: the node whose. */
  readonly nodePortOf?: string;
  /** Why no backend takes it: a sentence without its end. Then there is no destination, and nothing is judged. */
  readonly nobody?: string;
  /** This backend and those that the same is said of. */
  readonly backends: readonly AskedBackend[];
}

export interface AskedBackend {
  readonly label: string;
  readonly address: Address;
  readonly port?: number;
  /** Where it must be said. */
  readonly way?: string;
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
  const dialled = dialledBy(cluster, target.value, namespace);
  if (!dialled.ok) return dialled;
  if (dialled.value !== undefined) return serviceAnswers(cluster, sources.value, dialled.value);
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

/** Each Service's port from each source; backends of which the same is said are one answer. */
function serviceAnswers(
  cluster: Cluster,
  sources: readonly Who[],
  dialled: readonly Dialled[],
): Result<readonly Answer[]> {
  const answers = sources.flatMap((from) =>
    dialled.flatMap((one) =>
      alike(through(cluster, from, one).map((each) => serviceAnswer(cluster, from, one, each))),
    ),
  );
  const [first] = dialled;
  return answers.length > 0 || first === undefined
    ? ok(answers)
    : err(
        `No source has an address of a family that Service ${nameOfService(first.service)} has, so no packet goes there.`,
      );
}

function serviceAnswer(cluster: Cluster, from: Who, dialled: Dialled, one: Through | Nobody): Answer {
  const { version, protocol, address, port, portName, at: nodePortOf } = dialled;
  const asked = {
    name: nameOfService(dialled.service),
    ...(address === undefined ? {} : { address }),
    ...(port === undefined ? {} : { port }),
    ...(portName === undefined ? {} : { portName }),
    ...(nodePortOf === undefined ? {} : { nodePortOf }),
  };
  const common = { from: from.label, version, source: one.source, protocol, anyPort: false };
  if ('nobody' in one)
    return {
      ...common,
      to: `Service ${asked.name}`,
      destination: address ?? one.source,
      ...(port === undefined ? {} : { port }),
      verdict: { allowed: false, egress: true, ingress: true, judgements: [] },
      service: { ...asked, nobody: one.nobody, backends: [] },
    };
  const { backend, destination, way, verdict: now, pending } = one;
  const at = one.port ?? unnamedPort(cluster);
  return {
    ...common,
    to: backend.label,
    destination,
    port: at,
    anyPort: one.port === undefined,
    verdict: now,
    ...(pending.allowed === now.allowed ? {} : { pending }),
    service: {
      ...asked,
      backends: [
        { label: backend.label, address: destination, port: at, ...(way === undefined ? {} : { way }) },
      ],
    },
  };
}

function alike(answers: readonly Answer[]): readonly Answer[] {
  const groups = new Map<string, Answer>();
  for (const one of answers) {
    const key = JSON.stringify([one.port, said(one.verdict), one.pending && said(one.pending)]);
    const first = groups.get(key);
    if (first?.service === undefined || one.service === undefined) groups.set(key, one);
    else
      groups.set(key, {
        ...first,
        service: { ...first.service, backends: [...first.service.backends, ...one.service.backends] },
      });
  }
  return [...groups.values()];
}

/** Without whose end it is. */
const said = ({ judgements }: Verdict): readonly string[] =>
  judgements.map((judgement) =>
    [
      judgement.direction,
      judgement.moment,
      judgement.allowed,
      reasonWords(judgement.because, judgement),
    ].join(),
  );

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
  const { from, to, source, destination, verdict: said, pending, service } = answer;
  if (service?.nobody !== undefined)
    return [
      `${labelled(from, source)} → ${serviceWords(answer, service)}: NO BACKEND`,
      `  ${service.nobody}: the connection is not answered, whatever policy says`,
    ];
  const via = service === undefined ? '' : ` → ${serviceWords(answer, service)}`;
  return [
    `${labelled(from, source)}${via} → ${labelled(to, destination)} ${trafficWords(answer)}: ${said.allowed ? 'ALLOWED' : 'DENIED'}`,
    ...(service === undefined ? [] : backendLines(service, whole)),
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

const labelled = (label: string, address: Address): string =>
  label.includes(formatAddress(address)) ? label : `${label} (${formatAddress(address)})`;

const serviceWords = ({ protocol }: Answer, { name, address, port, nodePortOf }: ServiceAnswer): string =>
  [
    address === undefined
      ? `headless Service ${name}`
      : `${nodePortOf === undefined ? '' : `NodePort of node ${nodePortOf}: `}Service ${name} (${formatAddress(address)})`,
    ...(port === undefined ? [] : [`${protocolWord(protocol)} ${port}`]),
  ].join(' ');

const mostNamed = 5;

/** The way of the first, and who else it is true of. */
function backendLines({ backends: [first, ...others] }: ServiceAnswer, whole: boolean): readonly string[] {
  const named = (whole ? others : others.slice(0, mostNamed)).map(
    ({ label, address, way }) => `${labelled(label, address)}${way === undefined ? '' : ` ${way}`}`,
  );
  const more = others.length - named.length;
  return [
    ...(first?.way === undefined ? [] : [`  ${first.way}`]),
    ...(named.length === 0
      ? []
      : [`  and so of ${named.join('; ')}${more === 0 ? '' : `; and ${more} more (-o wide)`}`]),
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
