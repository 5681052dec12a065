/**
 * Our table beside the rules of others, typical of each: kube-proxy (nftables and iptables), Docker, firewalld. Whoever
 * starts first, packets go the same way, and nobody's rules are touched.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Addition, together } from '../../felix/rules/addition.ts';
import { serviceLoop } from '../../felix/rules/loop.ts';
import { natOutgoing, poolSets } from '../../felix/rules/nat.ts';
import { staticRuleset } from '../../felix/rules/static.ts';
import { ipv4, type Prefix, parsePrefix, prefix4 } from '../../src/lib/net.ts';
import { createSmallNode, names, type SmallNode } from '../support/additions.ts';

const prefix = (text: string): Prefix => parsePrefix(text) ?? prefix4(ipv4(0), 0);
const service = '10.96.0.9';

/** Pods are open: each has a chain that accepts, and the static part is whole. */
function ours(): Addition {
  const plan = {
    pools: [
      { cidr: prefix('10.65.0.0/16'), natOutgoing: true },
      { cidr: prefix('10.66.0.0/16'), natOutgoing: false },
    ],
  };
  const { chains, sets } = staticRuleset();
  const open = { name: 'open', rules: [{ matches: [], verdict: { kind: 'accept' } as const }] };
  const pods = ['cali0000000000a', 'cali0000000000b'];
  return together([
    poolSets(plan),
    natOutgoing(plan),
    serviceLoop({ action: 'Drop', ranges: [prefix('10.96.0.0/16')] }),
    {
      chains: [open, ...chains],
      sets: sets.map((decl) => ({
        decl,
        elements:
          decl.kind === 'dispatch'
            ? pods.map((name) => ({ kind: 'dispatch', interface: name, chain: 'open' }) as const)
            : [],
      })),
    },
  ]);
}

interface Foreign {
  /** In the node's namespace. */
  readonly load: readonly string[];
  /** What they have, without counters. */
  readonly listing: string;
  /** It has a Service at `service` for the pod. */
  readonly hasService: boolean;
  /** What opens them for pods: nobody's forwarding passes them otherwise, whatever we say. */
  readonly open?: readonly string[];
}

const iptables = (table: string, ...rules: readonly string[]): readonly string[] =>
  rules.map((rule) => `iptables -t ${table} ${rule}`);
const withoutCounters = (command: string): string =>
  `${command} | sed -E 's/packets [0-9]+ bytes [0-9]+//; s/\\[[0-9:]+\\]//; /^#/d'`;
const nft = (script: string): string => `nft '${script}'`;

