/** What the graph is made of. */
import type { HostEndpoint } from '../../src/model/policy.ts';
import type { HostUse } from '../rules/host.ts';
import type { RulesSettings } from '../rules/settings.ts';
import type { StaticRuleset } from '../rules/static.ts';
import type { Additions } from './additions.ts';
import type { HostPlaces } from './hosts.ts';
import type { HostInterface, Inputs } from './inputs.ts';
import type { Members } from './members.ts';
import type { Output } from './output.ts';
import type { Local, Plans } from './plans.ts';
import type { Policies } from './policies.ts';
import type { Population, Sources } from './population.ts';
import type { Register } from './register.ts';
import type { Uses } from './uses.ts';

export interface GraphOptions {
  /** This node's name: its HostEndpoints are judged here. */
  readonly node?: string;
  readonly settings?: RulesSettings;
  /** Pods, or policies, that wait for a tick: more are taken in before, so that a cluster's are not kept twice. */
  readonly mostWaiting?: number;
}

export interface Graph {
  readonly node: string;
  readonly mostWaiting: number;
  readonly inputs: Inputs;
  readonly output: Output;
  readonly sources: Sources;
  readonly members: Members;
  /** The endpoints of this node that policies select, by `Local.key`, which is their item too. */
  readonly selectable: Population<string>;
  readonly policies: Policies;
  readonly uses: Uses;
  readonly plans: Plans;
  readonly register: Register;
  /** As of the last tick. */
  readonly locals: Map<string, Local>;
  readonly hosts: Hosts;
  /** Interfaces of workloads whose names do not say so. */
  readonly foreign: Set<string>;
  /** Keys of local endpoints to be planned anew in this tick. */
  readonly dirty: Set<string>;
  readonly frame: Frame;
  /** What the table holds beside policy. */
  readonly additions: Additions;
}

interface Hosts {
  /** HostEndpoints of this node. */
  readonly own: Map<string, HostEndpoint>;
  interfaces: readonly HostInterface[];
  places: HostPlaces;
}

/** What the static part was made of. */
export interface Frame {
  /** Absent before the first tick. */
  settings: RulesSettings | undefined;
  /** To be used from the next tick on. */
  next: RulesSettings;
  hosts: HostUse;
  rules: StaticRuleset;
}
