/**
 * The situations of pods and policies, each with who then gets through to whom. Source: Calico's documentation of tiers, policies
 * and rules; the API documentation of the Kubernetes kinds.
 */
import {
  allow,
  calico,
  cluster,
  deny,
  egress,
  everyone,
  from,
  fromFriend,
  ingress,
  kubernetes,
  pass,
  podsLike,
  serviceOfWeb,
  staged,
  tcp,
  tier,
  to,
} from './path-objects.ts';
import { addresses, type Path } from './path-table.ts';

const toWeb = ['friend > web TCP/80', 'stranger > web TCP/80', 'out > web TCP/80'];
const all = { passes: toWeb };
const onlyFriend = {
  passes: ['friend > web TCP/80'],
  fails: ['stranger > web TCP/80', 'out > web TCP/80'],
};
const onlyPods = { passes: ['friend > web TCP/80', 'stranger > web TCP/80'], fails: ['out > web TCP/80'] };
const onlyStranger = {
  passes: ['stranger > web TCP/80'],
  fails: ['friend > web TCP/80', 'out > web TCP/80'],
};
const onlyOut = { passes: ['out > web TCP/80'], fails: ['friend > web TCP/80', 'stranger > web TCP/80'] };
const notOut = [...addresses.out];

const one: readonly Path[] = [
  {
    situation: 'without policy everybody reaches everybody, and the host',
    objects: [],
    passes: [
      ...toWeb,
      'friend > web UDP/80',
      'friend > web SCTP/80',
      'friend > web ICMP/8',
      'web > friend TCP/80',
      'web > out TCP/80',
      'web > host TCP/80',
      'out > host TCP/80',
      'host > out TCP/80',
      'out > back TCP/80',
      'out > host TCP/30080',
    ],
  },
  {
    situation: 'a policy that matches nothing closes its direction',
    objects: [ingress('p', [])],
    fails: toWeb,
    passes: ['web > friend TCP/80', 'web > out TCP/80'],
  },
  {
    situation: 'a policy of ingress says nothing about egress',
    objects: [ingress('p', [deny])],
    fails: toWeb,
    passes: ['web > friend TCP/80', 'web > out TCP/80', 'web > host TCP/80'],
  },
  {
    situation: 'a policy of egress says nothing about ingress',
    objects: [egress('p', [])],
    passes: ['web > friend TCP/80', 'stranger > friend TCP/80', 'out > friend TCP/80'],
    fails: ['friend > web TCP/80', 'friend > out TCP/80', 'friend > host TCP/80'],
  },
  {
    situation: 'a policy that selects somebody else leaves a pod open',
    objects: [ingress('p', [deny], { selector: "app == 'friend'" })],
    ...all,
  },
  {
    situation: 'a policy of a namespace selects nobody of another, though the labels be the same',
    objects: [ingress('other/p', [deny])],
    ...all,
  },
  {
    situation: 'the first rule that matches decides',
    objects: [ingress('p', [fromFriend, deny, allow])],
    ...onlyFriend,
  },
  {
    situation: 'a Log decides nothing: the rules after it are asked',
    objects: [ingress('p', [{ action: 'Log' }, fromFriend, { action: 'Log' }, deny])],
    ...onlyFriend,
  },
  {
    situation: 'what the source denies the destination cannot allow',
    objects: [egress('e', [deny]), ingress('i', [allow])],
    passes: ['stranger > web TCP/80', 'out > web TCP/80'],
    fails: ['friend > web TCP/80', 'friend > out TCP/80'],
  },
  {
    situation: 'between two pods of one node the egress of the one and the ingress of the other are asked',
    objects: [egress('e', [tcp(allow, 80, 81)]), ingress('i', [tcp(allow, 81)])],
    passes: ['friend > web TCP/81', 'stranger > web TCP/81', 'friend > out TCP/80'],
    fails: ['friend > web TCP/80', 'stranger > web TCP/80', 'friend > web UDP/81', 'friend > out UDP/80'],
  },
  {
    situation: 'of two policies the one of lower order is asked first, whatever their names',
    objects: [ingress('a', [deny], { order: 2 }), ingress('b', [fromFriend], { order: 1 })],
    ...onlyFriend,
  },
  {
    situation: 'a policy without an order comes after all that have one',
    objects: [ingress('a', [deny]), ingress('b', [fromFriend], { order: 1e9 })],
    ...onlyFriend,
  },
  {
    situation: 'of two policies of the same order the name decides',
    objects: [ingress('b', [deny], { order: 1 }), ingress('a', [fromFriend], { order: 1 })],
    ...onlyFriend,
  },
  {
    situation: 'a Kubernetes policy has order 1000 in tier default',
    objects: [
      kubernetes('k', { ingress: [{}] }),
      ingress('before', [from({ selector: "app == 'stranger'" }, deny)], { order: 999 }),
      ingress('after', [from({ selector: "app == 'friend'" }, deny)], { order: 1001 }),
    ],
    passes: ['friend > web TCP/80', 'out > web TCP/80'],
    fails: ['stranger > web TCP/80'],
  },
  {
    situation: 'the host reaches its own pods whatever policy says',
    objects: [ingress('p', [deny])],
    passes: ['host > web TCP/80', 'host > web UDP/80'],
    fails: toWeb,
  },
  {
    situation: 'a connection that stands goes on when policy forbids it, and a new one is refused',
    objects: [ingress('p', [deny])],
    goesOn: toWeb,
    fails: toWeb,
  },
  {
    situation: 'an interface that nobody gave a pod is closed both ways, one that is not ours is open',
    objects: [],
    passes: ['guest > web TCP/80', 'guest > out TCP/80', 'out > guest TCP/80'],
    fails: ['rogue > web TCP/80', 'rogue > out TCP/80', 'rogue > host TCP/80', 'out > rogue TCP/80'],
  },
  {
    situation: 'pods make no tunnels of nodes',
    objects: [],
    passes: ['web > out UDP/4790'],
    fails: ['web > out UDP/4789'],
  },
  {
    situation:
      'a pod finds its router and the router the pod, whatever policy says (IPv6 neighbour discovery)',
    objects: [egress('p', [to({ selector: "app == 'web'" })])],
    prepare: [
      ['friend', 'ip neigh flush dev eth0; ip -6 neigh flush dev eth0'],
      ['host', 'ip neigh flush all; ip -6 neigh flush all'],
    ],
    passes: ['friend > web TCP/80'],
    fails: ['friend > host TCP/80', 'friend > out TCP/80', 'friend > host ICMP/8'],
  },
];

