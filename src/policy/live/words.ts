/** What a probe and the kernel's trace of it say, in words: beside the answer of `why`, whose words for rules are used. */
import type { IcmpError, ProbeOutcome, TraceDecision, TraceStep } from '../../model/live.ts';
import type { Answer } from '../why.ts';
import { agreementOf, type Fate, fateOf, type Half, type Live } from './fate.ts';

/** IANA's words. RFC 792, RFC 1812 §5.2.7.1; RFC 4443 §3. */
const icmpWords: Readonly<Record<4 | 6, Readonly<Record<string, string>>>> = {
  4: {
    '3 0': 'network unreachable',
    '3 1': 'host unreachable',
    '3 2': 'protocol unreachable',
    '3 3': 'port unreachable',
    '3 4': 'fragmentation needed',
    '3 9': 'network administratively prohibited',
    '3 10': 'host administratively prohibited',
    '3 13': 'communication administratively prohibited',
    '11 0': 'time to live exceeded',
  },
  6: {
    '1 0': 'no route to destination',
    '1 1': 'administratively prohibited',
    '1 2': 'beyond scope of source address',
    '1 3': 'address unreachable',
    '1 4': 'port unreachable',
    '1 5': 'source address failed policy',
    '1 6': 'reject route to destination',
    '2 0': 'packet too big',
    '3 0': 'hop limit exceeded',
  },
};

const icmpText = ({ from, type, code }: IcmpError, version: 4 | 6): string =>
  `ICMP ${icmpWords[version][`${type} ${code}`] ?? `type ${type} code ${code}`} from ${from}`;

function outcomeWords({ kind, afterMs, icmp, why }: ProbeOutcome, answer: Answer): string {
  const { version, protocol } = answer;
  switch (kind) {
    case 'connected':
      return `connected in ${afterMs} ms, and closed at once`;
    case 'answered':
      return `answered in ${afterMs} ms`;
    case 'refused':
      return icmp === undefined
        ? `refused in ${afterMs} ms by a reset: something answers at the destination, and nothing listens on the port`
        : `refused in ${afterMs} ms: ${icmpText(icmp, version)}`;
    case 'silent':
      return `no answer within ${Math.round(afterMs / 100) / 10} s${protocol === 17 ? ', which says nothing of UDP' : ''}`;
    case 'error':
      return icmp === undefined ? `not sent on: ${why ?? 'an error'}` : icmpText(icmp, version);
    case 'unsent':
      return `a packet filter of the source's own host did not let it out (${why ?? 'EPERM'})`;
  }
}

const verbs = { Allow: 'allowed', Deny: 'denied', Pass: 'passed on', Log: 'logged' } as const;

/** "GlobalNetworkPolicy no-dns egress rule 1 in tier default", as the static answer names it. */
function decisionWords({ direction, tier, policy, rule, asked = [] }: TraceDecision): string {
  if (policy === undefined && tier === undefined) return `no profile allows it (${direction.toLowerCase()})`;
  if (policy === undefined)
    return `no ${direction.toLowerCase()} rule matched; isolated in tier ${tier} by ${asked.join(', ')}`;
  const where = tier === undefined ? '' : ` in tier ${tier}`;
  return `${policy} ${direction.toLowerCase()}${rule === undefined ? '' : ` rule ${rule}`}${where}`;
}

const placeWords = ({ family, table, chain, handle }: TraceStep): string =>
  `table ${family} ${table} chain ${chain}${handle === undefined ? '' : ` rule handle ${handle}`}`;

/** What stands there, as far as it is known. */
const saidBy = ({ text, comment }: TraceStep): string =>
  text === undefined ? (comment === undefined ? '' : ` (${comment})`) : `: ${text}`;

