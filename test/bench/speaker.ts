/**
 * `tortie bgp` beside BIRD 2, each in the middle of its own row of three namespaces:
 *
 *     feeder (BIRD) ── eBGP ── the one measured ── eBGP ── third (BIRD)      all three on one subnet
 *
 * Sessions are up and empty; then the feeder gets all its routes at once (its static protocol is enabled), which is time
 * zero, and later loses them. Told apart: accepted by the one measured, in its kernel (counted from outside, by
 * /proc/PID/net/fib_triestat), known to the third. The two rows work in turn.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { askSocket } from '../../src/host/socket.ts';
import { formatPrefix, ipv4, prefix4 } from '../../src/lib/net.ts';
import type { BgpStatus } from '../../src/model/status.ts';
import { eventually } from '../support/eventually.ts';
import { createPlayground, type Playground, type Running } from '../support/namespaces.ts';
import { type Bird, startBird } from './bird.ts';
import { inTurns } from './interleave.ts';
import type { Row } from './table.ts';

const sizes = [20_000, 100_000];
const rounds = 5;
/** How finely the outside looks, in ms; looking costs the one looked at a little. */
const lookEvery = 10;

/** As users start it: it says how much memory the process may take before it gives some back. */
const launcher = new URL('../../src/tortie.sh', import.meta.url).pathname;

const stages = ['accepted', 'kernel', 'third'] as const;
type Stage = (typeof stages)[number];
type Counts = Readonly<Record<Stage, () => number | Promise<number>>>;

interface Speaker {
  readonly running: Running;
  accepted(): Promise<number>;
  /** Waits for both sessions. */
  up(): Promise<void>;
  close(): void;
}

interface Contender {
  readonly feeder: Bird;
  readonly counts: Counts;
  readonly running: Running;
  close(): void;
}

export async function run(): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const size of sizes) rows.push(...(await measure(size)));
  return rows;
}

async function measure(size: number): Promise<readonly Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'tortie-bench-'));
  const ground = createPlayground('bs');
  const figures = new Map<string, number[]>();
  const note = (name: string, figure: number): void => {
    figures.set(name, [...(figures.get(name) ?? []), figure]);
  };
  try {
    const ours = await lineUp(ground, directory, 'o', size, startTortie);
    const peer = await lineUp(ground, directory, 'p', size, startBirdMiddle);
    const cycle = (who: string, contender: Contender, round: number) => async (): Promise<void> => {
      const before = await pass(contender, 'enable', size);
      const rss = residentMb(contender.running.process.pid);
      const after = await pass(contender, 'disable', 0);
      if (round < 0) return; // the first pass warms up
      for (const stage of stages) {
        note(`${who} ${stage}`, before[stage]);
        note(`${who} ${stage} gone`, after[stage]);
      }
      note(`${who} rss`, rss);
    };
    await cycle('ours', ours, -1)();
    await cycle('peer', peer, -1)();
    await inTurns(
      rounds,
      (round) => cycle('ours', ours, round)(),
      (round) => cycle('peer', peer, round)(),
    );
    for (const { close } of [ours, peer]) close();
  } finally {
    await ground.close();
    rmSync(directory, { recursive: true });
  }
  return rowsOf(size, figures);
}

const titles: readonly (readonly [string, string])[] = [
  ['accepted', 'accepted'],
  ['kernel', 'all in the kernel'],
  ['third', 'all told to a third peer'],
  ['accepted gone', 'withdrawn: all gone'],
  ['kernel gone', 'withdrawn: kernel empty'],
  ['third gone', 'withdrawn: third peer empty'],
];

function rowsOf(size: number, figures: ReadonlyMap<string, readonly number[]>): readonly Row[] {
  const row = (key: string, title: string, unit: Row['unit']): Row => ({
    name: `speaker: ${size / 1000}k ${title}`,
    unit,
    ours: figures.get(`ours ${key}`) ?? [],
    peer: figures.get(`peer ${key}`) ?? [],
    peerName: 'BIRD 2',
  });
  return [...titles.map(([key, title]) => row(key, title, 'ms')), row('rss', 'resident memory', 'MB')];
}

/** Milliseconds until each stage has `target` routes. */
async function pass(
  { feeder, counts }: Contender,
  verb: 'enable' | 'disable',
  target: number,
): Promise<Record<Stage, number>> {
  const began = performance.now();
  await feeder.ask(`${verb} feed`);
  const took: Record<Stage, number> = { accepted: Number.NaN, kernel: Number.NaN, third: Number.NaN };
  const left = new Set<Stage>(stages);
  const seenAt: Record<string, number> = {};
  await eventually(
    async () => {
      for (const stage of [...left]) {
        const seen = await counts[stage]();
        seenAt[stage] = seen;
        if (seen === target) {
          took[stage] = performance.now() - began;
          left.delete(stage);
        } else if (stage === 'accepted') break; // counting 100k routes in the kernel takes it 20 ms: not before it can be done
      }
      if (left.size > 0)
        throw new Error(`speaker: ${[...left].join(', ')} of ${target} not there: ${JSON.stringify(seenAt)}`);
    },
    { within: 120_000, every: lookEvery },
  );
  return took;
}

type StartMiddle = (ground: Playground, directory: string, netns: string) => Promise<Speaker>;

