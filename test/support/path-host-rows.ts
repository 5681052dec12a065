/** The situations of the host and its endpoints. Source: Calico's documentation of host endpoints and of policy for hosts. */
import {
  allow,
  calico,
  deny,
  egress,
  felixConfiguration,
  hostEndpoint,
  hostPolicy,
  ingress,
  tcp,
} from './path-objects.ts';
import { addresses, type Path } from './path-table.ts';

const open = ['projectcalico-default-allow'];
const eth0 = { interfaceName: 'eth0' };
const early = { applyOnForward: true, types: ['Ingress'] };
const closed = [
  hostPolicy('e', { types: ['Ingress', 'Egress'] }),
  hostEndpoint({ interfaceName: '*', profiles: open }),
];

const ownHost: readonly Path[] = [
  {
    situation: 'with defaultEndpointToHostAction Drop no pod reaches its host, and replies to the host go',
    objects: [felixConfiguration({ defaultEndpointToHostAction: 'Drop' })],
    passes: ['web > out TCP/80', 'web > friend TCP/80', 'out > host TCP/80', 'host > web TCP/80'],
    fails: ['web > host TCP/80', 'web > host UDP/80', 'web > host ICMP/8'],
  },
  {
    situation: 'with defaultEndpointToHostAction Accept policy of the host is not asked about its pods',
    objects: [felixConfiguration({ defaultEndpointToHostAction: 'Accept' }), ...closed],
    passes: ['web > host TCP/80'],
    fails: ['out > host TCP/80', 'guest > host TCP/80'],
  },
  {
    situation: 'before defaultEndpointToHostAction Accept the egress policy of the pod is asked',
    objects: [felixConfiguration({ defaultEndpointToHostAction: 'Accept' }), egress('p', [tcp(allow, 81)])],
    passes: ['friend > host TCP/81', 'web > host TCP/80'],
    fails: ['friend > host TCP/80'],
  },
  {
    situation: 'the host reaches its own pods whatever policy of the host says',
    objects: [...closed, ingress('p', [deny])],
    passes: ['host > web TCP/80', 'host > friend TCP/80'],
    fails: ['host > out TCP/80', 'host > back TCP/80'],
  },
];