/** Who dropped it: "by …", "in table …, which is not Tortie's". */
function dropWords(step: TraceStep): string {
  const { decision } = step;
  if (decision !== undefined)
    return `${decision.policy === undefined ? 'as' : 'by'} ${decisionWords(decision)}`;
  const place = step.type === 'policy' ? `${placeWords(step)} (its policy)` : placeWords(step);
  if (!step.own) return `in ${place}, which is not Tortie's`;
  return `in ${place}${saidBy(step)}`;
}

const fateWords = (fate: Fate, live: Live, answer: Answer): string => {
  const heard = live.outcome === undefined ? '' : outcomeWords(live.outcome, answer);
  switch (fate.kind) {
    case 'dropped':
      return `the kernel of ${fate.node} dropped ${fate.step.way === 'back' ? 'the answer' : 'it'} ${dropWords(fate.step)}`;
    case 'unseen':
      return `it never came to ${fate.node}: ${heard}`;
    case 'lost':
      return `it left ${fate.from} and never came to ${fate.to}: lost on the way, or translated there`;
    case 'passed':
      return live.outcome?.kind === 'error'
        ? `nothing dropped it, but: ${heard}`
        : 'the kernel let it through';
    case 'unknown':
      return heard;
  }
};

/** Behind the verdict, in the first line. */
export function liveVerdict(answer: Answer, live: Live): string {
  const { allowed } = answer.verdict;
  const said = allowed ? 'ALLOWED' : 'DENIED';
  if (live.isPassedOver === true) return `${said}; live: another backend was tried`;
  if (live.untried !== undefined) return `${said}; live: nothing was tried`;
  const fate = fateOf(live);
  const words = fateWords(fate, live, answer);
  switch (agreementOf(allowed, live)) {
    case 'agrees':
      return `${said}, and ${fate.kind === 'unknown' ? `so it looks: ${words}` : words}`;
    case 'differs':
      return `${said} by policy, BUT ${words}`;
    case 'unknown':
      return `${said}; live: not known: ${words}`;
  }
}

/** @param whole  with every step */
export function liveLines(answer: Answer, live: Live, whole: boolean): readonly string[] {
  if (live.untried !== undefined) return [`  live: ${live.untried}`];
  const { outcome, mark, halves } = live;
  return [
    ...(outcome === undefined ? [] : [`  live: a probe ${mark ?? ''}: ${outcomeWords(outcome, answer)}`]),
    ...(live.service === undefined ? [] : [`  live: ${live.service}`]),
    ...otherRule(answer, fateOf(live)),
    ...halves.flatMap((half) => halfLines(half, whole)),
  ];
}

/** Both deny, for different reasons. */
function otherRule({ verdict }: Answer, fate: Fate): readonly string[] {
  const decision = fate.kind === 'dropped' ? fate.step.decision : undefined;
  if (verdict.allowed || decision === undefined) return [];
  const isSame = verdict.judgements.some(({ allowed, because }) => {
    if (allowed) return false;
    if (because.kind === 'rule')
      return because.policy.id === decision.policy && because.rule.number === decision.rule;
    return because.kind !== 'unmatched' || (decision.policy === undefined && decision.tier === because.tier);
  });
  return isSame ? [] : ['  live: policy names another rule than the kernel: see that felix is in sync there'];
}

const ends = { source: 'source', destination: 'destination', both: 'source and destination' } as const;

