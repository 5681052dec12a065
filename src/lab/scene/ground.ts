/**
 * What a scene stands on: namespaces of its own wired as it likes, the real daemons on its nodes, a directory of manifests, and
 * pods by the CNI plugin. `takeDown` of the lab removes it all by its name, whatever became of the scene.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { askSocket } from '../../host/socket.ts';
import type { BgpStatus, PeerDetail } from '../../model/status.ts';
import { callCni } from '../cni.ts';
import { fail } from '../failure.ts';
import { poll } from '../poll.ts';
import { endAll, isAlive, run, type Started, selfStarted, startDaemon, within } from '../process.ts';
import { writePlayer } from '../state.ts';
import { clean, forwarding, netnsPath, netnsPrefix, podNetns, runDirOf, type WireStep } from '../topology.ts';
import { at, isRecord, parseJson } from '../tor/tor.ts';
import { makePodNetns, makeSteps } from '../wire.ts';

const launcher = new URL('../../tortie.ts', import.meta.url).pathname;

/** Starting a Node process takes its time on a small machine. */
export const startMs = 60_000;
const settleMs = 60_000;

export interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

/** A host of the scene. */
export interface HostPlan {
  readonly name: string;
  /** Lines for `ip -batch` in it. A host that makes cables comes before those it makes them to. */
  readonly ip: readonly string[];
  /** Beside those every host of a lab has: path under /proc/sys, value. */
  readonly sysctls?: WireStep['sysctls'];
}

/** Flows are spread over equal ways by their ports too, as an operator sets it. */
export const byPorts: WireStep['sysctls'] = [['net/ipv4/fib_multipath_hash_policy', '1']];

export interface Pod {
  readonly netns: string;
  readonly address: string;
}

export interface NextHop {
  readonly gateway: string;
  readonly dev: string;
}

export class Ground {
  readonly name: string;
  readonly signal: AbortSignal;
  readonly dir: string;
  readonly #daemons = new Map<string, Started>();
  readonly #watchers: (() => void)[] = [];

  constructor(name: string, signal: AbortSignal) {
    this.name = name;
    this.signal = signal;
    this.dir = runDirOf(name);
    mkdirSync(join(this.dir, 'store'), { recursive: true, mode: 0o700 });
    writePlayer(name, selfStarted());
  }

  /** Path of a host's namespace. */
  netns(host: string): string {
    return netnsPath(this.#netnsOf(host));
  }

  #netnsOf(host: string): string {
    return `${netnsPrefix(this.name)}${host}`;
  }

