import fc from 'fast-check';
import { expect, test } from 'vitest';
import { defaultRulesSettings, type RulesSettings } from '../../../felix/rules/settings.ts';
import { type Packet, type Trace, trace } from '../../../felix/rules/trace.ts';
import { type Address, versionOf } from '../../../src/lib/net.ts';
import type { FelixConfiguration } from '../../../src/model/felix-configuration.ts';
import { type Cluster, snapshotOf } from '../../../src/policy/cluster.ts';
import type { Connection, End } from '../../../src/policy/connection.ts';
import type { Judgement } from '../../../src/policy/judgement.ts';
import { type Verdict, verdict } from '../../../src/policy/verdict.ts';
import {
  type Asked,
  anyPolicy,
  asked,
  askedOf,
  earlyPolicy,
  meetings,
  resourcesOf,
  type World,
  type WorldEnd,
  world,
} from '../../support/arbitrary-policy.ts';
import { address } from '../../support/clusters.ts';
import { type Compiled, compileCluster, type OnNode } from '../../support/compiled-policy.ts';

const failsafe = {
  failsafeInboundHostPorts: [{ protocol: 6, port: 443 }],
  failsafeOutboundHostPorts: [
    { protocol: 17, port: 444 },
    { protocol: 132, port: 80 },
  ],
};

/** What the oracle does not know of is off. */
const { denyVxlanPort: _, ...known } = defaultRulesSettings;
const settings: RulesSettings = {
  ...known,
  denyIpip: false,
  failsafeInbound: failsafe.failsafeInboundHostPorts,
  failsafeOutbound: failsafe.failsafeOutboundHostPorts,
};

interface Scene {
  readonly all: World;
  readonly cluster: Cluster;
  readonly here: OnNode;
  readonly compiled: Compiled;
}

function sceneOf(all: World, more: Partial<RulesSettings> = {}): Scene {
  const { cluster: bare } = snapshotOf(resourcesOf(all));
  const configuration: FelixConfiguration = {
    kind: 'FelixConfiguration',
    meta: { name: 'default', labels: {}, annotations: {} },
    given: { ...failsafe, defaultEndpointToHostAction: more.endpointToHost ?? 'Accept' },
  };
  const cluster: Cluster = { ...bare, configurations: [configuration] };
  const podNamed = (end: WorldEnd['placed']) =>
    cluster.pods.find(
      ({ meta }) => meta.name === end?.pod.meta.name && meta.namespace === end.pod.meta.namespace,
    );
  const pods = all.placed.flatMap((placed) => {
    const pod = podNamed(placed);
    return placed.endpoint === undefined || pod === undefined
      ? []
      : [{ pod, interface: placed.endpoint.interface }];
  });
  const hosts = cluster.hostEndpoints.map((endpoint) => ({
    endpoint,
    interface: endpoint.interfaceName ?? '*',
  }));
  const here = { pods, hosts };
  return { all, cluster, here, compiled: compileCluster(cluster, here, { ...settings, ...more }) };
}

const uplink = 'eth0';

/** A place a packet comes from or goes to: a local pod, this host, or something beyond the uplink. */
interface Place {
  readonly address: Address;
  readonly interface: string;
  readonly spot?: End['spot'];
}

const nodeHere = ['172.16.0.1', 'fd01::1'].map(address);

function placeOf({ here }: Scene, { address: own, placed }: WorldEnd): Place {
  const local = here.pods.find(({ interface: name }) => name === placed?.endpoint?.interface);
  return local === undefined
    ? { address: own, interface: uplink }
    : { address: own, interface: local.interface, spot: { kind: 'workload', pod: local.pod, node: 'here' } };
}

function hostPlace({ here }: Scene, version: 4 | 6): Place {
  const [endpoint] = here.hosts.map((host) => host.endpoint);
  return {
    address: nodeHere.find((each) => versionOf(each) === version) ?? expect.unreachable(),
    interface: '',
    spot: { kind: 'host', node: 'here', ...(endpoint === undefined ? {} : { endpoint }) },
  };
}

