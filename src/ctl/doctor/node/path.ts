/** What a packet of a pod meets on this node: forwarding, reverse path filters, MTU, connection tracking. */
import type { Finding } from '../check.ts';
import type { Link, NodeFacts } from './facts.ts';

const sysctl = (path: string, value: string): string => `/proc/sys/${path} is ${value}`;
const persist = (path: string, value: string): string =>
  `sysctl -w ${path.replaceAll('/', '.')}=${value}, and the same line in /etc/sysctl.d/90-tortie.conf; see who else sets it.`;

/** IPv4 forwards what came in by an interface that says so; ip_forward is what new ones begin with. IPv6 asks "all" first. */
export function forwarding(facts: NodeFacts): readonly Finding[] {
  const { sysctls, podPrefixes, links } = facts;
  const ways = [...uplinks(facts), ...links.filter(({ isPods }) => isPods)].map(({ name }) => name);
  const isOff = (path: string): boolean => sysctls.get(path) === '0';
  const off4 = (ways.length === 0 ? ['all'] : ways)
    .map((way) => `net/ipv4/conf/${way}/forwarding`)
    .filter(isOff);
  const all6 = 'net/ipv6/conf/all/forwarding';
  const isForced = ways.some((way) => sysctls.get(`net/ipv6/conf/${way}/force_forwarding`) === '1');
  const off6 = podPrefixes.some((prefix) => prefix.includes(':')) && isOff(all6) && !isForced ? [all6] : [];
  return [
    ...notForwarding('IPv4', off4, 'net/ipv4/ip_forward'),
    ...notForwarding('IPv6', off6, 'net/ipv6/conf/all/forwarding'),
  ];
}

function notForwarding(family: string, off: readonly string[], global: string): readonly Finding[] {
  if (off.length === 0) return [];
  const shown = off.slice(0, 3).map((path) => sysctl(path, '0'));
  return [
    {
      severity: 'error',
      subject: `${family} forwarding`,
      evidence: `${shown.join(', ')}${off.length > 3 ? `, and ${off.length - 3} more` : ''}.`,
      why: `The kernel forwards no ${family} packet that comes in there: pods reach nothing but this node, or are not reached.`,
      fix: persist(global, '1'),
    },
  ];
}

/** Interfaces by which other machines are reached. */
export function uplinks({ routes, links }: NodeFacts): readonly Link[] {
  const names = new Set(
    routes
      .filter(({ to, protocol }) => to === 'default' || protocol === '80')
      .flatMap(({ devices }) => devices),
  );
  return links.filter(({ name, isPods }) => names.has(name) && !isPods && name !== 'lo');
}

/** The kernel takes the greater of "all" and the interface's own, ip-sysctl: 0 off, 1 strict, 2 loose. */
export function reversePath(facts: NodeFacts): readonly Finding[] {
  const { sysctls } = facts;
  const ups = uplinks(facts);
  if (ups.length < 2) return [];
  const all = Number(sysctls.get('net/ipv4/conf/all/rp_filter') ?? 0);
  return ups.flatMap(({ name }): readonly Finding[] => {
    const own = Number(sysctls.get(`net/ipv4/conf/${name}/rp_filter`) ?? 0);
    if (Math.max(all, own) !== 1) return [];
    return [
      {
        severity: 'error',
        subject: name,
        evidence: `${sysctl('net/ipv4/conf/all/rp_filter', String(all))}, ${sysctl(`net/ipv4/conf/${name}/rp_filter`, String(own))}: strict; other machines are reached by ${ups.map((link) => link.name).join(', ')}.`,
        why: 'A packet that comes in by one of several uplinks, while the way back leads out by another, is dropped without a word.',
        fix: persist(`net/ipv4/conf/${all === 1 ? 'all' : name}/rp_filter`, '2'),
      },
    ];
  });
}

export function mtu(facts: NodeFacts): readonly Finding[] {
  const ups = uplinks(facts);
  const smallest = ups.toSorted((a, b) => a.mtu - b.mtu)[0];
  if (smallest === undefined) return [];
  const tooLarge = facts.links.filter((link) => link.isPods && link.mtu > smallest.mtu);
  const pods: readonly Finding[] =
    tooLarge.length === 0
      ? []
      : [
          {
            severity: 'error',
            subject: `${tooLarge.length} pod ${tooLarge.length === 1 ? 'interface' : 'interfaces'}`,
            evidence: `ip link: ${tooLarge
              .slice(0, 3)
              .map(({ name, mtu: size }) => `${name} has MTU ${size}`)
              .join(', ')}; ${smallest.name}, by which other machines are reached, has ${smallest.mtu}.`,
            why: 'Large packets of pods do not fit: connections open and then hang when the sender hears no ICMP.',
            fix: `Set "mtu": ${smallest.mtu} in the CNI configuration and restart the pods, or raise the MTU of ${smallest.name} and of the switches.`,
          },
        ];
  const configured = facts.cni.flatMap(({ name, mtu: size }): readonly Finding[] =>
    size === undefined || size <= smallest.mtu
      ? []
      : [
          {
            severity: 'error',
            subject: name,
            evidence: `${facts.cniDirectory}/${name} says "mtu": ${size}; ${smallest.name} has ${smallest.mtu}.`,
            why: 'New pods get interfaces whose packets do not fit the network.',
            fix: `Write "mtu": ${smallest.mtu}, or leave it out.`,
          },
        ],
  );
  const differing: readonly Finding[] = ups.some((link) => link.mtu !== smallest.mtu)
    ? [
        {
          severity: 'warning',
          subject: ups.map(({ name }) => name).join(', '),
          evidence: `ip link: ${ups.map(({ name, mtu: size }) => `${name} has MTU ${size}`).join(', ')}.`,
          why: 'Which of them a packet takes decides whether it fits.',
          fix: 'Give all uplinks the same MTU.',
        },
      ]
    : [];
  return [...pods, ...configured, ...differing];
}

export function conntrack({ sysctls }: NodeFacts): readonly Finding[] {
  const count = Number(sysctls.get('net/netfilter/nf_conntrack_count') ?? 0);
  const most = Number(sysctls.get('net/netfilter/nf_conntrack_max') ?? 0);
  if (most === 0 || count < 0.9 * most) return [];
  return [
    {
      severity: 'warning',
      subject: 'connection tracking',
      evidence: `${sysctl('net/netfilter/nf_conntrack_count', String(count))} of ${most} (nf_conntrack_max).`,
      why: 'When it is full, new connections are dropped.',
      fix: persist('net/netfilter/nf_conntrack_max', String(2 * most)),
    },
  ];
}