  /** Makes the namespaces and their cables. In a line, a host's name in braces stands for its namespace: `netns {node1}`. */
  async wire(plans: readonly HostPlan[]): Promise<void> {
    this.signal.throwIfAborted();
    await makeSteps(
      plans.map(({ name, ip, sysctls = [] }) => ({
        netns: this.#netnsOf(name),
        sysctls: [...clean, ...forwarding, ...sysctls],
        ip: [
          'link set lo up',
          ...ip.map((line) => line.replace(/\{([^}]+)\}/g, (_, host: string) => this.#netnsOf(host))),
        ],
      })),
    );
  }

  /** Resolves with what it printed; fails if it did not end with 0. */
  async exec(host: string, ...command: readonly string[]): Promise<string> {
    const done = await run(command, { netns: this.#netnsOf(host) });
    if (done.code !== 0)
      fail(`${host}: "${command.join(' ')}" failed: ${(done.stderr || done.stdout).trim()}.`);
    return done.stdout;
  }

  ip(host: string, command: string): Promise<string> {
    return this.exec(host, 'ip', ...command.split(' '));
  }

  /** The kernel's ways to a prefix; none if there is no such route. */
  async ways(host: string, prefix: string): Promise<readonly NextHop[]> {
    const routes = parseJson(await this.ip(host, `-j route show ${prefix}`));
    const [route] = Array.isArray(routes) ? routes : [];
    const hops = at(route, 'nexthops');
    return (Array.isArray(hops) ? hops : [route]).flatMap((hop) => {
      const via = at(hop, 'gateway') ?? at(hop, 'via', 'host');
      return typeof via === 'string' ? [{ gateway: via, dev: String(at(hop, 'dev')) }] : [];
    });
  }

  /** Packets that went out of a link. */
  async sentBy(host: string, link: string): Promise<number> {
    const links = parseJson(await this.ip(host, `-j -s link show dev ${link}`));
    return Number(at(Array.isArray(links) ? links[0] : undefined, 'stats64', 'tx', 'packets') ?? 0);
  }

  /** Every line a program prints until the end of the scene; its time zone is UTC. */
  watch(host: string, command: readonly string[], onLine: (line: string) => void): void {
    const [file = '', ...args] = within(this.#netnsOf(host), command);
    const child = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, TZ: 'UTC' },
    });
    child.on('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', onLine);
    this.#watchers.push(() => void child.kill('SIGKILL'));
  }

  /** Starts a program in a host, its log beside the manifests. @param readyFile  waited for */
  async start(host: string, role: string, command: readonly string[], readyFile?: string): Promise<void> {
    this.signal.throwIfAborted();
    const logFile = this.logOf(host, role);
    const started = await startDaemon({ command, netns: this.#netnsOf(host), logFile });
    if (started === undefined)
      return fail(`${host}: "${command.slice(0, 2).join(' ')}" cannot be started. Its log: ${logFile}.`);
    this.#daemons.set(`${host} ${role}`, started);
    if (readyFile === undefined) return;
    await this.until(`${role} on ${host} to start (its log: ${logFile})`, () => {
      if (!isAlive(started)) fail(`${host}: ${role} ended:\n${tailOf(logFile)}`);
      return existsSync(readyFile);
    });
  }

  logOf(host: string, role: string): string {
    return join(this.dir, host, `${role}.log`);
  }

  /** SIGTERM, and waits for the end; gives it the time a speaker takes to say goodbye. */
  async end(host: string, role: string): Promise<void> {
    const started = this.#daemons.get(`${host} ${role}`);
    if (started !== undefined) await endAll([started], 20_000);
  }

  /** Written or replaced in the datastore. */
  put(...manifests: readonly Manifest[]): void {
    for (const manifest of manifests) {
      const file = join(this.dir, 'store', `${manifest.kind}-${manifest.metadata.name}.yaml`);
      writeFileSync(`${file}.new`, JSON.stringify(manifest));
      renameSync(`${file}.new`, file);
    }
  }

  #common(node: string, daemon: 'bgp' | 'felix'): readonly string[] {
    return [
      ...[process.execPath, launcher, daemon, '--datastore', `dir:${join(this.dir, 'store')}`],
      ...['--node', node, '--socket', this.socketOf(node, daemon)],
      ...['--state-dir', join(this.dir, node, 'state')],
    ];
  }

  socketOf(node: string, daemon: 'bgp' | 'felix'): string {
    return join(this.dir, node, `${daemon}.sock`);
  }

  /** `tortie bgp`; resolves when it answers. */
  async speaker(node: string): Promise<void> {
    await this.start(node, 'bgp', this.#common(node, 'bgp'));
    await this.until(`tortie bgp on ${node} to answer`, async () => (await this.status(node)) !== undefined);
  }

  async agent(node: string): Promise<void> {
    await this.start(node, 'felix', this.#common(node, 'felix'), this.socketOf(node, 'felix'));
  }

  /** A pod on a node, made by the CNI plugin as a container runtime does; its object has its address. */
  async pod(node: string, name: string): Promise<Pod> {
    const manifest = (status: object) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default' },
      spec: { nodeName: node, containers: [] },
      status,
    });
    this.put(manifest({ phase: 'Pending' }));
    const netns = podNetns(this.name, 'default', name);
    await makePodNetns(netns);
    const containerId = `${this.name}${name}`;
    const addresses = await callCni({
      command: 'ADD',
      nodeNetns: this.#netnsOf(node),
      socket: this.socketOf(node, 'felix'),
      ...{ containerId, podNetnsPath: netnsPath(netns), namespace: 'default', pod: name, uid: containerId },
    });
    const [address] = addresses;
    if (address === undefined) return fail(`The CNI plugin gave the pod ${name} no address.`);
    this.put(manifest({ phase: 'Running', podIP: address, podIPs: addresses.map((ip) => ({ ip })) }));
    return { netns: netnsPath(netns), address };
  }

  /** Undefined while it does not answer. */
  async status(node: string): Promise<BgpStatus | undefined> {
    return (await this.#ask(node, '/status')) as BgpStatus | undefined;
  }

  async peer(node: string, name: string): Promise<PeerDetail | undefined> {
    return (await this.#ask(node, `/peers?name=${encodeURIComponent(name)}`)) as PeerDetail | undefined;
  }

  async #ask(node: string, path: string): Promise<unknown> {
    const answer = await askSocket(this.socketOf(node, 'bgp'), path, { timeoutMs: 5000 });
    // Both sides are this program's own, so the shape is believed.
    return answer.ok && answer.value.status === 200 && isRecord(answer.value.body)
      ? answer.value.body
      : undefined;
  }

  /** Waits for an answer. Fails with a sentence if none comes, or the scene is interrupted. */
  async until<T>(
    what: string,
    check: () => T | false | undefined | Promise<T | false | undefined>,
    withinMs = settleMs,
    everyMs = 50,
  ): Promise<T> {
    const answer = await poll(check, { withinMs, everyMs, signal: this.signal });
    if (this.signal.aborted) return fail('Interrupted.');
    return answer ? answer : fail(`Waited ${withinMs / 1000} s for ${what}.`);
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    await poll(() => false, { withinMs: ms, everyMs: Math.min(ms, 100), signal: this.signal });
    if (this.signal.aborted) fail('Interrupted.');
  }

  /** The scene is over: nobody needs a goodbye. The namespaces are for `takeDown`. */
  async close(): Promise<void> {
    for (const stop of this.#watchers) stop();
    await endAll([...this.#daemons.values()], 0);
  }
}

const tailOf = (file: string): string => readFileSync(file, 'utf8').split('\n').slice(-8).join('\n');

/** Milliseconds of the machine's monotonic clock, the same in every thread. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6;