async function lineUp(
  ground: Playground,
  directory: string,
  row: string,
  size: number,
  startMiddle: StartMiddle,
): Promise<Contender> {
  const [left, middle, right] = [`${row}feeder`, `${row}middle`, `${row}third`];
  ground.link([left, 'eth0', '10.201.0.2/24'], [middle, 'eth1']);
  ground.link([right, 'eth0', '10.201.0.3/24'], [middle, 'eth2']);
  await ground.exec(
    middle,
    'ip link add rack type bridge && ip address add 10.201.0.1/24 dev rack && ip link set rack up && ip link set eth1 master rack && ip link set eth2 master rack',
  );
  const speaker = await startMiddle(ground, directory, middle);
  const feeder = await startBird(ground, left, directory, feederConfig(size));
  const third = await startBird(ground, right, directory, edgeConfig('10.201.0.3', '10.201.0.1', 65002));
  await speaker.up();
  const kernelNow = kernelCounter(speaker.running.process.pid);
  const idle = kernelNow();
  return {
    feeder,
    running: speaker.running,
    counts: {
      accepted: speaker.accepted,
      kernel: () => kernelNow() - idle,
      third: () => third.imported('session'),
    },
    close: () => {
      for (const one of [feeder, third, speaker]) one.close();
    },
  };
}

/** Prefixes in the main IPv4 table of the namespace a process is in. */
function kernelCounter(pid: number | undefined): () => number {
  const path = `/proc/${pid}/net/fib_triestat`;
  return () => Number(/Prefixes:\s+(\d+)/.exec(readFileSync(path, 'utf8'))?.[1] ?? 0);
}

const residentMb = (pid: number | undefined): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

const session = (name: string, own: string, asn: number, neighbour: string, remoteAsn: number): string =>
  `protocol bgp ${name} {
  local ${own} as ${asn};
  neighbor ${neighbour} as ${remoteAsn};
  connect delay time 1; connect retry time 2; error wait time 1, 2;
  ipv4 { import all; export all; };
}
`;

const edgeConfig = (own: string, neighbour: string, asn: number): string =>
  `log stderr { warning, error, fatal };
router id ${own};
protocol device {}
${session('session', own, asn, neighbour, 64512)}`;

function feederConfig(size: number): string {
  const routes = Array.from(
    { length: size },
    (_, index) => `  route ${formatPrefix(prefix4(ipv4(0x0b000000 + index * 128), 25))} blackhole;\n`,
  );
  return `${edgeConfig('10.201.0.2', '10.201.0.1', 65001)}
protocol static feed {
  disabled;
  ipv4;
${routes.join('')}}
`;
}

const birdMiddle = `log stderr { warning, error, fatal };
router id 10.201.0.1;
protocol device {}
protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }
${session('feeder', '10.201.0.1', 64512, '10.201.0.2', 65001)}
${session('third', '10.201.0.1', 64512, '10.201.0.3', 65002)}`;

async function startBirdMiddle(ground: Playground, directory: string, netns: string): Promise<Speaker> {
  const bird = await startBird(ground, netns, directory, birdMiddle);
  return {
    running: bird.running,
    accepted: () => bird.imported('feeder'),
    up: () =>
      eventually(
        async () => {
          const established = (await bird.ask('show protocols')).match(/Established/g)?.length;
          if (established !== 2)
            throw new Error(`speaker: BIRD has not both sessions: ${bird.running.output()}`);
        },
        { within: 30_000 },
      ),
    close: bird.close,
  };
}

const manifests: readonly object[] = [
  {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node1', annotations: { 'projectcalico.org/IPv4Address': '10.201.0.1/24' } },
    spec: {},
  },
  {
    apiVersion: 'projectcalico.org/v3',
    kind: 'IPPool',
    metadata: { name: 'all' },
    spec: { cidr: '11.0.0.0/8' },
  },
  ...(
    [
      ['feeder', '10.201.0.2', 65001],
      ['third', '10.201.0.3', 65002],
    ] as const
  ).map(([name, peerIP, asNumber]) => ({
    apiVersion: 'projectcalico.org/v3',
    kind: 'BGPPeer',
    metadata: { name },
    spec: { peerIP, asNumber },
  })),
];

async function startTortie(ground: Playground, directory: string, netns: string): Promise<Speaker> {
  const store = join(directory, 'store');
  mkdirSync(store);
  writeFileSync(join(store, 'all.yaml'), manifests.map((object) => stringify(object)).join('---\n'));
  const socket = join(directory, 'bgp.sock');
  const running = ground.start(netns, [
    ...[
      launcher,
      'bgp',
      '--datastore',
      `dir:${store}`,
      '--node',
      'node1',
      '--socket',
      socket,
      '--log-level',
      'warn',
    ],
  ]);
  const status = async (): Promise<BgpStatus> => {
    const answer = await askSocket(socket, '/status');
    if (!answer.ok) throw new Error(`${answer.error}\n${running.output()}`);
    return answer.value.body as BgpStatus;
  };
  return {
    running,
    accepted: async () =>
      (await status()).peers.find(({ address }) => address === '10.201.0.2')?.prefixesAccepted ?? 0,
    up: () =>
      eventually(
        async () => {
          const { peers, problems } = await status();
          if (peers.filter(({ state }) => state === 'Established').length !== 2)
            throw new Error(`speaker: not both sessions are up: ${JSON.stringify({ peers, problems })}`);
        },
        { within: 30_000 },
      ),
    close: () => undefined,
  };
}
