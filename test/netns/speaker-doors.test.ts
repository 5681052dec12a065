/** A host that is closed to its pods, and pods that are BGP neighbours of its speaker: who reaches the port, by packets. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Addition } from '../../felix/rules/addition.ts';
import type { Chain } from '../../felix/rules/model.ts';
import { defaultRulesSettings } from '../../felix/rules/settings.ts';
import { type SpeakerDoor, speakerDoors } from '../../felix/rules/speaker.ts';
import { endpointMap } from '../../felix/rules/stage.ts';
import { staticRuleset } from '../../felix/rules/static.ts';
import { tcpConnect, tcpListen } from '../../src/kernel/sockets.ts';
import { address, createSmallNode, names, type Place, type SmallNode } from '../support/additions.ts';

const [peering4, peering6] = ['169.254.77.1', 'fd00:77::1'];
const [podLink, neighbourLink] = ['cali0000000000a', 'cali0000000000b'];

const door = (name: string, from: string, to: string): SpeakerDoor => ({
  interface: name,
  from: address(from),
  to: address(to),
});
const doors = [
  door(podLink, names.pod[4], peering4),
  door(podLink, names.pod[6], peering6),
  door(neighbourLink, names.neighbour[4], peering4),
];

/** The frame with two pods: the first may send everything, the second nothing. */
function closedHost(): Addition {
  const { chains, sets } = staticRuleset({
    ...defaultRulesSettings,
    endpointToHost: 'Drop',
    speakerPort: 179,
    reversePath: false,
  });
  const map = endpointMap({ kind: 'workload', direction: 'Egress', stage: 'normal' }).name;
  const endpoints: readonly Chain[] = [
    { name: 'open', rules: [{ matches: [], verdict: { kind: 'accept' } }] },
    { name: 'shut', rules: [{ matches: [], verdict: { kind: 'drop' } }] },
  ];
  const named = new Map([...chains, ...endpoints, speakerDoors(doors)].map((chain) => [chain.name, chain]));
  return {
    chains: [...named.values()],
    sets: sets.map((decl) => ({
      decl,
      elements:
        decl.name === map
          ? [
              { kind: 'dispatch', interface: podLink, chain: 'open' },
              { kind: 'dispatch', interface: neighbourLink, chain: 'shut' },
            ]
          : [],
    })),
  };
}

describe.each(['nftables', 'iptables'] as const)('by %s', (renderer) => {
  let node: SmallNode;
  const servers: { close(): void }[] = [];
  beforeAll(async () => {
    node = await createSmallNode(`door${renderer}`, renderer);
    await node.playground.exec(
      'node',
      `ip route add local ${peering4} dev lo table local; ip -6 route add local ${peering6} dev lo table local
      ip -n ${node.playground.netns('pod')} address add 10.65.0.3/24 dev eth0`,
    );
    await node.load(closedHost());
    for (const port of [179, 180])
      for (const any of ['0.0.0.0', '::'])
        servers.push(await tcpListen(node.path('node'), address(any), port, (socket) => socket.resume()));
  });
  afterAll(async () => {
    for (const server of servers) server.close();
    await node.close();
  });

  const connects = async (from: Place, to: string, port: number, timeoutMs: number): Promise<boolean> =>
    tcpConnect(node.path(from), address(to), port, { timeoutMs }).then(
      (socket) => {
        socket.destroy();
        return true;
      },
      () => false,
    );

  test('a pod that is a neighbour reaches the port at the peering address, over both families', async () => {
    expect(await connects('pod', peering4, 179, 15_000)).toBe(true);
    expect(await connects('pod', peering6, 179, 15_000)).toBe(true);
  });

  test('nothing else is open: no other port, no other address, no pod whose egress policy says no', async () => {
    const closed = [
      ['pod', peering4, 180],
      ['pod', names.node[4], 179],
      ['pod', names.node[6], 179],
      ['neighbour', peering4, 179],
      ['neighbour', peering6, 179],
    ] as const;
    expect(await Promise.all(closed.map(([from, to, port]) => connects(from, to, port, 700)))).toEqual(
      closed.map(() => false),
    );
  });

  test('nor to another address of the same pod', async () => {
    await node.playground.exec('pod', `ip route add ${peering4} via 10.65.0.1 src 10.65.0.3`);
    expect(await connects('pod', peering4, 179, 700)).toBe(false);
    await node.playground.exec('pod', `ip route del ${peering4}`);
    expect(await connects('pod', peering4, 179, 15_000)).toBe(true);
  });
});