const tiers: readonly Path[] = [
  {
    situation: 'an earlier tier is asked first, whatever the orders within them',
    objects: [
      tier('early', 5),
      ingress('early.p', [fromFriend, deny], { tier: 'early', order: 100 }),
      ingress('p', [allow], { order: 1 }),
    ],
    ...onlyFriend,
  },
  {
    situation: 'Pass leaves the tier: the rest of it is not asked, the next tier is',
    objects: [
      tier('early', 5),
      ingress('early.a', [from({ selector: "app == 'friend'" }, pass)], { tier: 'early', order: 1 }),
      ingress('early.b', [deny], { tier: 'early', order: 2 }),
      ingress('p', [allow]),
    ],
    ...onlyFriend,
  },
  {
    situation: 'Pass into the next tier is not yet an allow',
    objects: [tier('early', 5), ingress('early.a', [pass], { tier: 'early' }), ingress('p', [fromFriend])],
    ...onlyFriend,
  },
  {
    situation: 'Pass past the last tier leaves a pod as open as without policy',
    objects: [ingress('p', [from({ selector: "app == 'friend'" }, pass), deny])],
    ...onlyFriend,
  },
  {
    situation: 'the end of a tier denies, and the next is not asked',
    objects: [tier('early', 5), ingress('early.p', [fromFriend], { tier: 'early' }), ingress('p', [allow])],
    ...onlyFriend,
  },
  {
    situation: 'the end of a tier with defaultAction Pass is the next tier',
    objects: [
      tier('early', 5, { defaultAction: 'Pass' }),
      ingress('early.p', [from({ selector: "app == 'stranger'" }, deny)], { tier: 'early' }),
      ingress('p', [tcp(allow, 80)]),
    ],
    passes: ['friend > web TCP/80', 'out > web TCP/80'],
    fails: ['stranger > web TCP/80', 'friend > web TCP/81'],
  },
  {
    situation: 'a tier of which no policy selects the pod is not asked',
    objects: [
      tier('early', 5),
      ingress('early.p', [deny], { tier: 'early', selector: "app == 'friend'" }),
      ingress('early.q', [], { tier: 'early', types: ['Egress'], egress: [allow], ingress: undefined }),
      ingress('p', [fromFriend]),
    ],
    ...onlyFriend,
  },
  {
    situation: 'a tier whose policies are all staged passes',
    objects: [tier('early', 5), staged('early.p', [deny], { tier: 'early' }), ingress('p', [fromFriend])],
    ...onlyFriend,
  },
  {
    situation: 'a staged policy beside one in force changes nothing',
    objects: [staged('shop/a', [deny], { order: 1 }), ingress('shop/b', [fromFriend], { order: 2 })],
    ...onlyFriend,
  },
  {
    situation: 'a pod with staged policies only is open',
    objects: [staged('shop/a', [deny])],
    ...all,
  },
  {
    situation: 'a tier that nobody wrote comes last, and denies at its end',
    objects: [
      ingress('gone.p', [deny], { tier: 'gone', order: 1 }),
      ingress('p', [fromFriend, from({ selector: "app == 'stranger'" }, pass)]),
    ],
    ...onlyFriend,
  },
];