/** The host endpoint that a workload's packet crosses to or from the uplink. */
function viaOf({ here }: Scene, self: Place, other: Place): Pick<End, 'via'> {
  const [endpoint] = here.hosts.map((host) => host.endpoint);
  return endpoint !== undefined && self.spot?.kind === 'workload' && other.interface === uplink
    ? { via: endpoint }
    : {};
}

interface Question {
  readonly from: Place;
  readonly to: Place;
  readonly what: Asked;
  readonly dialled?: { readonly address: Address; readonly port?: number };
  readonly established?: boolean;
}

function connectionOf(scene: Scene, { from, to, what, dialled, established }: Question): Connection {
  const { protocol, sourcePort, port, icmp } = what;
  const end = (place: Place, other: Place, own: number | undefined): End => ({
    address: place.address,
    ...(own === undefined ? {} : { port: own }),
    ...(place.spot === undefined ? {} : { spot: place.spot }),
    ...viaOf(scene, place, other),
  });
  return {
    from: end(from, to, sourcePort),
    to: end(to, from, port),
    protocol,
    ...(icmp === undefined ? {} : { icmp }),
    ...(dialled === undefined ? {} : { dialled }),
    ...(established === undefined ? {} : { established }),
  };
}

function packetOf({ from, to, what, dialled, established }: Question): Packet {
  const { protocol, sourcePort, port, icmp } = what;
  const target = { destination: to.address, ...(port === undefined ? {} : { destinationPort: port }) };
  // What a workload sends to itself comes to the node only if somebody translates it.
  const isToItself =
    from.spot?.kind === 'workload' && from.interface === to.interface && from.interface !== uplink;
  const written =
    dialled === undefined
      ? { ...target, ...(isToItself ? { translated: target } : {}) }
      : {
          destination: dialled.address,
          ...(dialled.port === undefined ? {} : { destinationPort: dialled.port }),
          translated: target,
        };
  return {
    source: from.address,
    ...written,
    protocol,
    ...(sourcePort === undefined ? {} : { sourcePort }),
    ...(icmp === undefined ? {} : { icmp }),
    state: established === true ? 'established' : 'new',
    in: from.interface,
    out: to.interface,
    local: nodeHere,
  };
}

/** The judgement that closed the way, or the last that had something to say. */
const decisive = ({ judgements }: Verdict): Judgement | undefined =>
  judgements.find(({ allowed }) => !allowed);

/** Where the oracle says which rule of which policy denied, so does the trace, by comment and by tag. */
function expectSameReason(compiled: Compiled, meant: Verdict, found: Trace): void {
  // Where the host is closed to its workloads, their policies are not asked about it.
  if (found.decided?.comment === 'defaultEndpointToHostAction: Drop') return;
  const because = decisive(meant)?.because;
  const tag = compiled.tags.get(found.decided?.tag ?? '');
  if (because?.kind === 'rule') {
    const { policy, rule } = because;
    expect(found.decided?.comment).toContain(`${policy.id} `);
    expect(tag).toMatchObject({ action: 'Deny', tier: policy.tier, policy: policy.id, rule: rule.number });
  }
  if (because?.kind === 'unmatched') {
    expect(found.decided?.comment).toBe(`tier ${because.tier}: no rule matched`);
    expect(tag).toMatchObject({ action: 'Deny', tier: because.tier });
  }
}

function expectSame(scene: Scene, question: Question): Trace['verdict'] {
  const meant = verdict(scene.cluster, connectionOf(scene, question));
  const found = trace(scene.compiled.ruleset, packetOf(question));
  // What is not tracked is not translated: there is no such packet.
  if (question.dialled !== undefined && found.packet.state === 'untracked') return found.verdict;
  if ((found.verdict === 'accept') !== meant.allowed)
    expect.fail(`meant ${JSON.stringify(meant, plain)}, found ${JSON.stringify(found, plain)}`);
  if (!meant.allowed) expectSameReason(scene.compiled, meant, found);
  return found.verdict;
}

