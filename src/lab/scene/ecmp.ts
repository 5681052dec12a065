/**
 * Two ToRs and a cut: a node with a link to each uses both, BFD notices within milliseconds that one way is gone.
 *
 *     pod ── node1 ──┬── cable a ── tora (BIRD) ──┬── spine 192.0.2.10
 *                    └── cable b ── torb (FRR) ───┘
 *
 * A cable is a bridge in a namespace of its own. Cut in the middle, no port of anybody goes down: only BFD can tell.
 */
import { durationText } from '../report.ts';
import { byPorts, type Ground, now } from './ground.ts';
import { bgpConfiguration, bgpPeer, ipPool, letIn, node, nodeAsn } from './manifests.ts';
import { startBird, startFrr } from './router.ts';
import type { Loss } from './says.ts';
import { birdNeeds, type Facts, frrNeeds, median, type Scene, type Stage } from './scene.ts';
import { lossText, lostOf, startTraffic, type Traffic } from './traffic.ts';

const torAsn = 65000;
const spineAsn = 65100;
const outside = '192.0.2.0/24';
const host = '192.0.2.10';
const podCidr = '10.65.1.0/24';
const nodeAddress = '10.0.0.11';
const bfdMs = 50;
const multiplier = 3;
/** So long both ways are used before and after each cut, and counted. */
const steadyMs = 1000;

const sides = {
  a: { tor: '172.30.1.1', node: '172.30.1.11', torUp: '172.31.1.1', spine: '172.31.1.2' },
  b: { tor: '172.30.2.1', node: '172.30.2.11', torUp: '172.31.2.1', spine: '172.31.2.2' },
} as const;
type Side = keyof typeof sides;
const both: readonly Side[] = ['a', 'b'];

const wire = (ground: Ground): Promise<void> =>
  ground.wire([
    {
      name: 'cables',
      ip: both.flatMap((side) => [
        `link add cable-${side} type bridge stp_state 0 mcast_snooping 0`,
        `link set cable-${side} up`,
        `link add ${side}-node type veth peer name eth-${side} netns {node1}`,
        `link add ${side}-tor type veth peer name south netns {tor${side}}`,
        ...[`${side}-node`, `${side}-tor`].flatMap((port) => [
          `link set ${port} master cable-${side}`,
          `link set ${port} up`,
        ]),
      ]),
    },
    {
      name: 'spine',
      sysctls: byPorts,
      ip: [
        `address add ${host}/24 dev lo`,
        ...both.flatMap((side) => [
          `link add to-${side} type veth peer name north netns {tor${side}}`,
          `address add ${sides[side].spine}/24 dev to-${side}`,
          `link set to-${side} up`,
        ]),
      ],
    },
    ...both.map((side) => ({
      name: `tor${side}`,
      ip: [
        `address add ${sides[side].tor}/24 dev south`,
        `address add ${sides[side].torUp}/24 dev north`,
        'link set south up',
        'link set north up',
      ],
    })),
    {
      name: 'node1',
      sysctls: byPorts,
      ip: [
        `address add ${nodeAddress}/32 dev lo`,
        ...both.flatMap((side) => [
          `address add ${sides[side].node}/24 dev eth-${side}`,
          `link set eth-${side} up`,
        ]),
      ],
    },
  ]);

const birdHead = (id: string): string => `log stderr all;
router id ${id};
protocol device { scan time 2; }
`;
const birdTimers = 'connect retry time 1; connect delay time 1; error wait time 1, 2;';

const torA = `${birdHead(sides.a.tor)}protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }
protocol bfd { interface "south" { interval ${bfdMs} ms; multiplier ${multiplier}; }; }
protocol bgp node1 {
  local ${sides.a.tor} as ${torAsn}; neighbor ${sides.a.node} as ${nodeAsn};
  bfd on; ${birdTimers}
  ipv4 { import all; export all; };
}
protocol bgp spine {
  local ${sides.a.torUp} as ${torAsn}; neighbor ${sides.a.spine} as ${spineAsn};
  ${birdTimers}
  ipv4 { import all; export all; };
}
`;

