/** A small cluster written as manifests, its policies compiled for one node, and packets to try. */
import type { Ruleset } from '../../felix/rules/model.ts';
import { defaultRulesSettings, type RulesSettings } from '../../felix/rules/settings.ts';
import { type Packet, type Trace, trace } from '../../felix/rules/trace.ts';
import { interfaceName } from '../../src/model/endpoint.ts';
import type { Resource } from '../../src/model/resource.ts';
import { type Cluster, snapshotOf } from '../../src/policy/cluster.ts';
import { readManifest } from '../../src/store/schema/manifest.ts';
import { address } from './clusters.ts';
import { type Compiled, compileCluster, type OnNode } from './compiled-policy.ts';

function manifest(json: object): Resource {
  const read = readManifest(json);
  if (!read.ok) throw new Error(`the test wrote a wrong manifest: ${JSON.stringify(read.error)}`);
  return read.value;
}

/** Of projectcalico.org/v3. */
export const calico = (kind: string, name: string, spec: object, labels: object = {}): Resource => {
  const [namespace, own] = name.includes('/') ? name.split('/') : [undefined, name];
  return manifest({
    apiVersion: 'projectcalico.org/v3',
    kind,
    metadata: { name: own, labels, ...(namespace === undefined ? {} : { namespace }) },
    spec,
  });
};

/** On this node unless `node` says otherwise. */
export const pod = (
  name: string,
  labels: Readonly<Record<string, string>>,
  ips: readonly string[],
  more: { readonly node?: string; readonly ports?: readonly object[] } = {},
): Resource =>
  manifest({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop', labels },
    spec: { nodeName: more.node ?? 'here', containers: [{ name: 'main', ports: more.ports ?? [] }] },
    status: { podIPs: ips.map((ip) => ({ ip })) },
  });

const namespace = (name: string, labels: object = {}): Resource =>
  manifest({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });

export interface PolicyScene {
  readonly cluster: Cluster;
  readonly compiled: Compiled;
  readonly ruleset: Ruleset;
  /** TCP 80 from 192.0.2.1 on eth0, new, with what `of` says instead. */
  try(of: TryPacket): Trace;
}

export type TryPacket = Partial<Omit<Packet, 'source' | 'destination'>> & {
  readonly source?: string;
  readonly destination?: string;
};

export const podInterface = (name: string): string => interfaceName('shop', name);

export function policyScene(
  objects: readonly Resource[],
  settings: Partial<RulesSettings> = {},
): PolicyScene {
  const { cluster } = snapshotOf([namespace('shop', { team: 'a' }), ...objects]);
  const here: OnNode = {
    pods: cluster.pods
      .filter(({ nodeName }) => nodeName === 'here')
      .map((own) => ({ pod: own, interface: podInterface(own.meta.name) })),
    hosts: cluster.hostEndpoints.map((endpoint) => ({ endpoint, interface: endpoint.interfaceName ?? '*' })),
  };
  const compiled = compileCluster(cluster, here, { ...defaultRulesSettings, ...settings });
  return {
    cluster,
    compiled,
    ruleset: compiled.ruleset,
    try: ({ source = '192.0.2.1', destination = '10.244.1.2', ...rest }) =>
      trace(compiled.ruleset, {
        protocol: 6,
        ...(rest.protocol === undefined || rest.protocol === 6 ? { destinationPort: 80 } : {}),
        state: 'new',
        in: 'eth0',
        out: '',
        ...rest,
        source: address(source),
        destination: address(destination),
      }),
  };
}