const normal: readonly Path[] = [
  {
    situation: 'a host endpoint without policy and profile is closed but for failsafe ports, and forwards',
    objects: [hostEndpoint(eth0)],
    passes: [
      'out > host TCP/22',
      'out > host TCP/179',
      'host > out TCP/179',
      'back > host TCP/80',
      'host > back TCP/80',
      'out > back TCP/80',
      'out > web TCP/80',
      'web > out TCP/80',
      'out > host TCP/30080',
    ],
    fails: ['out > host TCP/80', 'out > host UDP/80', 'out > host ICMP/8', 'host > out TCP/80'],
  },
  {
    situation: 'a host endpoint is found by its addresses',
    objects: [hostEndpoint({ expectedIPs: [addresses.host[0]] })],
    passes: ['out > host TCP/22', 'back > host TCP/80', 'out > back TCP/80'],
    fails: ['out > host TCP/80', 'host > out TCP/80'],
  },
  {
    situation: 'a host endpoint whose addresses no interface has closes nothing',
    objects: [hostEndpoint({ expectedIPs: ['192.0.2.77'] })],
    passes: ['out > host TCP/80', 'back > host TCP/80', 'host > out TCP/80'],
  },
  {
    situation: 'a host endpoint of another node closes nothing',
    objects: [calico('HostEndpoint', 'else', { node: 'else', ...eth0 }, { role: 'node' })],
    passes: ['out > host TCP/80', 'host > out TCP/80'],
  },
  {
    situation: 'the host endpoint of all interfaces closes each of them but for failsafe ports, and no pods',
    objects: [hostEndpoint({ interfaceName: '*' })],
    passes: [
      'out > host TCP/22',
      'back > host TCP/22',
      'host > web TCP/80',
      'web > host TCP/80',
      'out > web TCP/80',
    ],
    fails: ['out > host TCP/80', 'back > host TCP/80', 'guest > host TCP/80', 'host > back TCP/80'],
  },
  {
    situation: 'an interface with a host endpoint of its own is not of the one of all interfaces',
    objects: [
      hostEndpoint({ interfaceName: '*' }),
      calico('HostEndpoint', 'eth0', { node: 'host', ...eth0, profiles: open }),
    ],
    passes: ['out > host TCP/80', 'host > out TCP/80'],
    fails: ['back > host TCP/80'],
  },
  {
    situation: 'the profile that allows everything opens a host endpoint',
    objects: [hostEndpoint({ ...eth0, profiles: open })],
    passes: ['out > host TCP/80', 'host > out TCP/80', 'out > host ICMP/8'],
  },
  {
    situation: 'profiles are asked in order, each rule by rule, and what none allows is closed',
    objects: [
      calico('Profile', 'first', { ingress: [tcp(deny, 81)] }),
      calico('Profile', 'second', { ingress: [tcp(allow, 80, 81)], egress: [] }),
      hostEndpoint({ ...eth0, profiles: ['first', 'second'] }),
    ],
    passes: ['out > host TCP/80'],
    fails: ['out > host TCP/81', 'out > host UDP/80', 'host > out TCP/80'],
  },
  {
    situation: 'a profile that is not there closes a host endpoint',
    objects: [hostEndpoint({ ...eth0, profiles: ['gone', ...open] })],
    passes: ['out > host TCP/22', 'out > web TCP/80'],
    fails: ['out > host TCP/80', 'host > out TCP/80'],
  },
  {
    situation: 'policy of a host endpoint decides before its profiles, each direction by itself',
    objects: [
      hostEndpoint({ ...eth0, profiles: open }),
      hostPolicy('p', { types: ['Ingress'], ingress: [tcp(allow, 80)] }),
    ],
    passes: ['out > host TCP/80', 'host > out TCP/80', 'host > out TCP/81', 'out > back TCP/81'],
    fails: ['out > host TCP/81', 'out > host UDP/80'],
  },
  {
    situation: 'Pass past the last tier leads to the profiles of a host endpoint',
    objects: [
      hostEndpoint({ ...eth0, profiles: open }),
      hostPolicy('p', { types: ['Ingress'], ingress: [tcp({ action: 'Pass' }, 80)] }),
    ],
    passes: ['out > host TCP/80'],
    fails: ['out > host TCP/81'],
  },
  {
    situation: 'failsafe ports are open before any policy, and where none are configured none are',
    objects: [
      felixConfiguration({
        failsafeInboundHostPorts: [{ protocol: 'TCP', port: 81 }],
        failsafeOutboundHostPorts: [],
      }),
      hostEndpoint(eth0),
      hostPolicy('p', { types: ['Ingress', 'Egress'], ingress: [deny], egress: [deny] }),
    ],
    passes: ['out > host TCP/81'],
    fails: ['out > host TCP/22', 'out > host TCP/80', 'host > out TCP/179'],
  },
  {
    situation: 'a policy of a pod names a host endpoint by its labels: the addresses that it expects',
    objects: [
      hostEndpoint({ ...eth0, profiles: open, expectedIPs: addresses.host }),
      egress('p', [{ ...allow, destination: { selector: "role == 'node'" } }]),
    ],
    passes: ['friend > host TCP/80'],
    fails: ['friend > out TCP/80', 'friend > web TCP/80'],
  },
];

const forward: readonly Path[] = [
  {
    situation: 'a policy that does not apply on forward says nothing of what is forwarded',
    objects: [
      hostEndpoint({ ...eth0, profiles: open }),
      hostPolicy('p', { types: ['Ingress', 'Egress'], ingress: [deny], egress: [deny] }),
    ],
    passes: ['out > back TCP/80', 'back > out TCP/80', 'out > web TCP/80', 'web > out TCP/80'],
    fails: ['out > host TCP/80', 'host > out TCP/80'],
  },
  {
    situation: 'a policy that applies on forward is asked about what comes in by the interface',
    objects: [
      hostEndpoint({ ...eth0, profiles: open }),
      hostPolicy('p', { ...early, ingress: [tcp(deny, 80), allow] }),
    ],
    passes: ['out > back TCP/81', 'out > web TCP/81', 'back > out TCP/80', 'web > out TCP/80'],
    fails: ['out > back TCP/80', 'out > web TCP/80', 'out > host TCP/80', 'out > host TCP/30080'],
  },
  {
    situation: 'a policy that applies on forward and does not match closes, failsafe ports do not open',
    objects: [
      hostEndpoint({ ...eth0, profiles: open }),
      hostPolicy('p', { ...early, ingress: [tcp(allow, 81)] }),
    ],
    passes: ['out > back TCP/81', 'out > host TCP/81', 'back > out TCP/80'],
    fails: ['out > back TCP/80', 'out > web TCP/80', 'out > host TCP/80'],
  },
  {
    situation: 'a policy of egress that applies on forward is asked about what leaves by the interface',
    objects: [
      hostEndpoint({ ...eth0, profiles: open }),
      hostPolicy('p', { applyOnForward: true, types: ['Egress'], egress: [tcp(allow, 81)] }),
    ],
    passes: ['back > out TCP/81', 'web > out TCP/81', 'out > back TCP/80', 'out > web TCP/80'],
    fails: ['back > out TCP/80', 'web > out TCP/80', 'host > out TCP/80'],
  },
  {
    situation: 'what a policy of forwarding allows the policy of the pod may deny',
    objects: [
      hostEndpoint({ ...eth0, profiles: open }),
      hostPolicy('p', { ...early, ingress: [allow] }),
      ingress('q', [tcp(allow, 81)]),
    ],
    passes: ['out > web TCP/81', 'out > friend TCP/80'],
    fails: ['out > web TCP/80'],
  },
];

