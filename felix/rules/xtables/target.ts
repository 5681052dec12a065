/** What a rule does, in the words of iptables: its actions in order, each the target of a rule of its own. */
import { formatAddress, type IpVersion, versionOf } from '../../../src/lib/net.ts';
import type { PortRange, Statement, Verdict } from '../model.ts';
import { hex } from './match.ts';
import type { XtPlace } from './place.ts';

/** iptables keeps so much of what LOG and NFLOG say. */
const logPrefixLength = 29;
const nflogPrefixLength = 63;

export const rejectTarget: Readonly<Record<IpVersion, string>> = {
  4: '-j REJECT --reject-with icmp-admin-prohibited',
  6: '-j REJECT --reject-with icmp6-adm-prohibited',
};

export function statementTarget(statement: Statement): string {
  switch (statement.kind) {
    case 'log':
      return `-j LOG --log-prefix ${quoted(statement.prefix.slice(0, logPrefixLength))}`;
    case 'nflog':
      return `-j NFLOG --nflog-group ${statement.group} --nflog-prefix ${quoted(statement.prefix.slice(0, nflogPrefixLength))}`;
    case 'mark':
      return markTarget(statement.value, statement.mask);
    case 'notrack':
      return '-j CT --notrack';
    case 'dscp':
      return `-j DSCP --set-dscp ${statement.value}`;
    case 'clampMss':
      return statement.mss === 'route'
        ? '-p 6 --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu'
        : `-p 6 --tcp-flags SYN,RST SYN -j TCPMSS --set-mss ${statement.mss}`;
  }
}

const markTarget = (value: number, mask: number): string => `-j MARK --set-xmark ${hex(value)}/${hex(mask)}`;

export interface TargetContext {
  readonly place: Pick<XtPlace, 'table'>;
  readonly version: IpVersion;
  /** Nothing of ours comes after the chain: RETURN leaves it to the rules of others. */
  readonly isOuter: boolean;
  /**
   * REJECT is there in the table filter only. What is to be rejected in another carries this bit there, and is rejected first of
   * all. It is set nowhere else and read by nobody else. 0: there is none to spare, and it is dropped.
   */
  readonly rejectedMark: number;
  /** The name of a chain for whoever jumps there, with the word that does. */
  readonly jump: (chain: string) => string;
}

type Plain = Exclude<Verdict, { kind: 'dispatch' | 'portJump' | 'dnatMap' | 'snatMap' }>;

/** None: it cannot be in this family. */
export function verdictTargets(verdict: Plain, context: TargetContext): readonly string[] {
  switch (verdict.kind) {
    case 'accept':
      return [context.isOuter ? '-j RETURN' : '-j ACCEPT'];
    case 'drop':
      return ['-j DROP'];
    case 'reject':
      return rejectTargets(context);
    case 'return':
      return ['-j RETURN'];
    case 'jump':
      return [context.jump(verdict.chain)];
    case 'masquerade':
      return [
        ['-j MASQUERADE', portsText(verdict.ports), verdict.fullyRandom === true ? '--random-fully' : '']
          .filter((part) => part !== '')
          .join(' '),
      ];
    case 'snat': {
      if (versionOf(verdict.to) !== context.version) return [];
      const to = formatAddress(verdict.to);
      const { ports } = verdict;
      const text = ports === undefined ? '' : `:${ports.first}-${ports.last}`;
      return [`-j SNAT --to-source ${context.version === 6 && text !== '' ? `[${to}]` : to}${text}`];
    }
  }
}

function rejectTargets({ place, version, rejectedMark }: TargetContext): readonly string[] {
  if (place.table === 'filter') return [rejectTarget[version]];
  return rejectedMark === 0 ? ['-j DROP'] : [markTarget(rejectedMark, rejectedMark), '-j ACCEPT'];
}

const portsText = (ports: PortRange | undefined): string =>
  ports === undefined ? '' : `--to-ports ${ports.first}-${ports.last}`;

/** As iptables-restore reads it. */
export const quoted = (text: string): string => `"${text.replaceAll(/[^ -~]|["\\]/g, '?')}"`;
