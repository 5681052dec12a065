/**
 * The same two pods of one node, with four kinds of rules between them: none, connection tracking alone, ours, and those that
 * Calico's Felix would write by iptables. Each has namespaces of its own.
 *
 *     client ──── router ──── server      twenty policies at each end, the last of which allows it
 */
import { execFileSync } from 'node:child_process';
import { change, createGraph, putEndpoint, rulesetOf, tick } from '../../../felix/calc/graph.ts';
import { renderRuleset } from '../../../felix/rules/text.ts';
import { type Address, formatAddress, ipv4 } from '../../../src/lib/net.ts';
import { interfaceName } from '../../../src/model/endpoint.ts';
import type { CalicoEntity, CalicoRule } from '../../../src/model/policy.ts';
import type { Pod, Resource } from '../../../src/model/resource.ts';
import type { Playground } from '../../support/namespaces.ts';

export const kinds = ['none', 'conntrack', 'ours', 'calico'] as const;
export type RuleKind = (typeof kinds)[number];

export interface World {
  readonly client: string;
  readonly server: string;
  /** In the router's namespace. */
  readonly router: string;
}

const namespace = 'bench';
const policies = 20;
const peersOfPolicy = 100;
const firstPort = 8000;
export const port = 7000;
/** What the pods send to: an address nobody has, behind the router's end of each pair. */
const gateway = '169.254.1.1';
const routerMac = 'ee:ee:ee:ee:ee:ee';

const ends = [
  { name: 'client', address: ipv4(0x0a41_0002) },
  { name: 'server', address: ipv4(0x0a41_0003) },
] as const;
export const serverAddress = formatAddress(ends[1].address);

const tcp = 6;
const appOf = (policy: number): string => `app-${policy}`;
const peerAddress = (policy: number, index: number): Address => ipv4(0x0a42_0000 + policy * 256 + index + 1);

/** The last one lets the other end in. */
const isLast = (policy: number): boolean => policy === policies - 1;
const portOf = (policy: number): number => (isLast(policy) ? port : firstPort + policy);

export function openWorld(ground: Playground, kind: RuleKind): World {
  const [router, client, server] = ['router', 'client', 'server'].map((part) => `${kind}-${part}`) as [
    string,
    string,
    string,
  ];
  for (const { name, address } of ends) {
    const pod = `${kind}-${name}`;
    const host = interfaceName(namespace, name);
    ground.link([pod, 'eth0', `${formatAddress(address)}/32`], [router, host]);
    const ip = (where: string, ...args: readonly string[]): void =>
      void execFileSync('ip', ['-n', ground.netns(where), ...args]);
    ip(pod, 'route', 'add', gateway, 'dev', 'eth0');
    ip(pod, 'route', 'add', 'default', 'via', gateway);
    ip(router, 'route', 'add', formatAddress(address), 'dev', host);
    ip(router, 'link', 'set', host, 'address', routerMac);
    ip(pod, 'neigh', 'add', gateway, 'lladdr', routerMac, 'dev', 'eth0');
  }
  inside(ground, router, 'echo 1 > /proc/sys/net/ipv4/ip_forward');
  rules[kind](ground, router);
  // Connections are reset by the thousand; their entries should not fill the table.
  inside(ground, router, 'echo 1 > /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close || true');
  return { router, client, server };
}

const inside = (ground: Playground, where: string, line: string, input = ''): void =>
  void execFileSync('nsenter', [`--net=/run/netns/${ground.netns(where)}`, 'sh', '-c', line], {
    input,
    stdio: ['pipe', 'ignore', 'pipe'],
  });

const conntrackOnly = `table inet plain {
  chain forward {
    type filter hook forward priority 0; policy accept;
    ct state established,related accept
    ct state new accept
  }
}
`;

const rules: Readonly<Record<RuleKind, (ground: Playground, router: string) => void>> = {
  none: () => undefined,
  conntrack: (ground, router) => inside(ground, router, 'nft -f -', conntrackOnly),
  ours: (ground, router) => inside(ground, router, 'nft -f -', ourText()),
  calico: (ground, router) => {
    inside(ground, router, 'ipset restore', calicoSets());
    inside(ground, router, 'iptables-restore', calicoRules());
  },
};

const podOf = (name: string, app: string, node: string, address: Address): Pod => ({
  kind: 'Pod',
  meta: { name, namespace, labels: { app }, annotations: {} },
  nodeName: node,
  serviceAccount: 'default',
  hostNetwork: false,
  finished: false,
  ips: [address],
  ports: [],
  deleting: false,
});

function policyOf(index: number, direction: 'Ingress' | 'Egress'): Resource {
  const peer = isLast(index) ? (direction === 'Ingress' ? 'client' : 'server') : appOf(index);
  const far: CalicoEntity = { selector: { kind: 'equals', key: 'app', value: peer } };
  const ports = { ports: [{ first: portOf(index), last: portOf(index) }] };
  const rule: CalicoRule = {
    ...{ action: 'Allow', protocol: tcp, annotations: {} },
    ...(direction === 'Ingress'
      ? { source: far, destination: ports }
      : { source: {}, destination: { ...far, ...ports } }),
  };
  return {
    kind: 'CalicoNetworkPolicy',
    meta: { name: `${direction.toLowerCase()}-${index}`, namespace, labels: {}, annotations: {} },
    ...{ tier: 'default', order: index, types: [direction] },
    selector: { kind: 'equals', key: 'app', value: direction === 'Ingress' ? 'server' : 'client' },
    ingress: direction === 'Ingress' ? [rule] : [],
    egress: direction === 'Egress' ? [rule] : [],
    onEveryNode: false,
  };
}

