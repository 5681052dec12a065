/** Policies in words, for people. */
import { formatPrefix } from '../lib/net.ts';
import type { Direction, IcmpMatch, PortMatch } from '../model/policy.ts';
import { formatSelector, type Selector } from '../model/selector.ts';
import {
  accountLabel,
  accountPrefix,
  namespaceLabel,
  namespaceNameLabel,
  namespacePrefix,
  orchestratorLabel,
} from './labels.ts';
import type { Entity, Rule } from './policy.ts';
import { withoutPrefix } from './selectors.ts';

const protocolNames: Readonly<Record<number, string>> = {
  1: 'ICMP',
  6: 'TCP',
  17: 'UDP',
  58: 'ICMPv6',
  132: 'SCTP',
  136: 'UDPLite',
};

export const protocolWord = (protocol: number): string => protocolNames[protocol] ?? `protocol ${protocol}`;

/** IANA number of a name in any case, or of digits up to 255. */
export function protocolNumber(text: string): number | undefined {
  const named = Object.entries(protocolNames).find(([, name]) => name.toLowerCase() === text.toLowerCase());
  if (named !== undefined) return Number(named[0]);
  return /^\d{1,3}$/.test(text) && Number(text) <= 255 ? Number(text) : undefined;
}

const portWord = (port: PortMatch): string =>
  'name' in port ? port.name : port.first === port.last ? `${port.first}` : `${port.first}-${port.last}`;

const portWords = (ports: readonly PortMatch[]): string => ports.map(portWord).join(', ');

const icmpWord = ({ type, code }: IcmpMatch): string =>
  `type ${type}${code === undefined ? '' : ` code ${code}`}`;

/** What of a conjunction says where something lives, and what is left. */
function placeOf(parts: readonly Selector[]): { readonly place: string; readonly rest: readonly Selector[] } {
  const words: string[] = [];
  const rest: Selector[] = [];
  for (const part of parts) {
    const word = placeWord(part);
    if (word === undefined) rest.push(part);
    else if (word !== '') words.push(word);
  }
  const known = parts.some((part) => part.kind === 'has' && part.key === namespaceNameLabel);
  return { place: words.length === 0 && known ? 'in any namespace' : words.join(' and '), rest };
}

/** Undefined: it says something else; empty: it needs no word. */
function placeWord(part: Selector): string | undefined {
  if (part.kind === 'equals' && part.key === namespaceLabel) return `in namespace ${part.value}`;
  if (part.kind === 'has' && part.key === namespaceLabel) return 'in any namespace';
  if (part.kind === 'not' && part.of.kind === 'has' && part.of.key === namespaceLabel)
    return 'in no namespace';
  if (part.kind === 'has' && part.key === namespaceNameLabel) return '';
  if (part.kind === 'equals' && part.key === orchestratorLabel) return '';
  if (part.kind === 'in' && part.key === accountLabel)
    return `as service account ${part.values.join(' or ')}`;
  const ofNamespace = withoutPrefix(namespacePrefix, part);
  if (ofNamespace !== undefined) return `in namespaces with ${formatSelector(ofNamespace)}`;
  const ofAccount = withoutPrefix(accountPrefix, part);
  return ofAccount === undefined ? undefined : `as service accounts with ${formatSelector(ofAccount)}`;
}

/** "pods in namespace shop with app == "web"", "everything in any namespace". */
export function selectorWords(selector: Selector): string {
  const parts = selector.kind === 'and' ? selector.of : [selector];
  const arePods = parts.some((part) => part.kind === 'equals' && part.key === orchestratorLabel);
  const { place, rest } = placeOf(parts.filter(({ kind }) => kind !== 'all'));
  const labels = rest.map(formatSelector).join(' && ');
  return [arePods ? 'pods' : 'endpoints', place, labels === '' ? '' : `with ${labels}`]
    .filter((word) => word !== '')
    .join(' ');
}

function entityWords({ nets, notNets, selector, notSelector, service, nodes }: Entity): string {
  const words = [
    selector === undefined ? '' : selectorWords(selector),
    nets === undefined ? '' : nets.map(formatPrefix).join(', '),
    service === undefined ? '' : `the backends of Service ${service.namespace}/${service.name}`,
    nodes === undefined ? '' : nodes.kind === 'all' ? 'nodes' : `nodes with ${formatSelector(nodes)}`,
    notNets === undefined ? '' : `except ${notNets.map(formatPrefix).join(', ')}`,
    notSelector === undefined ? '' : `except ${selectorWords(notSelector)}`,
  ].filter((word) => word !== '');
  const said = words.join(' ');
  return said.startsWith('except') ? `anyone ${said}` : said;
}

function trafficWords(rule: Rule): string {
  const { version, protocol, notProtocol, icmp, notIcmp, destination } = rule;
  const ports = destination.ports ?? [];
  const words = [
    version === undefined ? '' : `IPv${version}`,
    protocol === undefined ? '' : protocolWord(protocol),
    notProtocol === undefined ? '' : `everything but ${protocolWord(notProtocol)}`,
    icmp === undefined ? '' : icmpWord(icmp),
    notIcmp === undefined ? '' : `but ${icmpWord(notIcmp)}`,
    ports.length === 0 ? '' : `${protocol === undefined ? 'port ' : ''}${portWords(ports)}`,
    destination.notPorts === undefined ? '' : `but port ${portWords(destination.notPorts)}`,
  ].filter((word) => word !== '');
  return words.length === 0 ? 'everything' : words.join(' ');
}

const sourcePortWords = ({ ports, notPorts }: Entity): string =>
  `${ports === undefined ? '' : ` from port ${portWords(ports)}`}${notPorts === undefined ? '' : ` from ports but ${portWords(notPorts)}`}`;

const verbs = { Allow: 'allow', Deny: 'deny', Pass: 'pass', Log: 'log' } as const;

/** "allow TCP 80, 443 from pods in namespace shop with app == "web"". */
export function ruleWords(rule: Rule, direction: Direction): string {
  const [far, near] =
    direction === 'Ingress' ? [rule.source, rule.destination] : [rule.destination, rule.source];
  const [toward, back] = direction === 'Ingress' ? ['from', 'to'] : ['to', 'from'];
  const remote = entityWords(far);
  const own = entityWords(near);
  return `${verbs[rule.action]} ${trafficWords(rule)}${sourcePortWords(rule.source)} ${toward} ${remote === '' ? 'anyone' : remote}${own === '' ? '' : ` ${back} ${own}`}`;
}