const clusterPolicies: readonly Path[] = [
  {
    situation: 'an Admin policy denies what a NetworkPolicy allows',
    objects: [
      cluster('a', 'Admin', { ingress: [{ action: 'Deny', from: [podsLike('stranger')] }] }),
      kubernetes('k', { ingress: [{}] }),
    ],
    passes: ['friend > web TCP/80', 'out > web TCP/80'],
    fails: ['stranger > web TCP/80'],
  },
  {
    situation: 'an Admin policy accepts what a NetworkPolicy does not',
    objects: [
      cluster('a', 'Admin', { ingress: [{ action: 'Accept', from: [podsLike('friend')] }] }),
      kubernetes('k', {}),
    ],
    ...onlyFriend,
  },
  {
    situation: 'what an Admin policy passes the NetworkPolicy decides, and without one it is open',
    objects: [
      cluster('a', 'Admin', {
        ingress: [
          { action: 'Pass', from: [podsLike('friend')] },
          { action: 'Deny', from: [everyone] },
        ],
      }),
    ],
    passes: ['friend > web TCP/80', 'out > web TCP/80'],
    fails: ['stranger > web TCP/80'],
  },
  {
    situation: 'what an Admin policy passes, a NetworkPolicy may still refuse',
    objects: [
      cluster('a', 'Admin', { ingress: [{ action: 'Pass', from: [everyone] }] }),
      kubernetes('k', { ingress: [{ from: [{ podSelector: { matchLabels: { app: 'friend' } } }] }] }),
    ],
    ...onlyFriend,
  },
  {
    situation: 'a Baseline policy is asked where no NetworkPolicy selects the pod',
    objects: [
      cluster('b', 'Baseline', {
        ingress: [
          { action: 'Accept', from: [podsLike('friend')] },
          { action: 'Deny', from: [everyone] },
        ],
      }),
    ],
    passes: ['friend > web TCP/80', 'out > web TCP/80'],
    fails: ['stranger > web TCP/80'],
  },
  {
    situation: 'a Baseline policy is not asked where a NetworkPolicy selects the pod',
    objects: [
      cluster('b', 'Baseline', { ingress: [{ action: 'Deny', from: [everyone] }] }),
      kubernetes('k', { ingress: [{}] }),
    ],
    ...all,
  },
  {
    situation: 'of two Admin policies the one of lower priority is asked first',
    objects: [
      cluster('a', 'Admin', { priority: 20, ingress: [{ action: 'Deny', from: [everyone] }] }),
      cluster('b', 'Admin', { priority: 19, ingress: [{ action: 'Accept', from: [podsLike('friend')] }] }),
    ],
    passes: ['friend > web TCP/80', 'out > web TCP/80'],
    fails: ['stranger > web TCP/80'],
  },
  {
    situation: 'an Admin policy of egress knows networks, ports and ranges of ports',
    objects: [
      cluster(
        'a',
        'Admin',
        {
          egress: [
            {
              action: 'Accept',
              to: [{ networks: ['192.0.2.0/24', '2001:db8:9::/64'] }],
              protocols: [{ tcp: { destinationPort: { range: { start: 80, end: 81 } } } }],
            },
            {
              action: 'Deny',
              to: [{ networks: ['192.0.2.0/24', '2001:db8:9::/64'] }],
              protocols: [{ tcp: {} }],
            },
          ],
        },
        'friend',
      ),
    ],
    passes: ['friend > out TCP/80', 'friend > out TCP/81', 'friend > out UDP/80', 'friend > back TCP/22'],
    fails: ['friend > out TCP/22', 'friend > out TCP/179'],
  },
  {
    situation: 'an Admin policy knows ports by name and the namespaces of a label',
    objects: [
      cluster('a', 'Admin', {
        ingress: [
          {
            action: 'Accept',
            from: [{ namespaces: { matchLabels: { team: 'b' } } }],
            protocols: [{ destinationNamedPort: 'http' }],
          },
          { action: 'Deny', from: [everyone] },
        ],
      }),
    ],
    passes: ['stranger > web TCP/80', 'out > web TCP/81'],
    fails: ['stranger > web TCP/81', 'stranger > web UDP/80', 'friend > web TCP/80'],
  },
  {
    situation: 'a Deny that cannot be converted closes, an Accept that cannot is left out',
    objects: [
      cluster('a', 'Admin', {
        ingress: [
          { action: 'Accept', from: [everyone], protocols: [{ quic: {} }] },
          { action: 'Accept', from: [podsLike('friend')] },
          { action: 'Deny', from: [{ moons: {} }] },
        ],
      }),
    ],
    ...onlyFriend,
  },
];

