/** What comes of a pod that is attached or goes. */
import type { EndpointSink } from '../attachments.ts';
import { type Graph, putEndpoint, removeEndpoint } from '../calc/graph.ts';
import type { PolicySync } from '../dataplane/apply.ts';
import type { Readiness } from '../status.ts';

export const endpointSink = (
  graph: Graph,
  readiness: Readiness,
  policy: PolicySync,
  refit: () => void,
): EndpointSink => ({
  put: (endpoint) => {
    putEndpoint(graph, endpoint);
    readiness.put(endpoint.id);
    refit();
    policy.wake();
  },
  remove: (id) => {
    removeEndpoint(graph, id);
    readiness.remove(id);
    refit();
    policy.wake();
  },
});
