/** What `tortie felix` answers on its Unix socket: GET /status and GET /policy. Shapes: src/model/status.ts. */
import type { Answer, Endpoints } from '../src/host/socket.ts';
import { formatAddress } from '../src/lib/net.ts';
import type { ResolvedFelix } from '../src/model/felix-configuration.ts';
import { shownFelix } from '../src/model/felix-shown.ts';
import type { FelixReport } from '../src/model/node-report.ts';
import { formatProblem, type Problem } from '../src/model/problem.ts';
import type { FelixStatus } from '../src/model/status.ts';
import type { Attachments } from './attachments.ts';
import { type Graph, isKnown } from './calc/graph.ts';
import { hostPolicies, policyOf, policyProblems } from './calc/status.ts';
import type { PolicySync } from './dataplane/apply.ts';
import type { PodRoutes } from './dataplane/routes.ts';

export interface StatusSources {
  readonly node: string;
  readonly version: string;
  readonly graph: Graph;
  readonly policy: PolicySync;
  readonly routes: PodRoutes;
  readonly attachments: Attachments;
  readonly readiness: Readiness;
  readonly inSync: () => boolean;
  /** Of the datastore and the records; the kernel's come from elsewhere. */
  readonly problems: () => readonly Problem[];
  readonly configuration: () => ResolvedFelix;
  /** dataplaneWatchdogTimeout. */
  readonly stuckAfterMs: () => number;
}

/** Which endpoints have had their policy accepted by the kernel. */
export class Readiness {
  readonly #awaited = new Set<string>();
  readonly #ready = new Set<string>();

  put(id: string): void {
    if (!this.#ready.has(id)) this.#awaited.add(id);
  }

  remove(id: string): void {
    this.#awaited.delete(id);
    this.#ready.delete(id);
  }

  /** A write was accepted; `known` says of which endpoints the policy was in it. */
  written(known: (id: string) => boolean): void {
    for (const id of [...this.#awaited]) {
      if (!known(id)) continue;
      this.#awaited.delete(id);
      this.#ready.add(id);
    }
  }

  has(id: string): boolean {
    return this.#ready.has(id);
  }
}

function felixStatus(sources: StatusSources): FelixStatus {
  const { graph, policy, attachments, readiness } = sources;
  const { state, transactions, pending, lastError } = policy.status();
  return {
    node: sources.node,
    version: sources.version,
    inSync: sources.inSync(),
    transactions,
    pending,
    dataplane: state,
    ...(lastError === undefined ? {} : { lastError }),
    endpoints: attachments.all().map((record) => ({
      namespace: record.namespace,
      pod: record.pod,
      interface: record.interface,
      addresses: record.addresses.map(formatAddress),
      ready: readiness.has(record.interface) && isKnown(graph, record.interface),
    })),
    problems: [...sources.problems(), ...policyProblems(graph), ...sources.routes.status().problems],
  };
}

/** A sentence if the node's pods cannot be served (yet). */
export function whyNotReady({
  policy,
  inSync,
}: Pick<StatusSources, 'policy' | 'inSync'>): string | undefined {
  const { state, lastError } = policy.status();
  if (!inSync()) return 'The datastore has not been read whole yet.';
  if (state === 'failing') return `The kernel refuses the ruleset: ${lastError}`;
  return state === 'waiting' ? 'The ruleset is not in the kernel yet.' : undefined;
}

/** A sentence if only a restart helps. A blocked process does not even say that: the probe then gets no answer. */
export function whyStuck({
  policy,
  stuckAfterMs,
}: Pick<StatusSources, 'policy' | 'stuckAfterMs'>): string | undefined {
  const workingForMs = policy.workingForMs();
  // A transaction of a hundred thousand rules takes some seconds; one that takes so long will not end.
  if (workingForMs < stuckAfterMs()) return undefined;
  return `A change of the ruleset has been under way for ${Math.round(workingForMs / 1000)} s; the kernel does not answer.`;
}

const problemsTold = 10;

/** What the CalicoNodeStatus of the node says of this daemon. */
export function felixReport(sources: StatusSources): Omit<FelixReport, 'at'> {
  const { version, inSync, dataplane, lastError, endpoints, problems } = felixStatus(sources);
  return {
    version,
    inSync,
    dataplane,
    ...(lastError === undefined ? {} : { lastError }),
    endpoints: { ready: endpoints.filter(({ ready }) => ready).length, total: endpoints.length },
    problems: problems.slice(0, problemsTold).map(formatProblem),
  };
}

export function statusEndpoints(sources: StatusSources): Endpoints {
  return {
    'GET /status': () => ({ status: 200, body: felixStatus(sources) }),
    'GET /configuration': () => ({ status: 200, body: shownFelix(sources.node, sources.configuration()) }),
    'GET /policy': ({ query }) => policyAnswer(sources, query),
  };
}

function policyAnswer({ graph, node }: StatusSources, query: URLSearchParams): Answer {
  const namespace = query.get('namespace') ?? 'default';
  const pod = query.get('pod');
  if (pod === null) return { status: 200, body: hostPolicies(graph) };
  const found = policyOf(graph, namespace, pod);
  if (found !== undefined) return { status: 200, body: found };
  const error = `Pod ${namespace}/${pod} has no interface on node ${node}, or the datastore does not show it. Ask the node it runs on.`;
  return { status: 404, body: { error } };
}
