/**
 * Where an endpoint is asked: names of chains and maps for each place in a packet's way.
 *
 *   stage      ingress by the interface it comes in        egress by the interface it leaves by
 *   untracked  prerouting -300, before conntrack           output -300
 *   preDnat    prerouting -150, before translation         -
 *   normal     input 0; workloads: forward 1               output 0, postrouting -150 if translated; workloads: forward 0, input 0
 *   forward    forward 0                                   forward 1
 */
import type { Direction } from '../../src/model/policy.ts';
import type { Policy, Stage } from '../../src/policy/policy.ts';
import type { SetDecl } from './model.ts';
import { objectName } from './name.ts';

export type HostStage = Stage | 'forward';

export interface EndpointPlace {
  readonly kind: 'workload' | 'host';
  /** Its whole name; of a host endpoint also '*': every interface that has none of its own. */
  readonly interface: string;
  readonly direction: Direction;
  /** Of workloads always 'normal'. */
  readonly stage: HostStage;
}

/** The policy is asked in that stage; workloads ask in 'normal' only. */
export const takesPart = (policy: Pick<Policy, 'stage' | 'onForward'>, stage: HostStage): boolean =>
  stage === 'forward' ? policy.stage === 'normal' && policy.onForward : policy.stage === stage;

const stageWord: Readonly<Record<HostStage, string>> = {
  normal: '',
  forward: '-forward',
  untracked: '-untracked',
  preDnat: '-pre-dnat',
};

const wayOf = ({ kind, direction }: EndpointPlace): 'from' | 'to' =>
  (kind === 'workload') === (direction === 'Egress') ? 'from' : 'to';

/** Interfaces of hosts have names of anybody's choosing; what a chain's name cannot hold is told apart by a hash. */
export function endpointChainName(place: EndpointPlace): string {
  const name = place.interface;
  if (place.kind === 'workload') return `${wayOf(place)}-${interfaceText(name)}`;
  const head = `${wayOf(place)}-host${stageWord[place.stage]}`;
  return name === '*' ? `any-${head}` : `${head}-${interfaceText(name)}`;
}

/** A chain of a host endpoint, in whatever stage. */
export const isHostChain = (chain: string): boolean => /^(?:any-)?(?:from|to)-host(?:-|$)/.test(chain);

const interfaceText = (name: string): string =>
  /^[A-Za-z0-9_.-]+$/.test(name) ? name : objectName('if', name, name);

const workloadMaps: Readonly<Record<'from' | 'to', SetDecl>> = {
  from: {
    name: 'from-endpoint',
    kind: 'dispatch',
    comment: 'the chain that judges what comes from each local pod',
  },
  to: {
    name: 'to-endpoint',
    kind: 'dispatch',
    comment: 'the chain that judges what goes to each local pod',
  },
};

/** The map that finds the endpoint's chain by its interface. */
export function endpointMap(place: Omit<EndpointPlace, 'interface'>): SetDecl {
  const way = wayOf({ ...place, interface: '' });
  if (place.kind === 'workload') return workloadMaps[way];
  return {
    name: `${way}-host${stageWord[place.stage]}`,
    kind: 'dispatch',
    comment: `host endpoints, ${place.stage}: the chain that judges what ${way === 'from' ? 'comes in by' : 'leaves by'} each interface`,
  };
}
