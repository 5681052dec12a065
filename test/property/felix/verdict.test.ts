import fc from 'fast-check';
import { expect, test } from 'vitest';
import { change, createGraph, type Graph, putEndpoint, rulesetOf, tick } from '../../../felix/calc/graph.ts';
import { type Packet, trace } from '../../../felix/rules/trace.ts';
import { type Address, versionOf } from '../../../src/lib/net.ts';
import type { Namespace, NetworkPolicy, Pod } from '../../../src/model/resource.ts';
import {
  anyProtocol,
  namespace,
  outsider,
  type Placed,
  placedPods,
  policy,
  port16,
} from '../../support/clusters.ts';
import { type Connection, verdict } from '../../support/kubernetes-verdict.ts';

type Asked = Pick<Connection, 'protocol' | 'port'>;

interface End {
  readonly address: Address;
  readonly placed?: Placed;
}

const endsOf = (pods: readonly Placed[], strangers: readonly Address[]): readonly End[] => [
  ...pods.flatMap((placed) => addressesOf(placed).map((address) => ({ address, placed }))),
  ...strangers.map((address) => ({ address })),
];

const addressesOf = ({ pod, endpoint }: Placed): readonly Address[] => endpoint?.addresses ?? pod.ips;

/** What the API server would show once every status is written. */
const settled = (placed: Placed): Pod => ({ ...placed.pod, ips: addressesOf(placed) });

function graphOf(
  pods: readonly Placed[],
  namespaces: readonly Namespace[],
  policies: readonly NetworkPolicy[],
): Graph {
  const graph = createGraph();
  for (const resource of [...policies, ...namespaces, ...pods.map(({ pod }) => pod)])
    change(graph, { kind: 'put', resource });
  for (const { endpoint } of pods) if (endpoint !== undefined) putEndpoint(graph, endpoint);
  tick(graph);
  return graph;
}

const cluster = fc.record({
  pods: placedPods,
  namespaces: fc.uniqueArray(namespace, { selector: ({ meta }) => meta.name, maxLength: 3, minLength: 2 }),
  policies: fc.uniqueArray(policy, {
    selector: ({ meta }) => `${meta.namespace}/${meta.name}`,
    maxLength: 5,
  }),
  strangers: fc.uniqueArray(outsider, { maxLength: 3 }),
  asked: fc.array(fc.record({ protocol: anyProtocol, port: port16 }), { minLength: 1, maxLength: 4 }),
});

/** Every pair of ends of one family, and each way to ask. */
function* meetings(ends: readonly End[], asked: readonly Asked[]): Generator<readonly [End, End, Asked]> {
  for (const from of ends)
    for (const to of ends)
      if (versionOf(from.address) === versionOf(to.address)) for (const each of asked) yield [from, to, each];
}

const packetOf = (from: End, to: End, { protocol, port }: Asked): Packet => ({
  source: from.address,
  destination: to.address,
  protocol,
  ...(protocol === 'other' ? {} : { destinationPort: port }),
  state: 'new',
  in: from.placed?.endpoint?.interface ?? 'eth0',
  out: to.placed?.endpoint?.interface ?? 'eth0',
});

test('the compiled ruleset gives every packet the verdict that policy means', () => {
  const seen = { accept: 0, drop: 0 };
  fc.assert(
    fc.property(cluster, ({ pods, namespaces, policies, strangers, asked }) => {
      const ruleset = rulesetOf(graphOf(pods, namespaces, policies));
      const shown = new Map(pods.map((placed) => [placed, settled(placed)]));
      const all = { pods: [...shown.values()], namespaces, policies };
      const side = ({ address, placed }: End): Connection['from'] => {
        const pod = placed?.endpoint === undefined ? undefined : shown.get(placed);
        return { address, ...(pod === undefined ? {} : { pod }) };
      };
      for (const [from, to, each] of meetings(endsOf(pods, strangers), asked)) {
        const meant = verdict(all, { from: side(from), to: side(to), ...each });
        const result = trace(ruleset, packetOf(from, to, each));
        seen[result.verdict] += 1;
        expect(result.verdict === 'accept', JSON.stringify(result.path)).toBe(meant.egress && meant.ingress);
      }
    }),
    { numRuns: 600 },
  );
  expect(Math.min(seen.accept, seen.drop)).toBeGreaterThan(1000); // the clusters are worth asking
});

test('from a pod to its own host its egress policy decides alone', () => {
  fc.assert(
    fc.property(cluster, outsider, ({ pods, namespaces, policies, asked }, host) => {
      const ruleset = rulesetOf(graphOf(pods, namespaces, policies));
      const all = { pods: pods.map(settled), namespaces, policies };
      for (const placed of pods) {
        const source = addressesOf(placed).find((each) => versionOf(each) === versionOf(host));
        if (placed.endpoint === undefined || source === undefined) continue;
        for (const { protocol, port } of asked) {
          const connection = {
            from: { address: source, pod: settled(placed) },
            to: { address: host },
            protocol,
            port,
          };
          const result = trace(ruleset, {
            source,
            destination: host,
            protocol,
            ...(protocol === 'other' ? {} : { destinationPort: port }),
            state: 'new',
            in: placed.endpoint.interface,
            out: '',
          });
          expect(result.verdict === 'accept').toBe(verdict(all, connection).egress);
        }
      }
    }),
    { numRuns: 200 },
  );
});

test('what was allowed once keeps flowing under any policy, and what is invalid never does', () => {
  fc.assert(
    fc.property(cluster, ({ pods, namespaces, policies }) => {
      const ruleset = rulesetOf(graphOf(pods, namespaces, policies));
      for (const { endpoint } of pods) {
        if (endpoint === undefined) continue;
        for (const way of ['in', 'out'] as const) {
          const packet = {
            source: endpoint.addresses[0] ?? expect.unreachable(),
            destination: endpoint.addresses[0] ?? expect.unreachable(),
            protocol: 'TCP' as const,
            destinationPort: 1,
            in: 'eth0',
            out: 'eth0',
            [way]: endpoint.interface,
          };
          expect(trace(ruleset, { ...packet, state: 'established' }).verdict).toBe('accept');
          expect(trace(ruleset, { ...packet, state: 'related' }).verdict).toBe('accept');
          expect(trace(ruleset, { ...packet, state: 'invalid' }).verdict).toBe('drop');
        }
      }
    }),
    { numRuns: 100 },
  );
});