/** Without suppress-fib-pending FRR announces a route before its kernel has it, and drops what comes in between. */
const torB = `router bgp ${torAsn}
 bgp suppress-fib-pending
 bgp router-id ${sides.b.tor}
 no bgp ebgp-requires-policy
 neighbor ${sides.b.node} remote-as ${nodeAsn}
 neighbor ${sides.b.node} timers connect 1
 neighbor ${sides.b.node} advertisement-interval 0
 neighbor ${sides.b.node} bfd ${multiplier} ${bfdMs} ${bfdMs}
 neighbor ${sides.b.spine} remote-as ${spineAsn}
 neighbor ${sides.b.spine} timers connect 1
 neighbor ${sides.b.spine} advertisement-interval 0
`;

const spine = `${birdHead(host)}protocol static { ipv4; route ${outside} blackhole; }
protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; merge paths on; }
${both
  .map(
    (side) => `protocol bgp tor${side} {
  local ${sides[side].spine} as ${spineAsn}; neighbor ${sides[side].torUp} as ${torAsn};
  ${birdTimers}
  ipv4 { import all; export where source = RTS_STATIC; };
}
`,
  )
  .join('')}`;

const manifests = [
  bgpConfiguration({ nodeToNodeMeshEnabled: false }),
  ipPool('pods', '10.65.0.0/16'),
  letIn('outside', outside),
  node('node1', nodeAddress, podCidr),
  ...both.map((side) =>
    bgpPeer(`tor${side}`, {
      ...{ peerIP: sides[side].tor, asNumber: torAsn, sourceAddress: 'None', connectRetry: '1s' },
      filters: ['outside'],
      bfd: {
        ...{ minimumSendInterval: `${bfdMs}ms`, minimumRecvInterval: `${bfdMs}ms`, multiplier },
      },
    }),
  ),
];

/** What the kernel of a host does with a prefix, and when, from `ip monitor`. */
interface Seen {
  readonly at: number;
  readonly ways: number;
}

function watchRoute(ground: Ground, where: string, prefix: string): Seen[] {
  const seen: Seen[] = [];
  ground.watch(where, ['stdbuf', '-oL', 'ip', '-ts', '-o', 'monitor', 'route'], (line) => {
    const [, stamp, isDeleted, rest = ''] = /^\[([^\]]+)\]\s*(Deleted )?(.*)$/.exec(line) ?? [];
    if (stamp === undefined || !rest.startsWith(`${prefix} `)) return;
    const age = Date.now() - Date.parse(`${stamp.slice(0, 23)}Z`);
    const ways = isDeleted === undefined ? (rest.match(/\bvia /g) ?? []).length : 0;
    seen.push({ at: now() - age, ways });
  });
  return seen;
}

/** Both sessions and their BFD are up, with the times asked for, and have been so for a while; both kernels have two ways. */
async function bothWays(ground: Ground): Promise<void> {
  await ground.until('both sessions with their BFD, and two next hops', async () => {
    for (const side of both) {
      const peer = await ground.peer('node1', `tor${side}`);
      if (peer?.state !== 'Established' || peer.bfd?.state !== 'Up') return false;
      if (peer.bfd.detectionMs !== bfdMs * multiplier) return false;
      // FRR makes its BFD session anew once BGP is up.
      if (Date.now() - Date.parse(peer.bfd.since ?? '') < 1500) return false;
    }
    const ways = await Promise.all([ground.ways('node1', outside), ground.ways('spine', podCidr)]);
    return ways.every((hops) => hops.length === 2);
  });
}

/** How a cable is broken: in its middle, or at the node's end, whose port loses its carrier. */
const kinds = {
  middle: { says: 'is cut in its middle', port: (side: Side) => `cable-${side}` },
  plug: { says: 'is pulled at the node', port: (side: Side) => `${side}-node` },
} as const;
type Kind = keyof typeof kinds;