function ourText(): string {
  const graph = createGraph({ node: 'here' });
  const put = (resource: Resource): void => change(graph, { kind: 'put', resource });
  put({ kind: 'Namespace', meta: { name: namespace, labels: {}, annotations: {} } });
  put({ kind: 'ServiceAccount', meta: { name: 'default', namespace, labels: {}, annotations: {} } });
  for (const { name, address } of ends) {
    put(podOf(name, name, 'here', address));
    putEndpoint(graph, {
      ...{ id: name, namespace, pod: name, interface: interfaceName(namespace, name) },
      addresses: [address],
    });
  }
  for (let index = 0; index < policies; index += 1) {
    for (let peer = 0; peer < peersOfPolicy; peer += 1)
      put(podOf(`peer-${index}-${peer}`, appOf(index), 'there', peerAddress(index, peer)));
    put(policyOf(index, 'Ingress'));
    put(policyOf(index, 'Egress'));
  }
  tick(graph);
  return renderRuleset(rulesetOf(graph));
}

const setName = (index: number, direction: 'pi' | 'po'): string => `cali40s:${direction}${index}`;
const indexes = Array.from({ length: policies }, (_, index) => index);

const calicoSets = (): string =>
  (['pi', 'po'] as const)
    .flatMap((direction) =>
      indexes.flatMap((index) => {
        const set = setName(index, direction);
        const far = direction === 'pi' ? ends[0].address : ends[1].address;
        const members = isLast(index)
          ? [far]
          : Array.from({ length: peersOfPolicy }, (_, peer) => peerAddress(index, peer));
        return [
          `create ${set} hash:net family inet hashsize 1024 maxelem 1048576`,
          ...members.map((address) => `add ${set} ${formatAddress(address)}`),
        ];
      }),
    )
    .join('\n')
    .concat('\n');

/** Shape of Felix's filter and raw tables: one chain for each policy and direction, bits of the mark for accepted and for the tier. */
function calicoRules(): string {
  const [accepted, workload] = ['0x10000/0x10000', '0x40000/0x40000'];
  const chain = (name: string, ...lines: readonly string[]): readonly string[] =>
    lines.map((line) => `-A ${name} ${line}`);
  const policyChain = (direction: 'pi' | 'po', index: number): readonly string[] =>
    chain(
      `cali-${direction}-${index}`,
      `-p tcp -m set --match-set ${setName(index, direction)} ${direction === 'pi' ? 'src' : 'dst'} -m multiport --dports ${portOf(index)} -j MARK --set-xmark ${accepted}`,
      `-m mark --mark ${accepted} -j RETURN`,
    );
  const endpoint = (name: string, direction: 'pi' | 'po'): readonly string[] =>
    chain(
      name,
      '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      '-m conntrack --ctstate INVALID -j DROP',
      '-j MARK --set-xmark 0x0/0x10000',
      ...(direction === 'po' ? ['-p udp -m multiport --dports 4789 -j DROP', '-p ipencap -j DROP'] : []),
      '-j MARK --set-xmark 0x0/0x20000',
      ...indexes.flatMap((index) => [
        `-m mark --mark 0x0/0x20000 -j cali-${direction}-${index}`,
        `-m mark --mark ${accepted} -j RETURN`,
      ]),
      '-m mark --mark 0x0/0x20000 -j DROP',
      '-j DROP',
    );
  const filter = [
    ...chain(
      'cali-FORWARD',
      '-j MARK --set-xmark 0x0/0xe0000',
      '-m mark --mark 0x0/0x10000 -j cali-from-hep-forward',
      '-i cali+ -j cali-from-wl-dispatch',
      '-o cali+ -j cali-to-wl-dispatch',
      '-j cali-to-hep-forward',
      '-j cali-cidr-block',
    ),
    ...ends.flatMap(({ name }) => [
      `-A cali-from-wl-dispatch -i ${interfaceName(namespace, name)} -g cali-fw-${name}`,
      `-A cali-to-wl-dispatch -o ${interfaceName(namespace, name)} -g cali-tw-${name}`,
    ]),
    ...chain('cali-from-wl-dispatch', '-j DROP'),
    ...chain('cali-to-wl-dispatch', '-j DROP'),
    ...endpoint('cali-fw-client', 'po'),
    ...endpoint('cali-tw-server', 'pi'),
    ...['cali-fw-server', 'cali-tw-client'].flatMap((name) =>
      chain(
        name,
        '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
        '-m conntrack --ctstate INVALID -j DROP',
        '-j DROP',
      ),
    ),
    ...indexes.flatMap((index) => [...policyChain('pi', index), ...policyChain('po', index)]),
    '-A FORWARD -j cali-FORWARD',
    `-A FORWARD -m mark --mark ${accepted} -j ACCEPT`,
  ];
  const raw = [
    ...chain(
      'cali-PREROUTING',
      '-j MARK --set-xmark 0x0/0xf0000',
      `-i cali+ -j MARK --set-xmark ${workload}`,
      `-m mark --mark ${workload} -m rpfilter --validmark --invert -j DROP`,
      `-m mark --mark 0x0/0x40000 -j cali-from-host-endpoint`,
      `-m mark --mark ${accepted} -j ACCEPT`,
    ),
    '-A PREROUTING -j cali-PREROUTING',
  ];
  const table = (name: string, lines: readonly string[]): string => {
    const named = new Set(lines.flatMap((line) => line.match(/cali-[A-Za-z0-9-]+/g) ?? []));
    return [`*${name}`, ...[...named].map((one) => `:${one} - [0:0]`), ...lines, 'COMMIT'].join('\n');
  };
  return `${[table('raw', raw), table('filter', filter)].join('\n')}\n`;
}
