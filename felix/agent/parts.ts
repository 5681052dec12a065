/** Parts of the agent made of its options and of one another. */
import { workloadPrefix } from '../../src/model/endpoint.ts';
import type { Graph } from '../calc/graph.ts';
import type { NodeView } from '../cluster.ts';
import type { Configured } from '../configured.ts';
import { Renderer } from '../dataplane/renderer.ts';
import { Fitting, type FittingOptions } from '../fitting.ts';
import { Observation } from '../observe/observation.ts';
import { Probing } from '../probe/probing.ts';
import type { StatusSources } from '../status.ts';
import type { AgentOptions } from './options.ts';
import type { Problems } from './problems.ts';

export const openRenderer = (
  { kernel, chainsFreedLate, xtables, log }: AgentOptions,
  graph: Graph,
  configured: Configured,
  onChosen: () => void,
): Renderer | undefined =>
  xtables === undefined
    ? undefined
    : new Renderer({
        ...{ graph, kernel, chainsFreedLate, xtables, log, onChosen },
        settings: () => configured.settings,
        workloadPrefixes: [workloadPrefix],
      });

interface FittingParts
  extends Pick<FittingOptions, 'graph' | 'routes' | 'configured' | 'surroundings'>,
    Pick<StatusSources, 'attachments' | 'policy'> {
  readonly view: NodeView;
  readonly renderer: Renderer | undefined;
}

export const openFitting = (options: AgentOptions, parts: FittingParts): Fitting =>
  new Fitting({
    ...options,
    ...parts,
    pods: () => parts.attachments.all(),
    annotationsOf: (hostInterface) => parts.view.podOf(hostInterface)?.annotations,
    backend: () => parts.renderer?.backend ?? 'nftables',
    wake: () => parts.policy.wake(),
    onOutdated: options.onOutdated ?? (() => undefined),
    setLogLevel: options.setLogLevel ?? (() => undefined),
  });

export const openObservation = (
  options: AgentOptions & {
    readonly graph: Graph;
    readonly renderer: Renderer | undefined;
    readonly configured: Configured;
  },
  problems: Problems,
  announce: () => void,
): Observation =>
  new Observation({
    ...options,
    isReevaluated: () => options.configured.settings.connectionPolicy === 'Reevaluate',
    programs: () => options.renderer?.programs,
    onProblems: (source, found) => {
      problems.replace(source, found);
      announce();
    },
  });

export const openProbing = (
  { live, ...options }: AgentOptions,
  parts: Pick<StatusSources, 'graph' | 'attachments'> & { readonly renderer: Renderer | undefined },
): Probing =>
  new Probing({
    ...{ ...options, ...parts, ...live },
    isLegacy: () => parts.renderer?.iptables === 'legacy',
  });