interface Watch {
  readonly traffic: Traffic;
  readonly seen: readonly Seen[];
}

interface Cut {
  readonly link: Side;
  readonly kind: Kind;
  /** From the first lost packet to the last, in milliseconds: out of the pod, and the answers back to it. */
  readonly outMs: number;
  readonly backMs: number;
  /** From the command that cut it, until the node's kernel has one next hop. */
  readonly kernelMs: number;
  readonly lost: number;
  readonly sent: number;
  readonly pauseMs: number;
  /** Once it was mended, until both next hops were there again, and what was lost meanwhile. */
  readonly mendedMs: number;
  readonly lostMending: number;
}

const spanOf = ({ firstAt, lastAt }: Loss): number => Math.ceil((lastAt ?? 0) - (firstAt ?? 0));

/** What a cut may cost. More is told, and counts as a failure from ten times as much on: a busy machine stands still that long. */
const wantedMs = 300;
const mostMs = 10 * wantedMs;

/** A cut that failed for what the machine did is made again, so often. */
const mostVoid = 3;

const downsOf = async (ground: Ground): Promise<readonly number[]> =>
  Promise.all(both.map(async (side) => (await ground.peer('node1', `tor${side}`))?.bfd?.downs ?? 0));

interface Attempt {
  readonly cut: Cut;
  readonly said: readonly Parameters<Stage['check']>[];
  /** BFD went down where nothing was cut: the machine stood still for longer than BFD waits, and what was lost says nothing. */
  readonly isVoid: boolean;
}

async function attempt(
  { ground }: Stage,
  { traffic, seen }: Watch,
  link: Side,
  kind: Kind,
): Promise<Attempt> {
  const said: Parameters<Stage['check']>[] = [];
  const check: Stage['check'] = (...words) => void said.push(words);
  const downsBefore = await downsOf(ground);
  const { says, port } = kinds[kind];
  const other: Side = link === 'a' ? 'b' : 'a';
  const before = now();
  await ground.pass(steadyMs);
  const quiet = await traffic.count(before);
  const at = now();
  await ground.ip('cables', `link set ${port(link)} down`);
  await ground.until(`one next hop after cable ${link} was cut`, async () => {
    const [way, ...more] = await ground.ways('node1', outside);
    return way?.gateway === sides[other].tor && more.length === 0;
  });
  const isDone = (one: Seen): boolean => one.at >= at && one.ways === 1;
  await ground.until('"ip monitor" to show that', () => seen.some(isDone));
  await ground.until('packets to flow again', async () => lostOf(await traffic.count(now() - 500)) === 0);
  const gone = await traffic.count(at);
  const [outMs, backMs] = [spanOf(gone.there), spanOf(gone.back)];
  const kernelMs = Math.ceil((seen.find(isDone)?.at ?? at) - at);
  check(
    `cable ${link} ${says}: ${outMs} ms without packets out, ${backMs} ms without answers`,
    lostOf(quiet) > 0 && `before cable ${link} was cut: ${lossText(quiet)}`,
    lostOf(gone) === 0 && `cable ${link} was cut and nothing was lost: it is in no use`,
    Math.max(outMs, backMs) > mostMs &&
      `cable ${link} ${says}: packets were lost for ${Math.max(outMs, backMs)} ms`,
  );
  check(`the node's kernel had one next hop after ${kernelMs} ms; ${lossText(gone)}`);
  const mended = now();
  await ground.ip('cables', `link set ${port(link)} up`);
  await bothWays(ground);
  const back = now();
  await ground.pass(steadyMs);
  const mending = await traffic.count(mended);
  check(
    `mended: two next hops again after ${durationText(back - mended)}; ${lossText(mending)}`,
    lostOf(mending) > 0 && `while cable ${link} came back: ${lossText(mending)}`,
  );
  const downs = (await downsOf(ground)).map((count, index) => count - (downsBefore[index] ?? 0));
  const made: Cut = {
    ...{ link, kind, outMs, backMs, kernelMs, lost: lostOf(gone), sent: gone.sent },
    pauseMs: Math.ceil(Math.max(gone.pauseMs, quiet.pauseMs, mending.pauseMs)),
    ...{ mendedMs: Math.ceil(back - mended), lostMending: lostOf(mending) },
  };
  return {
    cut: made,
    said,
    isVoid: both.some((side, index) => (downs[index] ?? 0) > (side === link ? 1 : 0)),
  };
}