const others: Readonly<Record<string, Foreign>> = {
  'kube-proxy in mode nftables': {
    hasService: true,
    load: [
      nft(
        `table ip kube-proxy {
           map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
           chain endpoint { ip saddr 10.65.0.2 meta mark set mark or 0x4000; meta l4proto udp dnat to 10.65.0.2; }
           chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }
           chain nat-prerouting { type nat hook prerouting priority -100; jump services; }
           chain nat-output { type nat hook output priority -100; jump services; }
           chain nat-postrouting { type nat hook postrouting priority 100; meta mark & 0x4000 == 0 return; meta mark set mark xor 0x4000; masquerade fully-random; }
           chain filter-forward { type filter hook forward priority -110; ct state new ip daddr 10.96.0.200 reject; }
         }
         add element ip kube-proxy service-ips { ${service} . udp . 5400 : goto endpoint }`,
      ),
    ],
    listing: withoutCounters('nft list table ip kube-proxy'),
  },
  'kube-proxy in mode iptables': {
    hasService: true,
    load: [
      ...iptables('nat', '-N KUBE-SERVICES', '-N KUBE-POSTROUTING', '-N KUBE-SVC-A', '-N KUBE-SEP-A'),
      ...iptables('nat', '-I PREROUTING 1 -j KUBE-SERVICES', '-I OUTPUT 1 -j KUBE-SERVICES'),
      ...iptables('nat', '-I POSTROUTING 1 -j KUBE-POSTROUTING'),
      ...iptables(
        'nat',
        `-A KUBE-SERVICES -d ${service}/32 -p udp --dport 5400 -j KUBE-SVC-A`,
        '-A KUBE-SVC-A -j KUBE-SEP-A',
        '-A KUBE-SEP-A -s 10.65.0.2/32 -j MARK --set-xmark 0x4000/0x4000',
        '-A KUBE-SEP-A -p udp -j DNAT --to-destination 10.65.0.2:5400',
        '-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN',
        '-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0',
        '-A KUBE-POSTROUTING -j MASQUERADE',
      ),
      ...iptables('filter', '-N KUBE-FORWARD', '-I FORWARD 1 -j KUBE-FORWARD'),
      ...iptables(
        'filter',
        '-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP',
        '-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT',
        '-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      ),
    ],
    listing: withoutCounters('iptables-save'),
  },
  Docker: {
    hasService: false,
    load: [
      'ip link add docker0 type bridge',
      'ip address add 172.17.0.1/16 dev docker0',
      ...iptables('nat', '-N DOCKER', '-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER'),
      ...iptables('nat', '-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE'),
      ...iptables('filter', '-P FORWARD DROP', '-N DOCKER-USER', '-N DOCKER-FORWARD'),
      ...iptables(
        'filter',
        '-A FORWARD -j DOCKER-USER',
        '-A FORWARD -j DOCKER-FORWARD',
        '-A DOCKER-FORWARD -i docker0 -j ACCEPT',
      ),
    ],
    open: iptables('filter', '-I DOCKER-USER -i cali+ -j ACCEPT', '-I DOCKER-USER -o cali+ -j ACCEPT'),
    listing: withoutCounters('iptables-save'),
  },
  firewalld: {
    hasService: false,
    load: [
      nft(
        `table inet firewalld {
           chain filter_INPUT { type filter hook input priority 10; ct state { established, related } accept; iifname "lo" accept; meta l4proto ipv6-icmp accept; reject with icmpx admin-prohibited; }
           chain filter_FORWARD { type filter hook forward priority 10; ct state { established, related } accept; jump zones; reject with icmpx admin-prohibited; }
           chain zones { }
           chain nat_POSTROUTING { type nat hook postrouting priority 110; oifname "wan0" masquerade; }
         }`,
      ),
    ],
    open: [
      nft(
        'add rule inet firewalld zones iifname "cali*" accept; add rule inet firewalld zones oifname "cali*" accept',
      ),
    ],
    listing: withoutCounters('nft list table inet firewalld'),
  },
};

const ownListing = withoutCounters('nft list table inet tortie');

let node: SmallNode;
beforeAll(async () => {
  node = await createSmallNode('co');
});
afterAll(() => node.close());
/** As before anybody came: iptables is nftables underneath. */
const sweep = (): Promise<string> => inNode('nft flush ruleset; ip link del docker0 2>/dev/null || true');
afterEach(sweep);

const inNode = (command: string): Promise<string> => node.playground.exec('node', command);
const load = async (commands: readonly string[]): Promise<void> => {
  for (const command of commands) await inNode(command);
};

/** Whom each receiver sees. */
async function ways(hasService: boolean): Promise<Readonly<Record<string, string | undefined>>> {
  return {
    'to the outside': await node.sourceOf('pod', names.outside[4], 'outside', 5401),
    'to a pod of another pool': await node.sourceOf('pod', names.neighbour[4], 'neighbour', 5402),
    'not of a pool that asks': await node.sourceOf('neighbour', names.outside[4], 'outside', 5403),
    ...(hasService
      ? {
          'from outside by the Service': await node.sourceOf('outside', service, 'pod', 5400),
          'from a pod by the Service': await node.sourceOf('neighbour', service, 'pod', 5400),
          'from itself by the Service': await node.sourceOf('pod', service, 'pod', 5400),
        }
      : {}),
  };
}

const expected = (hasService: boolean): Readonly<Record<string, string>> => ({
  'to the outside': names.node[4],
  'to a pod of another pool': names.pod[4],
  'not of a pool that asks': names.neighbour[4],
  ...(hasService
    ? {
        'from outside by the Service': names.outside[4],
        'from a pod by the Service': names.neighbour[4],
        'from itself by the Service': '10.65.0.1', // kube-proxy's own masquerade, before ours
      }
    : {}),
});

describe.each(Object.keys(others))('beside %s', (name) => {
  const foreign = others[name] ?? { load: [], listing: 'true', hasService: false };

  test('packets go the same way whoever is first, and nobody’s rules are touched', async () => {
    await load(foreign.load);
    await load(foreign.open ?? []);
    const theirs = await inNode(foreign.listing);
    await node.load(ours());
    expect(await ways(foreign.hasService)).toEqual(expected(foreign.hasService));
    expect(await inNode(foreign.listing)).toBe(theirs);
    const first = await inNode(ownListing);
    await node.nft('delete table inet tortie');
    expect(await inNode(foreign.listing)).toBe(theirs);

    await sweep();
    await node.load(ours());
    await load(foreign.load);
    await load(foreign.open ?? []);
    expect(await ways(foreign.hasService)).toEqual(expected(foreign.hasService));
    expect(await inNode(foreign.listing)).toBe(theirs);
    expect(await inNode(ownListing)).toBe(first);
  });
});