const peers: readonly Path[] = [
  {
    situation: 'service accounts are found by name',
    objects: [ingress('p', [from({ serviceAccounts: { names: ['buyer'] } })])],
    ...onlyFriend,
  },
  {
    situation: 'service accounts are found by their labels',
    objects: [ingress('p', [from({ serviceAccounts: { selector: "role == 'buyer'" } })])],
    ...onlyFriend,
  },
  {
    situation: 'a policy selects pods by the service account they have',
    objects: [ingress('p', [deny], { selector: 'all()', serviceAccountSelector: "role == 'buyer'" })],
    passes: toWeb,
    fails: ['web > friend TCP/80'],
  },
  {
    situation: 'a selector in a policy of a namespace is of that namespace only',
    objects: [ingress('shop/p', [from({ selector: "app in {'friend', 'stranger'}" })])],
    ...onlyFriend,
  },
  {
    situation: 'a namespaceSelector finds pods by the labels of their namespace',
    objects: [ingress('shop/p', [from({ namespaceSelector: "team == 'b'" })])],
    ...onlyStranger,
  },
  {
    situation: 'a namespaceSelector with a selector wants both',
    objects: [ingress('shop/p', [from({ namespaceSelector: 'has(team)', selector: "app == 'friend'" })])],
    ...onlyFriend,
  },
  {
    situation: 'namespaceSelector all() is everything that has a namespace',
    objects: [ingress('p', [from({ namespaceSelector: 'all()' })])],
    ...onlyPods,
  },
  {
    situation: 'namespaceSelector global() is what has none',
    objects: [
      ingress('shop/p', [from({ namespaceSelector: 'global()', selector: 'all()' })]),
      calico('GlobalNetworkSet', 'away', { nets: notOut }, { place: 'away' }),
    ],
    ...onlyOut,
  },
  {
    situation: 'a GlobalNetworkSet is a source',
    objects: [
      ingress('p', [from({ selector: "place == 'away'" })]),
      calico('GlobalNetworkSet', 'away', { nets: ['192.0.2.0/24', '2001:db8:9::/64'] }, { place: 'away' }),
    ],
    ...onlyOut,
    fails: [...onlyOut.fails, 'back > web TCP/80'],
  },
  {
    situation: 'a NetworkSet is a source in its own namespace',
    objects: [
      ingress('shop/p', [from({ selector: "place == 'away'" })]),
      calico('NetworkSet', 'shop/away', { nets: ['192.0.2.0/24', '2001:db8:9::/64'] }, { place: 'away' }),
      calico(
        'NetworkSet',
        'other/farther',
        { nets: ['198.51.100.0/24', '2001:db8:51::/64'] },
        { place: 'away' },
      ),
    ],
    ...onlyOut,
    fails: [...onlyOut.fails, 'back > web TCP/80'],
  },
  {
    situation: 'without any selector a rule is also of those who are no pods',
    objects: [ingress('shop/p', [tcp(allow, 80)])],
    passes: toWeb,
    fails: ['friend > web TCP/81', 'out > web TCP/81'],
  },
  {
    situation: 'a notSelector is everybody else, and a selector with a not only those who have labels',
    objects: [
      ingress('p', [
        from({ notSelector: "app == 'friend'" }, { ...allow, protocol: 'TCP' }),
        from({ selector: "!(app == 'friend')" }, { ...allow, protocol: 'UDP' }),
      ]),
    ],
    passes: ['stranger > web TCP/80', 'out > web TCP/80', 'stranger > web UDP/80'],
    fails: ['friend > web TCP/80', 'friend > web UDP/80', 'out > web UDP/80'],
  },
  {
    situation: 'a negated selector is true where the label is missing',
    objects: [ingress('p', [from({ selector: "color != 'red' && has(app) && app != 'stranger'" })])],
    ...onlyFriend,
  },
];