const plain = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);

/** Clusters to try; each is asked some hundred packets. More of them, and others each time: POLICY_SEEDS=20000. */
const wanted = process.env['POLICY_SEEDS'];
const seeds = Number(wanted ?? 200);
const runs = { numRuns: seeds, ...(wanted === undefined ? { seed: 20 } : {}) };

const patience = 60_000 + seeds * 50;

const questions = fc.array(asked, { minLength: 2, maxLength: 6 });

test(
  'the compiled ruleset gives every packet between pods and strangers the verdict that policy means',
  () => {
    const seen = { accept: 0, drop: 0, reject: 0 };
    fc.assert(
      fc.property(world(), questions, (all, packets) => {
        const scene = sceneOf(all);
        for (const [from, to, what] of meetings(all, packets))
          seen[expectSame(scene, { from: placeOf(scene, from), to: placeOf(scene, to), what })] += 1;
      }),
      runs,
    );
    expect(Math.min(seen.accept, seen.drop)).toBeGreaterThan(seeds); // the clusters are worth asking
  },
  patience,
);

/** How the packet comes: to a Service's address or not, new or of a connection that was let through. */
const manner = fc.record({
  dialled: fc.constantFrom(undefined, undefined, 80, 443, 444, 9999),
  established: fc.constantFrom(false, false, true),
});

/** Failsafe ports, and packets to what a Service's address stands for, among all others. */
test(
  'host endpoints judge what the oracle says they judge, in every stage, and say why',
  () => {
    const seen = { accept: 0, drop: 0, reject: 0 };
    const policy = fc.oneof({ weight: 2, arbitrary: anyPolicy }, { weight: 1, arbitrary: earlyPolicy });
    const deny = fc.constantFrom('Drop' as const, 'Reject' as const);
    const endpointToHost = fc.constantFrom('Drop' as const, 'Accept' as const);
    fc.assert(
      fc.property(
        world({ hosts: true, policies: 7, policy }),
        questions,
        manner,
        fc.record({ deny, endpointToHost }),
        (all, packets, { dialled, established }, more) => {
          const scene = sceneOf(all, more);
          for (const question of withHost(scene, packets)) {
            const version = versionOf(question.to.address);
            // The oracle is asked of ends that are ours; what a host only forwards between others has examples.
            if (question.from.spot === undefined && question.to.spot === undefined) continue;
            const isOutside = question.from.interface === uplink || question.from.interface === '';
            const service = serviceAddresses.find((each) => versionOf(each) === version);
            const isTranslated =
              dialled !== undefined && question.what.port !== undefined && isOutside && service !== undefined;
            const translated = isTranslated ? { dialled: { address: service, port: dialled } } : {};
            seen[expectSame(scene, { ...question, ...translated, established })] += 1;
          }
        },
      ),
      runs,
    );
    expect(Math.min(seen.accept, seen.drop, seen.reject)).toBeGreaterThan(seeds);
  },
  patience,
);

const serviceAddresses = ['10.96.0.1', 'fd96::1'].map(address);

/** Every pair of ends, this host among them. */
function* withHost(scene: Scene, packets: readonly Asked[]): Generator<Question> {
  for (const [from, to, what] of meetings(scene.all, packets))
    yield { from: placeOf(scene, from), to: placeOf(scene, to), what };
  const places = new Map(
    [...meetings(scene.all, [{ protocol: 6 }])].map(([from]) => [from.address, placeOf(scene, from)]),
  );
  for (const place of places.values()) {
    const host = hostPlace(scene, versionOf(place.address));
    for (const each of packets) {
      const what = askedOf(each, versionOf(place.address));
      yield { from: place, to: host, what };
      yield { from: host, to: place, what };
    }
  }
}
