/**
 * What Kubernetes knows and no report can say: a node that is silent, a container that does not run, a controller that is
 * gone. Pure. Shapes: Node and Pod of core v1, Lease of coordination.k8s.io/v1.
 */
import { at, listAt, nameOf, namespaceOf, textAt } from '../cluster/json.ts';
import { ageText } from '../objects/age.ts';
import type { Trouble } from './overview.ts';

/** Of a Node whose condition Ready is not True. One without the condition counts as ready. */
export function nodeTroubles(node: unknown, now: Date): readonly Trouble[] {
  const ready = listAt(node, 'status', 'conditions').find((one) => textAt(one, 'type') === 'Ready');
  const status = textAt(ready, 'status');
  if (ready === undefined || status === 'True') return [];
  const silent = status === 'Unknown';
  const said = textAt(ready, 'message') || textAt(ready, 'reason');
  return [
    {
      node: nameOf(node),
      rank: silent ? 1 : 2,
      what: `Kubernetes has found the node ${silent ? 'silent' : 'not ready'} for ${ageText(textAt(ready, 'lastTransitionTime'), now)}${said === '' ? '' : `: ${said.replace(/\.$/, '')}`}.`,
      fix: silent
        ? 'What is shown of it may be old. See that the machine and its kubelet run.'
        : `kubectl describe node ${nameOf(node)}.`,
    },
  ];
}

/** Of a pod of ours: each container that does not run, or runs and does not do its job. */
export function podTroubles(pod: unknown): readonly Trouble[] {
  if (['Succeeded', 'Failed'].includes(textAt(pod, 'status', 'phase'))) return [];
  const place = `kubectl -n ${namespaceOf(pod)}`;
  const running = listAt(pod, 'status', 'containerStatuses');
  return [...listAt(pod, 'status', 'initContainerStatuses'), ...running].flatMap((container) => {
    const name = textAt(container, 'name');
    const what = containerTrouble(container, running.includes(container));
    if (what === undefined) return [];
    const restarts = Number(at(container, 'restartCount') ?? 0);
    return [
      {
        node: textAt(pod, 'spec', 'nodeName') || nameOf(pod),
        rank: 2,
        what: `Container ${name} of ${nameOf(pod)} ${what}${restarts > 1 ? `, after ${restarts} restarts` : ''}.`,
        fix: `${place} logs ${nameOf(pod)} -c ${name}${restarts > 0 ? ' --previous' : ''}; ${place} describe pod ${nameOf(pod)}.`,
      } as const,
    ];
  });
}

/** @param lasting  it is to run all the time, unlike an init container */
function containerTrouble(container: unknown, lasting: boolean): string | undefined {
  const waiting = textAt(container, 'state', 'waiting', 'reason');
  const ended = at(container, 'state', 'terminated');
  if (waiting !== '') return beginning.has(waiting) ? undefined : `does not run: ${waiting}`;
  if (ended !== undefined && (lasting || textAt(ended, 'exitCode') !== '0'))
    return `has ended: ${textAt(ended, 'reason')}, exit code ${textAt(ended, 'exitCode')}`;
  if (lasting && ended === undefined && at(container, 'ready') === false)
    return 'runs, and is not ready: its /readyz says why';
  return undefined;
}

/** Reasons to wait that pass by themselves. */
const beginning: ReadonlySet<string> = new Set(['ContainerCreating', 'PodInitializing']);

/** client-go's 15 s, and what two clocks may differ by. */
const graceMs = 60_000;

/** @param leases  those named tortie-controller */
export function leaderTroubles(leases: readonly unknown[], now: Date): readonly Trouble[] {
  const renewed = leases.map((lease) => textAt(lease, 'spec', 'renewTime')).sort();
  const latest = renewed.at(-1);
  if (latest === undefined || now.getTime() - Date.parse(latest) <= graceMs) return [];
  return [
    {
      node: 'controller',
      rank: 2,
      what: `Nobody leads: the Lease tortie-controller was renewed last ${ageText(latest, now)} ago. Nodes go on; conditions, leaks, load balancer addresses and startup taints wait.`,
      fix: 'kubectl get pods -A -l app.kubernetes.io/name=tortie,app.kubernetes.io/component=controller, and their logs.',
    },
  ];
}
