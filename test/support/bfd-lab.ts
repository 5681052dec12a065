/**
 * A node with BFD and a router beside it, each in a namespace, and between them one that can be cut without either end's
 * link going down: a bridge in single hop, a router in multihop.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ThreadView } from '../../bgp/bfd/problems.ts';
import type { SessionReport } from '../../bgp/bfd/says.ts';
import type { BfdSays } from '../../bgp/bfd.ts';
import type { Problem } from '../../src/model/problem.ts';
import type { StationCommand, StationPeer } from './bfd-station.ts';
import { eventually } from './eventually.ts';
import { createPlayground, hurry, type Playground, type Running } from './namespaces.ts';

const root = new URL('../..', import.meta.url).pathname;
export const soon = { within: 30_000, every: 20 };

/** By the kind of session: the node's and the router's address. */
export const ends = {
  'single hop': { node: '172.30.0.11', node6: 'fd00:30::11', router: '172.30.0.2', router6: 'fd00:30::2' },
  multihop: { node: '172.30.1.11', node6: 'fd00:31::11', router: '172.30.2.2', router6: 'fd00:32::2' },
} as const;
export type Hops = keyof typeof ends;

export interface Shown {
  readonly thread: ThreadView;
  readonly problems: readonly Problem[];
  readonly views: readonly {
    readonly key: string;
    readonly peers: readonly string[];
    readonly report?: SessionReport;
    readonly downs: number;
  }[];
}

export type Heard = BfdSays & { readonly at: number };

export interface Station {
  /** What the speaker would hear, in order. */
  heard(): readonly Heard[];
  /** Waits until the last of it, about this peer, is as wanted. */
  is(state: BfdSays['state'], peer?: string): Promise<Heard>;
  tell(command: StationCommand): void;
  peers(...peers: readonly StationPeer[]): void;
  show(): Promise<Shown>;
  /** The report of its only session, once it is as `check` wants it. */
  report(check: (report: SessionReport) => boolean): Promise<SessionReport>;
  readonly process: ChildProcess;
  end(): Promise<void>;
}

export interface BfdLab {
  readonly ground: Playground;
  readonly directory: string;
  station(): Station;
  cut(): void;
  mend(): void;
  close(): Promise<void>;
}

/** @param prefix  of the namespaces' names, different for each test */
export function bfdLab(prefix: string, hops: Hops): BfdLab {
  const ground = createPlayground(prefix);
  const directory = mkdtempSync(join(tmpdir(), `tortie-${prefix}-`));
  execFileSync('chmod', ['755', directory]);
  const inMiddle = (line: string): void => {
    execFileSync('ip', ['-n', ground.netns('middle'), ...line.split(' ')]);
  };
  const { node, node6, router, router6 } = ends[hops];
  const at = (gate4: string, gate6: string): string[] => (hops === 'multihop' ? [gate4, gate6] : []);
  ground.link(
    ['node', 'eth0', `${node}/24`, `${node6}/64`],
    ['middle', 'left', ...at('172.30.1.1/24', 'fd00:31::1/64')],
  );
  ground.link(
    ['router', 'eth0', `${router}/24`, `${router6}/64`],
    ['middle', 'right', ...at('172.30.2.1/24', 'fd00:32::1/64')],
  );
  if (hops === 'multihop') {
    execFileSync('ip', [
      'netns',
      'exec',
      ground.netns('middle'),
      'sysctl',
      '-qw',
      'net.ipv4.ip_forward=1',
      'net.ipv6.conf.all.forwarding=1',
    ]);
    for (const [host, gate4, gate6] of [
      ['node', '172.30.1.1', 'fd00:31::1'],
      ['router', '172.30.2.1', 'fd00:32::1'],
    ] as const) {
      execFileSync('ip', ['-n', ground.netns(host), 'route', 'add', 'default', 'via', gate4]);
      execFileSync('ip', ['-n', ground.netns(host), '-6', 'route', 'add', 'default', 'via', gate6]);
    }
  } else {
    inMiddle('link add br0 type bridge');
    for (const port of ['left', 'right']) inMiddle(`link set dev ${port} master br0`);
    inMiddle('link set br0 up');
  }
  const forward = (on: 0 | 1): void => {
    if (hops === 'single hop') inMiddle(`link set br0 ${on === 1 ? 'up' : 'down'}`);
    else
      execFileSync('ip', [
        'netns',
        'exec',
        ground.netns('middle'),
        'sysctl',
        '-qw',
        `net.ipv4.ip_forward=${on}`,
        `net.ipv6.conf.all.forwarding=${on}`,
      ]);
  };
  const stations: Station[] = [];
  return {
    ground,
    directory,
    station: () => {
      const one = startStation(ground.netns('node'));
      stations.push(one);
      return one;
    },
    cut: () => forward(0),
    mend: () => forward(1),
    close: async () => {
      for (const one of stations) await one.end();
      await ground.close();
      rmSync(directory, { recursive: true });
    },
  };
}