function halfLines({ node, end, report, missing }: Half, whole: boolean): readonly string[] {
  const head = `  trace on ${node} (${ends[end]})`;
  if (report === undefined) return [`${head}: missing. ${missing ?? ''}`.trimEnd()];
  const { there, back } = report.packets;
  if (there + back === 0) return [`${head}: no packet of it came by`];
  const lines = whole ? wholeLines(report.steps) : matteringLines(report.steps);
  return [
    `${head}: ${count(there, 'packet')}, ${count(back, 'answer')}, ${count(report.steps.length, 'step')}`,
    ...lines.map((line) => `    ${line}`),
    ...(report.cut ? ['    and more than could be kept'] : []),
  ];
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;

const countedWords = ({ packetsBefore: before, packetsAfter: after }: TraceStep): string =>
  after === undefined ? '' : ` (packets ${before === undefined ? after : `${before} → ${after}`})`;

/** Of the first packet each way: of those that are sent again the same is told. */
function matteringLines(steps: readonly TraceStep[]): readonly string[] {
  return (['there', 'back'] as const).flatMap((way) => {
    const [first] = steps.filter((step) => step.way === way);
    const own = steps.filter(({ packet }) => packet === first?.packet);
    const lines = own.flatMap((step, index) => [...translatedWords(own, index), ...stepWords(step)]);
    const before = way === 'back' ? 'answer: ' : '';
    return [...lines, ...(way === 'there' ? endWords(own) : [])].map((line) => before + line);
  });
}

/** A base chain sees other addresses than the one before it. */
function translatedWords(steps: readonly TraceStep[], index: number): readonly string[] {
  const now = steps[index]?.head;
  const last = steps.slice(0, index).findLast(({ head }) => head !== undefined)?.head;
  if (now === undefined || last === undefined) return [];
  const at = (address: string, port: number | undefined): string =>
    port === undefined ? address : `${address} port ${port}`;
  return (['source', 'destination'] as const).flatMap((side) => {
    const [was, is] = [last, now].map((head) => at(head[side], head[`${side}Port`]));
    return was === is ? [] : [`${side} translated: ${was} is now ${is}`];
  });
}

const lasting: readonly string[] = ['drop', 'accept', 'queue', 'stolen'];

function stepWords(step: TraceStep): readonly string[] {
  const { decision, own, type, verdict } = step;
  // A rule that reports a packet stands before the one that drops it, for the same.
  if (decision !== undefined && (verdict !== 'continue' || decision.action === 'Log'))
    return [`${verbs[decision.action]}: ${decisionWords(decision)}${countedWords(step)}`];
  if (verdict === 'drop')
    return [`dropped: ${dropWords(step).replace(/^in /, '')}${own ? countedWords(step) : saidBy(step)}`];
  if (own || type !== 'rule' || !lasting.includes(verdict)) return [];
  return [`${verdict}: ${placeWords(step)}${saidBy(step)}`];
}

/** Where it went in the end, if nothing dropped it. */
function endWords(steps: readonly TraceStep[]): readonly string[] {
  if (steps.length === 0 || steps.some(({ verdict }) => verdict === 'drop')) return [];
  const last = steps.findLast(({ head }) => head !== undefined);
  return [last?.out === undefined ? 'let through to this host' : `let through, out by ${last.out}`];
}

function wholeLines(steps: readonly TraceStep[]): readonly string[] {
  return steps.flatMap((step, index) => {
    const isNew = steps[index - 1]?.packet !== step.packet;
    const line = `  ${wholeLine(step)}`;
    return isNew ? [`packet ${step.packet}${step.way === 'back' ? ', an answer' : ''}`, line] : [line];
  });
}

/** "table inet tortie chain from-pods rule handle 12 [forward 0] in cali… out eth0: accept (…) (packets 3 → 4)". */
function wholeLine(step: TraceStep): string {
  const { type, verdict, target, hook, priority = 0, head, decision, text } = step;
  const place = hook === undefined ? '' : ` [${hook} ${priority}]`;
  const links = head === undefined ? '' : linkWords(step);
  const does = [type === 'rule' ? '' : type, verdict, target ?? ''].filter((word) => word !== '').join(' ');
  const what = decision === undefined ? saidBy(step) : ` (${decisionWords(decision)})`;
  return `${placeWords(step)}${place}${links}: ${does}${what}${text === undefined ? countedWords(step) : ''}`;
}

const linkWords = (step: TraceStep): string =>
  `${step.in === undefined ? '' : ` in ${step.in}`}${step.out === undefined ? '' : ` out ${step.out}`}`;