const preDnat = { ...early, preDNAT: true };
const beforeTranslation: readonly Path[] = [
  {
    situation: 'a preDNAT policy denies the port that was dialled, which somebody else translates',
    objects: [
      hostEndpoint({ ...eth0, profiles: open }),
      hostPolicy('p', { ...preDnat, ingress: [tcp(deny, 30080)] }),
    ],
    passes: ['out > web TCP/80', 'out > host TCP/80', 'back > host TCP/30080'],
    fails: ['out > host TCP/30080'],
  },
  {
    situation: 'a preDNAT policy that does not match leaves all to the later stages',
    objects: [
      hostEndpoint({ ...eth0, profiles: open }),
      hostPolicy('p', { ...preDnat, ingress: [tcp(deny, 81)] }),
    ],
    passes: ['out > host TCP/30080', 'out > web TCP/80', 'out > host TCP/80', 'out > back TCP/80'],
    fails: ['out > host TCP/81', 'out > web TCP/81', 'out > back TCP/81'],
  },
  {
    situation:
      'what a preDNAT policy allows no other policy of the host endpoint is asked about, the pod’s is',
    objects: [
      hostEndpoint(eth0),
      hostPolicy('p', { ...preDnat, order: 1, ingress: [tcp(allow, 30080, 80)] }),
      hostPolicy('q', { ...early, order: 2, ingress: [deny] }),
      ingress('r', [tcp(allow, 80)]),
    ],
    passes: ['out > host TCP/30080', 'out > host TCP/80', 'out > web TCP/80'],
    fails: ['out > web TCP/81', 'out > host TCP/81', 'out > back TCP/81'],
  },
  {
    situation: 'policy of a pod sees the port after translation',
    objects: [ingress('p', [tcp(allow, 80)])],
    passes: ['out > host TCP/30080'],
    fails: ['out > web TCP/81'],
  },
  {
    situation: 'a connection that stands goes on when a preDNAT policy forbids it',
    objects: [hostEndpoint({ ...eth0, profiles: open }), hostPolicy('p', { ...preDnat, ingress: [deny] })],
    goesOn: ['out > web TCP/80', 'out > host TCP/80'],
    fails: ['out > web TCP/80', 'out > host TCP/80', 'out > host TCP/30080'],
  },
];

const untracked = { applyOnForward: true, doNotTrack: true };
const fromPort80 = { ...allow, protocol: 'TCP', source: { ports: [80] } };
const withoutTracking: readonly Path[] = [
  {
    situation: 'what an untracked policy allows both ways is open, though no other policy allows it',
    objects: [
      hostEndpoint(eth0),
      hostPolicy('p', {
        ...untracked,
        types: ['Ingress', 'Egress'],
        ingress: [tcp(allow, 80)],
        egress: [fromPort80],
      }),
    ],
    passes: ['out > host TCP/80', 'out > host TCP/22'],
    fails: ['out > host TCP/81', 'host > out TCP/80'],
  },
  {
    situation: 'what an untracked policy allows one way only has no replies',
    objects: [
      hostEndpoint(eth0),
      hostPolicy('p', { ...untracked, types: ['Ingress'], ingress: [tcp(allow, 80)] }),
    ],
    passes: ['out > host TCP/22'],
    fails: ['out > host TCP/80'],
  },
  {
    situation:
      'what an untracked policy denies is closed, be it allowed later, and what it does not name goes on',
    objects: [
      hostEndpoint({ ...eth0, profiles: open }),
      hostPolicy('p', { ...untracked, types: ['Ingress'], ingress: [tcp(deny, 80)] }),
    ],
    passes: ['out > host TCP/81', 'out > web TCP/81'],
    fails: ['out > host TCP/80', 'out > web TCP/80', 'out > back TCP/80'],
  },
];

/** Those of the host. */
export const hostPaths: readonly Path[] = [
  ...ownHost,
  ...normal,
  ...forward,
  ...beforeTranslation,
  ...withoutTracking,
];
