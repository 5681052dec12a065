/**
 * One speaker among injectors and monitors, sessions up and tables empty:
 *
 *     testers: injectors, monitors ── one subnet ── device: the one measured
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Playground } from '../../support/namespaces.ts';
import { type Helper, startHelper } from './calls.ts';
import { type Device, type DeviceName, deviceHost, devices, ownAddress, ownAsn } from './devices.ts';
import type { SessionSpec } from './talk.ts';
import type { Plan } from './universe.ts';

export interface StageSpec {
  readonly plan: Plan;
  readonly monitors: number;
  readonly withKernel?: true;
  /** What is measured is not how late our event loop is. */
  readonly isUnwatched?: true;
  /** Hold time 0: after a burst not a byte follows. */
  readonly isSilent?: true;
  /** One more session with a keepalive of 1 s and a hold time of 3 s. */
  readonly withFastSession?: true;
}

/** What a monitor says. */
export interface Seen {
  readonly isRight: boolean;
  readonly rightAt: number;
  readonly right: readonly number[];
  readonly strange: number;
  readonly said: number;
  readonly closed: readonly string[];
}

export interface Stage {
  readonly injector: Helper;
  readonly monitor: Helper;
  /** A process of its own for the fast session: one that is busy with telling routes might miss its turn. */
  readonly fast?: Helper;
  /** Absent: nobody stands between the two. */
  readonly device?: Device;
  /** Resident memory now and at its most, in MB. */
  memory(): { readonly rss: number; readonly peak: number };
  /** Time on a CPU so far, in ms. */
  cpu(): number;
  /** Prefixes in the kernel's main table of the one measured. */
  kernelRoutes(): number;
  close(): Promise<void>;
}

const injectorFile = new URL('./injector.ts', import.meta.url).pathname;
const monitorFile = new URL('./monitor.ts', import.meta.url).pathname;

/** The address of tester number `index` of a kind; eight groups for IPv6, as the encoder wants it. */
const testerAddress = (family: 4 | 6, kind: number, index: number): string =>
  family === 4 ? `10.0.${kind}.${index + 1}` : `fd00:0:0:0:0:0:${kind}:${(index + 1).toString(16)}`;

const kinds = { injector: 1, monitor: 2, fast: 3 } as const;

/** @param name  undefined: the injector dials the monitor itself */
export async function openStage(
  ground: Playground,
  directory: string,
  name: DeviceName | undefined,
  spec: StageSpec,
): Promise<Stage> {
  const { plan, monitors } = spec;
  const { family } = plan;
  const isInternal = plan.isInternal === true;
  const session = (kind: keyof typeof kinds, index: number): SessionSpec => ({
    from: testerAddress(family, kinds[kind], index),
    to: ownAddress[family],
    asn: isInternal ? ownAsn : 65_000 + kinds[kind] * 100 + index,
    family,
    holdTime: kind === 'fast' ? 3 : spec.isSilent ? 0 : 90,
  });
  const list = (kind: keyof typeof kinds, count: number): readonly SessionSpec[] =>
    Array.from({ length: count }, (_, index) => session(kind, index));
  const injectors = list('injector', plan.injectors);
  const watching = list('monitor', monitors);
  const fast = list('fast', spec.withFastSession === undefined ? 0 : 1);

  ground.link(['testers', 'eth0'], [deviceHost, 'eth0', '10.0.0.1/16', 'fd00::1/64']);
  const length = family === 4 ? 16 : 64;
  const addresses = [...injectors, ...watching, ...fast]
    .map(({ from }) => `address add ${from}/${length} dev eth0 ${family === 6 ? 'nodad' : ''}`)
    .join('\n');
  await ground.exec('testers', `ip -batch - <<'END'\n${addresses}\nEND`);

  const netns = `/run/netns/${ground.netns('testers')}`;
  const injector = startHelper(netns, injectorFile);
  const monitor = startHelper(netns, monitorFile);
  const bystander = name === undefined || fast.length === 0 ? undefined : startHelper(netns, injectorFile);
  const bring = async (): Promise<Device | undefined> => {
    if (name === undefined) {
      const [first] = watching;
      const [speaking] = injectors;
      if (first === undefined || speaking === undefined) throw new Error('needs an injector and a monitor');
      await Promise.all([
        monitor.ask('listen', first),
        injector.ask('open', [{ ...speaking, to: first.from }]),
      ]);
      return undefined;
    }
    mkdirSync(directory, { recursive: true });
    const device = await devices[name](ground, directory, {
      neighbours: [
        ...injectors.map((one) => ({ session: one, isTold: false })),
        ...watching.map((one) => ({ session: one, isTold: true })),
        ...fast.map((one) => ({ session: one, isTold: false })),
      ],
      withKernel: spec.withKernel === true,
      isReflector: isInternal,
      isWatched: spec.isUnwatched !== true,
    });
    const opened = Promise.all([
      injector.ask('open', injectors),
      monitor.ask('open', watching),
      bystander?.ask('open', fast),
    ]);
    await Promise.race([opened, endOf(device)]);
    return device;
  };
  try {
    const device = await bring();
    await Promise.all([injector.ask('plan', plan), monitor.ask('plan', plan)]);
    // Not in the middle of what a start brings with it.
    await pause(500);
    return stageOf({ injector, monitor, ...(bystander && { fast: bystander }) }, device, directory);
  } catch (error) {
    await Promise.all([injector.end(), monitor.end(), bystander?.end()]);
    throw error;
  }
}

/** Fails with what it said. */
async function endOf({ running }: Device): Promise<never> {
  await running.ended;
  throw new Error(`it ended before its sessions were up: ${running.output().slice(-300)}`);
}

function stageOf(
  helpers: Pick<Stage, 'injector' | 'monitor' | 'fast'>,
  device: Device | undefined,
  directory: string,
): Stage {
  const { injector, monitor, fast } = helpers;
  const pid = device?.running.process.pid ?? injector.pid;
  const proc = (file: string): string => readFileSync(`/proc/${pid}/${file}`, 'utf8');
  const megabytes = (what: string): number =>
    Number(new RegExp(`${what}:\\s+(\\d+) kB`).exec(proc('status'))?.[1]) / 1024;
  return {
    ...helpers,
    ...(device && { device }),
    memory: () => ({ rss: megabytes('VmRSS'), peak: megabytes('VmHWM') }),
    cpu: () => {
      const [user, system] = proc('stat').split(') ')[1]?.split(' ').slice(11, 13) ?? [];
      return (Number(user) + Number(system)) * 10;
    },
    kernelRoutes: () => Number(/Prefixes:\s+(\d+)/.exec(proc('net/fib_triestat'))?.[1] ?? 0),
    close: async () => {
      await Promise.all([injector.end(), monitor.end(), fast?.end()]);
      await device?.running.end('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