function startStation(netns: string): Station {
  const child = spawn(
    'nsenter',
    [`--net=/run/netns/${netns}`, process.execPath, `${root}test/support/bfd-station.ts`],
    { stdio: ['pipe', 'pipe', 'pipe'], cwd: root },
  );
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const lines = (): readonly Record<string, unknown>[] =>
    text
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const heard = (): readonly Heard[] =>
    lines().filter((line) => line['kind'] === 'bfd') as unknown as Heard[];
  const tell = (command: StationCommand): void => void child.stdin.write(`${JSON.stringify(command)}\n`);
  const show = async (): Promise<Shown> => {
    const before = lines().filter((line) => 'thread' in line).length;
    tell({ kind: 'show' });
    return eventually(() => {
      const shown = lines().filter((line) => 'thread' in line)[before];
      if (shown === undefined) throw new Error(text);
      return shown as unknown as Shown;
    }, soon);
  };
  return {
    process: child,
    heard,
    tell,
    show,
    peers: (...peers) => tell({ kind: 'peers', peers }),
    is: (state, peer) =>
      eventually(() => {
        const last = heard()
          .filter((one) => peer === undefined || one.peer === peer)
          .at(-1);
        if (last?.state !== state) throw new Error(text);
        return last;
      }, soon),
    report: (check) =>
      eventually(
        async () => {
          const { views } = await show();
          const report = views[0]?.report;
          if (report === undefined || !check(report)) throw new Error(JSON.stringify(views));
          return report;
        },
        { ...soon, every: 200 },
      ),
    end: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

export interface RouterSession {
  readonly isUp: boolean;
  readonly state: string;
}

export interface BfdRouter {
  readonly running: readonly Running[];
  session(): Promise<RouterSession>;
  /** It switches its BFD session off, and on again. */
  disable(): Promise<void>;
  enable(): Promise<void>;
  /** What it prints of the session. */
  details(): Promise<string>;
}

export interface RouterWants {
  readonly node: string;
  readonly own: string;
  readonly isMultihop: boolean;
  readonly minTxMs: number;
  readonly minRxMs: number;
  readonly multiplier: number;
}

export type RouterKind = 'bird' | 'frr';

export async function bfdRouter(lab: BfdLab, kind: RouterKind, wants: RouterWants): Promise<BfdRouter> {
  return kind === 'bird' ? birdRouter(lab, wants) : frrRouter(lab, wants);
}

async function started(lab: BfdLab, command: readonly string[], ready: string): Promise<Running> {
  const one = lab.ground.start('router', command);
  await eventually(() => {
    if (one.process.exitCode !== null || !existsSync(ready)) throw new Error(one.output());
  }, soon);
  hurry(one);
  return one;
}

async function birdRouter(lab: BfdLab, wants: RouterWants): Promise<BfdRouter> {
  const { node, own, isMultihop, minTxMs, minRxMs, multiplier } = wants;
  const file = join(lab.directory, 'bird.conf');
  const timing = `min tx interval ${minTxMs} ms; min rx interval ${minRxMs} ms; idle tx interval 1 s; multiplier ${multiplier};`;
  const config = (neighbor: string): string => `log stderr all;
router id 172.30.0.2;
protocol device {}
protocol bfd watch {
  debug { states, events };
  interface "*" { ${timing} };
  multihop { ${timing} };
  ${neighbor}
}
`;
  const neighbor = `neighbor ${node} ${isMultihop ? `local ${own} multihop on` : `dev "eth0" local ${own}`};`;
  writeFileSync(file, config(neighbor));
  const socket = join(lab.directory, 'bird.ctl');
  const running = [await started(lab, ['bird', '-f', '-c', file, '-s', socket], socket)];
  const ask = (command: string): Promise<string> =>
    lab.ground.exec('router', `birdc -s ${socket} ${command}`);
  const details = (): Promise<string> => ask('show bfd sessions');
  return {
    running,
    details,
    session: async () => {
      const line = (await details()).split('\n').find((one) => one.startsWith(`${node} `));
      const state = line?.split(/\s+/)[2] ?? 'none';
      return { isUp: state === 'Up', state };
    },
    disable: async () => void (await ask('disable watch')),
    enable: async () => void (await ask('enable watch')),
  };
}

async function frrRouter(lab: BfdLab, wants: RouterWants): Promise<BfdRouter> {
  const { node, own, isMultihop, minTxMs, minRxMs, multiplier } = wants;
  const dir = lab.directory;
  const peer = `peer ${node} ${isMultihop ? `multihop local-address ${own}` : `local-address ${own} interface eth0`}`;
  writeFileSync(join(dir, 'zebra.conf'), 'log stdout informational\n');
  writeFileSync(
    join(dir, 'bfdd.conf'),
    `log stdout informational
bfd
 ${peer}
  detect-multiplier ${multiplier}
  receive-interval ${minRxMs}
  transmit-interval ${minTxMs}
  no shutdown
`,
  );
  const command = (name: string, ...more: string[]): readonly string[] => [
    `/usr/lib/frr/${name}`,
    ...['-u', 'root', '-g', 'frrvty', '--vty_socket', dir, '-z', `${dir}/zserv.api`],
    ...['-i', `${dir}/${name}.pid`, '-f', `${dir}/${name}.conf`, '-P', '0', '--log', 'stdout', ...more],
  ];
  const running = [
    await started(lab, command('zebra'), `${dir}/zserv.api`),
    await started(lab, command('bfdd', '--bfdctl', `${dir}/bfdd.sock`), `${dir}/bfdd.vty`),
  ];
  const vtysh = (...lines: readonly string[]): Promise<string> =>
    lab.ground.exec(
      'router',
      `vtysh -H /dev/null --vty_socket ${dir} ${lines.map((line) => `-c '${line}'`).join(' ')}`,
    );
  const details = (): Promise<string> => vtysh('show bfd peers json');
  const set = async (line: string): Promise<void> =>
    void (await vtysh('configure terminal', 'bfd', peer, line));
  return {
    running,
    details,
    session: async () => {
      const all = JSON.parse(await details()) as readonly {
        readonly peer: string;
        readonly status: string;
      }[];
      const state = all.find((one) => one.peer === node)?.status ?? 'none';
      return { isUp: state === 'up', state };
    },
    disable: () => set('shutdown'),
    enable: () => set('no shutdown'),
  };
}