const rules: readonly Path[] = [
  {
    situation: 'nets are those, of each family its own',
    objects: [ingress('p', [from({ nets: ['192.0.2.0/24'] }), from({ nets: ['2001:db8:9::9/128'] })])],
    ...onlyOut,
    fails: [...onlyOut.fails, 'back > web TCP/80'],
  },
  {
    situation: 'nets of one family let nothing of the other in',
    objects: [ingress('p', [from({ nets: ['0.0.0.0/0'] })])],
    passes: toWeb.map((each) => `${each} IPv4`),
    fails: toWeb.map((each) => `${each} IPv6`),
  },
  {
    situation: 'notNets are all others',
    objects: [
      ingress('p', [
        from({ notNets: ['192.0.2.0/24', '10.244.1.4/32'] }, { ...allow, ipVersion: 4 }),
        from({ notNets: ['2001:db8:9::/64', 'fd00:1::4/128'] }, { ...allow, ipVersion: 6 }),
      ]),
    ],
    passes: ['friend > web TCP/80', 'back > web TCP/80'],
    fails: ['stranger > web TCP/80', 'out > web TCP/80'],
  },
  {
    situation: 'notNets of one family say nothing of the other',
    objects: [ingress('p', [from({ notNets: ['10.0.0.0/8'] })])],
    passes: ['out > web TCP/80', 'friend > web TCP/80 IPv6'],
    fails: ['friend > web TCP/80 IPv4'],
  },
  {
    situation: 'nets with notNets are a block with a hole',
    objects: [
      ingress('p', [
        from({ nets: ['10.244.0.0/16'], notNets: ['10.244.1.4/32'] }),
        from({ nets: ['fd00:1::/64'], notNets: ['fd00:1::4/128'] }),
      ]),
    ],
    ...onlyFriend,
  },
  {
    situation: 'ipVersion is of that family only',
    objects: [ingress('p', [{ ...allow, ipVersion: 6 }])],
    passes: toWeb.map((each) => `${each} IPv6`),
    fails: toWeb.map((each) => `${each} IPv4`),
  },
  {
    situation: 'ports and ranges of ports are of their protocol',
    objects: [
      ingress('p', [
        tcp(allow, 22, '80:81', 179, 8000),
        { ...allow, protocol: 'UDP', destination: { ports: ['4000:4789'] } },
      ]),
    ],
    passes: ['out > web TCP/80', 'friend > web TCP/81', 'friend > web TCP/179', 'out > web UDP/4789'],
    fails: ['friend > web UDP/80', 'friend > web TCP/4789', 'out > web UDP/4790', 'friend > web SCTP/80'],
  },
  {
    situation: 'notPorts are all other ports of the protocol',
    objects: [ingress('p', [{ ...allow, protocol: 'TCP', destination: { notPorts: [80, '4789:4790'] } }])],
    passes: ['friend > web TCP/81', 'out > web TCP/22'],
    fails: ['friend > web TCP/80', 'out > web TCP/80', 'friend > web TCP/4790', 'friend > web UDP/81'],
  },
  {
    situation: 'a protocol is known by name and by number, and its negation is all others',
    objects: [
      ingress('a', [
        { ...allow, protocol: 132 },
        { ...allow, notProtocol: 'TCP', source: { selector: "app == 'friend'" } },
      ]),
    ],
    passes: ['friend > web UDP/80', 'friend > web ICMP/8', 'stranger > web SCTP/80', 'out > web SCTP/80'],
    fails: ['friend > web TCP/80', 'stranger > web UDP/80', 'stranger > web ICMP/8'],
  },
  {
    situation: 'a named port is the port that the pod gives the name',
    objects: [ingress('p', [tcp(allow, 'http')])],
    passes: toWeb,
    fails: ['friend > web TCP/81', 'friend > web UDP/80'],
  },
  {
    situation: 'a named port of egress is looked up at the destination',
    objects: [egress('p', [tcp(allow, 'http')])],
    passes: ['friend > web TCP/80'],
    fails: ['friend > web TCP/81', 'friend > stranger TCP/80', 'friend > out TCP/80'],
  },
  {
    situation: 'the negation of a named port is all ports but that',
    objects: [ingress('p', [{ ...allow, protocol: 'TCP', destination: { notPorts: ['http'] } }])],
    passes: ['friend > web TCP/81', 'out > web TCP/22'],
    fails: ['friend > web TCP/80', 'out > web TCP/80', 'friend > web UDP/81'],
  },
  {
    situation: 'a Service as destination is its endpoints with their ports',
    objects: [...serviceOfWeb, egress('shop/p', [to({ services: { name: 'web' } })])],
    passes: ['friend > web TCP/80'],
    fails: ['friend > web TCP/81', 'friend > web UDP/80', 'friend > stranger TCP/80'],
  },
  {
    situation: 'a Service as source is its endpoints, whatever the port',
    objects: [
      ...serviceOfWeb,
      ingress('p', [from({ services: { name: 'web', namespace: 'shop' } })], {
        selector: "app == 'friend'",
      }),
    ],
    passes: ['web > friend TCP/80', 'web > friend UDP/81'],
    fails: ['stranger > friend TCP/80', 'out > friend TCP/80'],
  },
  {
    situation: 'a Service of which nothing is known is nobody',
    objects: [egress('shop/p', [to({ services: { name: 'gone' } })])],
    fails: ['friend > web TCP/80', 'friend > out TCP/80'],
  },
  {
    situation: 'an ICMP type is that type, of each family its own',
    objects: [
      ingress('p', [
        { ...allow, protocol: 'ICMP', icmp: { type: 8, code: 0 } },
        { ...allow, protocol: 'ICMPv6', icmp: { type: 128 } },
      ]),
    ],
    passes: ['friend > web ICMP/8', 'out > web ICMP/8'],
    fails: ['friend > web ICMP/13', 'out > web ICMP/13', 'friend > web TCP/80'],
  },
  {
    situation: 'notICMP is all other types',
    objects: [
      ingress('p', [
        { ...allow, protocol: 'ICMP', notICMP: { type: 8 } },
        { ...allow, protocol: 'ICMPv6', notICMP: { type: 128 } },
      ]),
    ],
    passes: ['friend > web ICMP/13'],
    fails: ['friend > web ICMP/8', 'friend > web TCP/80'],
  },
];

