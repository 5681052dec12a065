/** Commands that ask the daemons of this node over their sockets. */

import { type Command, command, namespace, output, socket, usual } from '../command.ts';
import type {
  BgpRoutesOptions,
  NodeStatusOptions,
  PeerOptions,
  PeersOptions,
  PolicyOptions,
  ServicesOptions,
} from '../options.ts';

export const nodeCommands: readonly Command[] = [
  command<NodeStatusOptions>({
    name: 'node status',
    words: '[node]',
    what: 'the BGP sessions of this node, or with a name those another node reports',
    options: [socket('bgp'), output('wide', 'json', 'yaml')],
    examples: ['tortiectl node status', 'tortiectl node status node2 -o wide'],
    exits: [
      [0, 'every session is up'],
      [1, 'some are not, there is a problem, or there is no report of that node'],
      [2, 'the speaker, or the cluster, does not answer'],
    ],
    run: async ([node], options) => {
      if (node === undefined) return (await import('../node-status.ts')).nodeStatus(options);
      return (await import('../reported-status.ts')).reportedStatus(node, options);
    },
  }),
  command<PeersOptions>({
    name: 'bgp peers',
    what: 'the neighbours of this node, and why each session that is down is so',
    options: [
      socket('bgp'),
      output('wide', 'json', 'yaml'),
      { flags: '-w, --watch', what: 'draw it anew every second, until Ctrl-C' },
    ],
    examples: ['tortiectl bgp peers', 'tortiectl bgp peers -o wide --watch'],
    exits: [
      [0, 'every session is up'],
      [1, 'some are not'],
      [2, 'the speaker does not answer'],
    ],
    run: async (_, options) => (await import('../peers.ts')).bgpPeers(options),
  }),
  command<PeerOptions>({
    name: 'bgp peer',
    words: '<peer>',
    what: 'one neighbour, by name, BGPPeer, node or address: what was agreed, timers, counters, the last errors',
    options: [socket('bgp'), output('json', 'yaml')],
    examples: ['tortiectl bgp peer 172.30.0.1', 'tortiectl bgp peer tor -o json'],
    exits: [
      [0, 'its session is up'],
      [1, 'it is not, or there is no such neighbour'],
      [2, 'the speaker does not answer'],
    ],
    run: async ([peer = ''], options) => (await import('../peer.ts')).bgpPeer(peer, options),
  }),
  command<BgpRoutesOptions>({
    name: 'bgp routes',
    words: '[prefix]',
    what: 'the routes this node knows, the best first; with a prefix, only those within it',
    options: [
      socket('bgp'),
      output('wide', 'json', 'yaml'),
      {
        flags: '--received <peer>',
        what: 'only what this neighbour (name or address) sent',
        conflicts: ['advertised'],
      },
      { flags: '--advertised <peer>', what: 'what this neighbour was sent' },
    ],
    examples: ['tortiectl bgp routes 10.65.0.0/16', 'tortiectl bgp routes --received 172.30.0.1'],
    exits: usual,
    run: async ([prefix], options) => (await import('../routes.ts')).bgpRoutes(prefix, options),
  }),
  command({
    name: 'bgp decode',
    what: 'BGP messages from standard input, one a line: sound or not, what RFC 7606 does with each, and what it says',
    examples: [
      'echo ffffffffffffffffffffffffffffffff001304 | tortiectl bgp decode',
      'tortiectl bgp decode < messages.jsonl',
    ],
    exits: [
      [0, 'every line held a message, sound or not'],
      [1, 'a line held none: neither JSON nor hexadecimal'],
      [2, 'asked for wrongly'],
    ],
    run: async () => (await import('../decode.ts')).bgpDecode(),
  }),
  command<ServicesOptions>({
    name: 'bgp services',
    words: '[service]',
    what: 'which addresses of Services this node announces, and why or why not',
    options: [socket('bgp'), output('json', 'yaml')],
    examples: ['tortiectl bgp services', 'tortiectl bgp services shop/front -o json'],
    exits: usual,
    run: async ([service], options) => (await import('../services.ts')).bgpServices(service, options),
  }),
  command<PolicyOptions>({
    name: 'policy show',
    words: '<pod>',
    what: 'what applies to a pod of this node, in the order it is evaluated',
    options: [socket('felix'), output('json', 'yaml'), { ...namespace, what: 'the namespace of the pod' }],
    examples: ['tortiectl policy show front -n shop', 'tortiectl policy show shop/front -o json'],
    exits: usual,
    run: async ([pod = ''], options) => (await import('../policy.ts')).policyShow(pod, options),
  }),
];
