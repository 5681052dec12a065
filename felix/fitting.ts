/**
 * The configuration and the surroundings brought to bear: on the graph, on routes, on interfaces and on settings of the
 * kernel. Whatever it is told, it makes everything anew of what is; each part takes only what changed of it.
 */
import { hostSysctls, type Sysctl } from '../src/cni/plan.ts';
import type { Clock } from '../src/host/clock.ts';
import type { Logger, LogLevel } from '../src/host/log.ts';
import type { KernelEvent } from '../src/kernel/kernel.ts';
import type { NetnsKernel } from '../src/kernel/links.ts';
import type { Shaping } from '../src/kernel/shaping.ts';
import { isLinkLocal6, millis, versionOf } from '../src/lib/net.ts';
import type { Random } from '../src/lib/random.ts';
import { workloadPrefix } from '../src/model/endpoint.ts';
import type { FelixFieldName, FelixSettings } from '../src/model/felix-configuration.ts';
import type { Problem } from '../src/model/problem.ts';
import type { Labels } from '../src/model/resource.ts';
import { type Graph, noteAddition, noteHostInterfaces, noteSettings } from './calc/graph.ts';
import type { PodTraffic } from './config/pod.ts';
import { type Backend, rulesSettingsOf } from './config/rules.ts';
import type { Configured } from './configured.ts';
import { Bandwidths } from './dataplane/bandwidth.ts';
import type { PodRoutes } from './dataplane/routes.ts';
import { enableForwarding, setAll } from './dataplane/sysctl.ts';
import { type Attached, bandwidthsOf, type Surroundings } from './surroundings.ts';

export interface FittingOptions {
  readonly graph: Graph;
  readonly kernel: NetnsKernel;
  readonly routes: PodRoutes;
  readonly configured: Configured;
  readonly surroundings: Surroundings;
  readonly pods: () => readonly Attached[];
  /** Undefined of a pod that is not known. */
  readonly annotationsOf: (hostInterface: string) => Labels | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Absent: bandwidths are not limited. */
  readonly shaping?: Shaping;
  readonly backend: () => Backend;
  /** The rules may be others now. */
  readonly wake: () => void;
  /** These fields changed, and are taken only at the start. */
  readonly onOutdated: (fields: readonly FelixFieldName[]) => void;
  /** Undefined: as the command line says. */
  readonly setLogLevel: (level: LogLevel | undefined) => void;
}

const levels: Readonly<Record<NonNullable<FelixSettings['logSeverityScreen']>, LogLevel>> = {
  Trace: 'debug',
  Debug: 'debug',
  Info: 'info',
  Warning: 'warn',
  Error: 'error',
  Fatal: 'error',
};

const none: Labels = {};
/** Interfaces come and go in crowds. */
const settleMs = millis(100);

export class Fitting {
  readonly #options: FittingOptions;
  readonly #bandwidths: Bandwidths | undefined;
  /** Interfaces whose pods may send from elsewhere: strict reverse-path filtering of the kernel is off there. */
  readonly #spoofing = new Set<string>();
  #isStarted = false;
  #isForwarding = false;
  #cancelLook: (() => void) | undefined;

  constructor(options: FittingOptions) {
    this.#options = options;
    const { shaping, clock, random } = options;
    this.#bandwidths = shaping === undefined ? undefined : new Bandwidths({ shaping, clock, random });
  }

  /** In-sync: from now on the kernel is written to. Values that are taken only at the start are taken now. */
  async start(): Promise<void> {
    this.#isStarted = true;
    this.#options.configured.start();
    await this.#look();
    this.fit();
  }

  stop(): void {
    this.#cancelLook?.();
    this.#bandwidths?.stop();
  }