const conversions: readonly Path[] = [
  {
    situation: 'a Kubernetes policy without policyTypes is of ingress, and of egress where it has such rules',
    objects: [
      kubernetes('k', { policyTypes: undefined, ingress: [{ ports: [{ port: 'http' }] }] }),
      kubernetes('e', {
        policyTypes: undefined,
        podSelector: { matchLabels: { app: 'friend' } },
        egress: [{ to: [{ podSelector: {} }] }],
      }),
    ],
    passes: ['friend > web TCP/80', 'out > web TCP/80', 'web > out TCP/80'],
    fails: ['friend > web TCP/81', 'friend > out TCP/80', 'friend > stranger TCP/80', 'out > friend TCP/80'],
  },
  {
    situation: 'a Kubernetes policy has ranges of ports, and TCP where it names no protocol',
    objects: [kubernetes('k', { ingress: [{ ports: [{ port: 80, endPort: 100 }, { protocol: 'UDP' }] }] })],
    passes: ['friend > web TCP/80', 'out > web TCP/81', 'friend > web UDP/4790'],
    fails: ['friend > web TCP/22', 'friend > web SCTP/80'],
  },
  {
    situation: 'a Kubernetes policy takes all of a namespace, a block with a hole, or everybody',
    objects: [
      kubernetes('k', {
        ingress: [
          { from: [{ namespaceSelector: { matchLabels: { team: 'b' } } }], ports: [{ port: 80 }] },
          {
            from: [{ ipBlock: { cidr: '192.0.0.0/8', except: ['192.0.2.0/28'] } }],
            ports: [{ port: 80 }],
          },
          { from: [], ports: [{ port: 81 }] },
        ],
      }),
    ],
    passes: ['stranger > web TCP/80', 'friend > web TCP/81', 'out > web TCP/81'],
    fails: ['friend > web TCP/80', 'out > web TCP/80'],
  },
];

/** Those of pods. */
export const podPaths: readonly Path[] = [
  ...one,
  ...tiers,
  ...clusterPolicies,
  ...peers,
  ...rules,
  ...conversions,
];