async function cut(
  stage: Stage,
  watch: Watch,
  link: Side,
  kind: Kind,
): Promise<Cut & { readonly voids: number }> {
  for (let voids = 0; ; voids += 1) {
    const { cut: made, said, isVoid } = await attempt(stage, watch, link, kind);
    if (!isVoid || voids === mostVoid) {
      for (const words of said) stage.check(...words);
      return { ...made, voids };
    }
    stage.report.block(
      `      BFD went down where nothing was cut (the sender stood still for ${made.pauseMs} ms): again`,
    );
  }
}

async function play(stage: Stage): Promise<Facts> {
  const { ground, report, check, rounds } = stage;
  await wire(ground);
  ground.put(...manifests);
  report.wait('starting the routers and the node');
  await Promise.all([
    ...[ground.speaker('node1'), ground.agent('node1')],
    ...[startBird(ground, 'tora', torA), startFrr(ground, 'torb', torB), startBird(ground, 'spine', spine)],
  ]);
  const pod = await ground.pod('node1', 'pod');
  report.step('node1 with a pod, two ToRs (BIRD, FRR with bfdd) and a spine (BIRD) are there');
  await bothWays(ground);
  report.step(`BGP and BFD, ${bfdMs} ms × ${multiplier}, with both ToRs; the way out has two next hops`);
  const seen = watchRoute(ground, 'node1', outside);
  const traffic = await startTraffic({ from: pod.netns, to: host, at: [ground.netns('spine')], flows: 16 });
  try {
    const links = (): Promise<readonly number[]> =>
      Promise.all(both.map((side) => ground.sentBy('node1', `eth-${side}`)));
    const first = await links();
    const since = now();
    await ground.pass(steadyMs);
    const used = (await links()).map((packets, index) => packets - (first[index] ?? 0));
    const { sent } = await traffic.count(since);
    check(
      `a pod sends a packet every millisecond: ${used.join(' and ')} of them by the two links`,
      used.some((packets) => packets < sent / 20) &&
        `of ${sent} packets ${used.join(' and ')} went by the two links`,
    );
    const cuts: Awaited<ReturnType<typeof cut>>[] = [];
    for (const kind of ['middle', 'plug'] as const)
      for (let round = 0; round < rounds; round += 1)
        cuts.push(await cut(stage, { traffic, seen }, cuts.length % 2 === 0 ? 'a' : 'b', kind));
    const medianOf = (key: 'outMs' | 'backMs' | 'kernelMs' | 'mendedMs'): number | undefined =>
      median(cuts.filter(({ kind }) => kind === 'middle').map((one) => one[key]));
    const times = {
      ...{ out: medianOf('outMs'), back: medianOf('backMs') },
      ...{ kernel: medianOf('kernelMs'), mended: medianOf('mendedMs') },
    };
    check(
      `silent cuts, median of ${rounds}: ${times.out} ms out, ${times.back} ms back; wanted: under ${wantedMs} ms`,
    );
    return { bfdMs, multiplier, wantedMs, used, cuts, times };
  } finally {
    await traffic.close();
  }
}

export const ecmp: Scene = {
  about: 'two ToRs with ECMP and BFD: a cut link, and how long packets are lost',
  needs: [...birdNeeds, ...frrNeeds],
  play,
};