  problems(): readonly Problem[] {
    const { configured, surroundings } = this.#options;
    return [
      ...configured.problems(),
      ...surroundings.problems(),
      ...(this.#bandwidths === undefined ? [] : this.#bandwidths.problems()),
    ];
  }

  /** Something of the configuration, the surroundings or the pods of this node is another than before. */
  fit(): void {
    if (!this.#isStarted) return;
    const { graph, configured, surroundings, routes, backend, wake, onOutdated, setLogLevel } = this.#options;
    const outdated = configured.outdated();
    if (outdated.length > 0) onOutdated(outdated);
    const { settings } = configured;
    const pods = this.#options.pods();
    const of = (pod: Attached): PodTraffic => this.#trafficOf(pod);
    setLogLevel(settings.logSeverityScreen === undefined ? undefined : levels[settings.logSeverityScreen]);
    noteSettings(graph, { ...rulesSettingsOf(settings, backend()), ...speakerPortOf(surroundings) });
    noteAddition(graph, surroundings.addition(settings, pods, of));
    surroundings.keep(pods);
    const isFloating = settings.floatingIPs === 'Enabled';
    for (const pod of pods) routes.also(pod.interface, isFloating ? of(pod).floating : []);
    this.#bandwidths?.wish(bandwidthsOf(pods, of));
    void this.#fitKernel(settings, pods);
    wake();
  }

  /** An interface came, went or changed its addresses. */
  observe(event: KernelEvent): void {
    if (event.kind === 'link' && event.change === 'delete') this.#bandwidths?.lost(event.link.name);
    const isOfHost =
      event.kind === 'overrun' ||
      (event.kind === 'link' && !event.link.name.startsWith(workloadPrefix)) ||
      event.kind === 'address';
    if (!this.#isStarted || !isOfHost || this.#cancelLook !== undefined) return;
    this.#cancelLook = this.#options.clock.after(settleMs, () => {
      this.#cancelLook = undefined;
      void this.#look();
    });
  }

  #trafficOf(pod: Attached): PodTraffic {
    const { surroundings, annotationsOf } = this.#options;
    return surroundings.traffic(pod, annotationsOf(pod.interface) ?? none).traffic;
  }

  /** The host's own interfaces, for HostEndpoints. */
  async #look(): Promise<void> {
    const { kernel, graph, configured, wake, log } = this.#options;
    try {
      const [links, addresses] = await Promise.all([kernel.links(), kernel.addresses()]);
      const excluded = configured.settings.interfaceExclude.map(
        (one) => new RegExp(/^\/.*\/$/.test(one) ? one.slice(1, -1) : `^${escaped(one)}$`),
      );
      const own = links.filter(
        ({ name }) => !name.startsWith(workloadPrefix) && !excluded.some((pattern) => pattern.test(name)),
      );
      noteHostInterfaces(
        graph,
        own.map(({ name, ifindex }) => ({
          name,
          addresses: addresses
            .filter((one) => one.ifindex === ifindex && !isLinkLocal6(one.address))
            .map(({ address }) => address),
        })),
      );
      wake();
    } catch (error) {
      log.error('the interfaces of this node cannot be listed', { why: String(error) });
    }
  }

  async #fitKernel(settings: FelixSettings, pods: readonly Attached[]): Promise<void> {
    const { kernel, log } = this.#options;
    const isForwarding = settings.ipForwarding === 'Enabled';
    if (isForwarding && !this.#isForwarding)
      for (const why of await enableForwarding(kernel)) log.error('forwarding cannot be enabled', { why });
    this.#isForwarding = isForwarding;
    for (const pod of pods) {
      const isFree = settings.workloadSourceSpoofing === 'Any' && this.#trafficOf(pod).sources.length > 0;
      if (isFree === this.#spoofing.has(pod.interface)) continue;
      if (isFree) this.#spoofing.add(pod.interface);
      else this.#spoofing.delete(pod.interface);
      for (const why of await setAll(kernel, reversePath(pod, isFree)))
        log.error('a kernel setting of a pod interface cannot be written', { why });
    }
    const there = new Set(pods.map((pod) => pod.interface));
    for (const name of [...this.#spoofing]) if (!there.has(name)) this.#spoofing.delete(name);
  }
}

/** Absent where no pod is a neighbour of the speaker: then the rules know nothing of it. */
const speakerPortOf = ({ speakerPort }: Surroundings): { readonly speakerPort?: number } =>
  speakerPort === undefined ? {} : { speakerPort };

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&');

/** What plan.ts sets, and 0 where the pod may send from elsewhere; our own check is in the ruleset. */
const reversePath = (pod: Attached, isFree: boolean): readonly Sysctl[] =>
  hostSysctls(pod.interface, pod.addresses.map(versionOf))
    .filter(({ path }) => path.endsWith('/rp_filter'))
    .map((setting) => (isFree ? { ...setting, value: '0' } : setting));
