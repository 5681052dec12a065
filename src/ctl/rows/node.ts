/** Commands that ask the daemons of this node over their sockets. */

import { type Command, command, output, socket, usual } from '../command.ts';
import type {
  BgpRoutesOptions,
  FlowsOptions,
  HistoryOptions,
  MrtOptions,
  NodeAskOptions,
  NodeStatusOptions,
  PeerOptions,
  PeersOptions,
  ResetOptions,
  ServicesOptions,
  TorOptions,
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
  command<NodeAskOptions>({
    name: 'node ask',
    words: '<method> <path> [body]',
    what: 'one question to the node agent of this node, and its answer as JSON: how "policy why --live" asks other nodes',
    options: [socket('felix')],
    examples: ['tortiectl node ask GET /status'],
    exits: [
      [0, 'answered'],
      [1, 'refused'],
      [2, 'the node agent does not answer, or is asked for wrongly'],
    ],
    run: async ([method = '', path = '', body], options) =>
      (await import('../node-ask.ts')).nodeAsk(method, path, body, options),
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
    words: '[prefix-or-address]',
    what: 'the routes this node knows, the best first, and why; of one prefix, or the one a packet to an address follows',
    options: [
      socket('bgp'),
      {
        ...output('wide', 'json', 'jsonl', 'yaml'),
        what: 'instead of a table; jsonl: a line each, as they come, in no order',
      },
      { flags: '--longer', what: 'of the prefix and all within it' },
      {
        flags: '--received <peer>',
        what: 'what this neighbour (name or address) sent, before policy',
        conflicts: ['advertised'],
      },
      { flags: '--advertised <peer>', what: 'what this neighbour was sent' },
      {
        flags: '--rejected',
        what: 'only what was not taken, and why; with --advertised, what the neighbour is not sent',
      },
      { flags: '--limit <prefixes>', what: 'so many prefixes at most; a table has 1000, 0 is all' },
    ],
    examples: [
      'tortiectl bgp routes 10.65.0.0/16 --longer',
      'tortiectl bgp routes 10.65.1.7',
      'tortiectl bgp routes --received 172.30.0.1 --rejected',
      'tortiectl bgp routes -o jsonl',
    ],
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
  command<ResetOptions>({
    name: 'bgp reset',
    words: '[peer]',
    what: 'end a session and start it anew; with --soft only have routes told again',
    options: [
      socket('bgp'),
      {
        flags: '--soft <direction>',
        what: 'in: the neighbour tells its routes again; out: we tell ours',
        choices: ['in', 'out'],
      },
      { flags: '--all', what: 'every neighbour of this node' },
    ],
    examples: [
      'tortiectl bgp reset tor --soft in',
      'tortiectl bgp reset 172.30.0.1',
      'tortiectl bgp reset --all',
    ],
    exits: [
      [0, 'the speaker has been told'],
      [1, 'there is no such neighbour'],
      [2, 'no answer, asked for wrongly, or the neighbour may not be started'],
    ],
    run: async ([peer], options) => (await import('../reset.ts')).bgpReset(peer, options),
  }),
  command<HistoryOptions>({
    name: 'bgp history',
    what: 'what happened on this node, oldest first: sessions, best paths, configuration; who did it, and why',
    options: [
      socket('bgp'),
      { ...output('json'), what: 'one JSON object a line' },
      { flags: '--peer <peer>', what: 'only of this neighbour, by name, BGPPeer, node or address' },
      { flags: '--prefix <prefix>', what: 'only of this prefix and those within it' },
      { flags: '--since <time>', what: 'not older than: 90s, 10m, 2h, 1d' },
      { flags: '-f, --follow', what: 'go on with what happens, until Ctrl-C' },
    ],
    examples: [
      'tortiectl bgp history --since 10m',
      'tortiectl bgp history --peer tor --follow',
      'tortiectl bgp history --prefix 10.65.0.0/16 -o json',
    ],
    exits: [
      [0, 'answered'],
      [2, 'no answer, or asked for wrongly'],
    ],
    run: async (_, options) => (await import('../history.ts')).bgpHistory(options),
  }),
  command<MrtOptions>({
    name: 'bgp mrt',
    words: '<file>',
    what: 'write the routes this node knows to a file in MRT format (RFC 6396), for bgpdump and the like; "-" is standard output',
    options: [socket('bgp')],
    examples: ['tortiectl bgp mrt rib.mrt', 'tortiectl bgp mrt - | bgpdump -m -'],
    exits: [
      [0, 'written, and whole'],
      [2, 'no answer, or the file cannot be written'],
    ],
    run: async ([file = '-'], options) => (await import('../mrt.ts')).bgpMrt(file, options),
  }),
  command<TorOptions>({
    name: 'bgp tor-config',
    what: "a router's side of our sessions with it, from BGPPeer, BGPConfiguration, IPPool and Node objects, ready to paste",
    options: [
      {
        flags: '--vendor <vendor>',
        what: 'in whose words',
        choices: ['frr', 'bird', 'eos', 'nxos', 'junos'],
        fallback: 'frr',
      },
      { flags: '--peer <peer>', what: 'which router, by address or BGPPeer; not needed where there is one' },
      { flags: '--range <prefix>', what: 'instead of a neighbour for each node, whoever dials from there' },
    ],
    examples: [
      'tortiectl bgp tor-config --vendor frr',
      'tortiectl bgp tor-config --vendor eos --peer 172.30.0.1 --range 172.30.0.0/24',
    ],
    exits: [
      [0, 'printed'],
      [1, 'there is no such router'],
      [2, 'the cluster does not answer or does not let you look, or asked for wrongly'],
    ],
    run: async (_, options) => (await import('../tor/command.ts')).torConfig(options),
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
  command<FlowsOptions>({
    name: 'flows',
    what: 'packets that policy of this node reported, oldest first: who to whom, at which end, by which tier, policy and rule',
    options: [
      socket('felix'),
      { ...output('json'), what: 'one JSON object a line' },
      { flags: '--denied', what: 'only those that were denied' },
      { flags: '-n, --namespace <namespace>', what: 'only those from or to its pods' },
      { flags: '--pod <pod>', what: 'only those from or to this pod, with its namespace before it or by -n' },
      { flags: '-f, --follow', what: 'go on with what happens, until Ctrl-C' },
    ],
    examples: [
      'tortiectl flows --denied',
      'tortiectl flows --denied --follow -n shop',
      'tortiectl flows --pod shop/db -o json',
    ],
    exits: [
      [0, 'answered'],
      [2, 'no answer, or asked for wrongly'],
    ],
    run: async (_, options) => (await import('../flows.ts')).flows(options),
  }),
];
