/**
 * The lab's cluster as manifests: the sample or the user's directory, completed to something that can run.
 *
 * What a directory leaves out whole (Nodes, BGPConfiguration, IPPools, BGPPeers) is taken from the sample; a pod that no
 * node was chosen for gets one, in turn, as a scheduler would. A file that is not YAML is copied as it is: the daemons report it.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Document, parseAllDocuments, stringify } from 'yaml';
import { isIpv4, parseAddress } from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { type Expectations, parseExpectations } from './expect.ts';
import { maxNodes, type NodeSpec, plannedNode } from './topology.ts';
import { at, isRecord } from './tor/tor.ts';

export interface Cluster {
  readonly nodeAsn: number;
  /** Every node peers with every other. */
  readonly mesh: boolean;
  readonly nodes: readonly NodeSpec[];
  /** Pods the kubelet will run, the lab's own included. */
  readonly podCount: number;
  /** What goes into the datastore: file name to text. */
  readonly files: Readonly<Record<string, string>>;
  /** Absent: policy verdicts are shown, not judged. */
  readonly expectations?: Expectations;
  /** Manifests of change/, applied by the demo. */
  readonly change: Readonly<Record<string, string>>;
}

export const probeNamespace = 'lab-probes';
export const probePort = 7;
export const probePod = (node: string): string => `probe-${node}`;

const sampleDir = new URL('sample/', import.meta.url).pathname;
const defaultNodes = 3;

/** @param dir  absent: the sample. @param nodeCount  absent: as many as there are Node manifests, else 3. */
export function loadCluster(dir: string | undefined, nodeCount: number | undefined): Result<Cluster> {
  const from = dir ?? sampleDir;
  const manifests = readYamlFiles(from);
  if (manifests === undefined) return err(`--manifests ${from} is not a directory that can be read.`);
  if (Object.keys(manifests).length === 0) return err(`--manifests ${from} has no .yaml file.`);
  const expectations = loadExpectations(from);
  if (!expectations.ok) return expectations;
  const own = Object.values(manifests).flatMap(documentsOf);
  const network = readFileSync(join(sampleDir, 'cluster.yaml'), 'utf8');
  const all = [...own, ...missingOf(own, documentsOf(network))];
  const nodes = nodesOf(own, nodeCount);
  if (!nodes.ok) return nodes;
  const names = nodes.value.map(({ name }) => name);
  const hasNodes = own.some((document) => kindOf(document) === 'Node');
  return ok({
    ...networkOf(all),
    nodes: nodes.value,
    podCount: podCountOf(own, names),
    files: {
      ...scheduled(manifests, names),
      ...(own.length < all.length ? { 'lab-network.yaml': textOf(all.slice(own.length)) } : {}),
      ...(hasNodes ? {} : { 'lab-nodes.yaml': nodes.value.map(nodeManifest).join('---\n') }),
      'lab-probes.yaml': probeManifests(names),
    },
    ...(expectations.value === undefined ? {} : { expectations: expectations.value }),
    change: readYamlFiles(join(from, 'change')) ?? {},
  });
}

function readYamlFiles(dir: string): Record<string, string> | undefined {
  try {
    const names = readdirSync(dir).filter((name) => /\.ya?ml$/.test(name) && name !== 'expect.yaml');
    const files = names.sort().filter((name) => statSync(join(dir, name)).isFile());
    return Object.fromEntries(files.map((name) => [name, readFileSync(join(dir, name), 'utf8')]));
  } catch {
    return undefined;
  }
}

function loadExpectations(dir: string): Result<Expectations | undefined> {
  const file = join(dir, 'expect.yaml');
  try {
    return parseExpectations(readFileSync(file, 'utf8'), file);
  } catch {
    return ok(undefined); // there is none
  }
}

/** The documents of one file that are mappings; none if the file has a syntax error. */
function documentsOf(text: string): readonly Document[] {
  const documents = parseAllDocuments(text);
  if (!Array.isArray(documents) || documents.some(({ errors }) => errors.length > 0)) return [];
  return documents.filter((document) => isRecord(document.toJS()));
}

const kindOf = (document: Document): unknown => document.get('kind');

function textOf(documents: readonly Document[]): string {
  return documents.map((document) => document.toString({ directives: true })).join('');
}

/** Of the sample's network, the kinds that `own` has nothing of. */
function missingOf(own: readonly Document[], sample: readonly Document[]): readonly Document[] {
  const kinds = new Set(own.map(kindOf));
  return sample.filter((document) => !kinds.has(kindOf(document)));
}

function networkOf(documents: readonly Document[]): Pick<Cluster, 'nodeAsn' | 'mesh'> {
  const configuration = documents.find((document) => kindOf(document) === 'BGPConfiguration');
  const asn = configuration?.getIn(['spec', 'asNumber']);
  return {
    nodeAsn: typeof asn === 'number' ? asn : 64512,
    mesh: configuration?.getIn(['spec', 'nodeToNodeMeshEnabled']) !== false,
  };
}

function nodesOf(documents: readonly Document[], count: number | undefined): Result<readonly NodeSpec[]> {
  const own = documents.filter((document) => kindOf(document) === 'Node').map(nodeOf);
  if (own.length > 0 && count !== undefined && count !== own.length) {
    return err(
      `--nodes ${count}, but the manifests have ${own.length} Nodes. Leave --nodes away, or the Nodes out.`,
    );
  }
  if (own.length > 0) return ok(own);
  const wanted = count ?? defaultNodes;
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > maxNodes) {
    return err(`--nodes ${count} is not a number from 1 to ${maxNodes}.`);
  }
  return ok(Array.from({ length: wanted }, (_, index) => plannedNode(index + 1)));
}

function nodeOf(document: Document): NodeSpec {
  const node: unknown = document.toJS();
  const addresses = at(node, 'status', 'addresses');
  const internal = (Array.isArray(addresses) ? addresses : [])
    .filter((entry) => at(entry, 'type') === 'InternalIP')
    .map((entry) => String(at(entry, 'address')));
  const isV4 = (text: string): boolean => {
    const address = parseAddress(text);
    return address !== undefined && isIpv4(address);
  };
  const podCidrs = at(node, 'spec', 'podCIDRs');
  return {
    name: String(at(node, 'metadata', 'name')),
    address: {
      v4: internal.find(isV4) ?? '',
      v6: internal.find((text) => !isV4(text)) ?? '',
    },
    podCidrs: Array.isArray(podCidrs) ? podCidrs.map(String) : [],
  };
}

/** The same files, with every pod that has no node given one in turn. A file that needs nothing stays as it was written. */
function scheduled(
  files: Readonly<Record<string, string>>,
  nodes: readonly string[],
): Readonly<Record<string, string>> {
  let turn = 0;
  const place = (document: Document): boolean => {
    if (kindOf(document) !== 'Pod' || document.hasIn(['spec', 'nodeName'])) return false;
    document.setIn(['spec', 'nodeName'], nodes[turn % nodes.length]);
    turn += 1;
    return true;
  };
  return Object.fromEntries(
    Object.entries(files).map(([name, text]) => {
      const documents = documentsOf(text);
      const placed = documents.filter(place).length;
      return [name, placed === 0 ? text : textOf(documents)];
    }),
  );
}

/** Pods that name one of the nodes, or none: those get one. And the lab's own. */
function podCountOf(documents: readonly Document[], nodes: readonly string[]): number {
  const pods = documents.filter((document) => {
    const nodeName = document.getIn(['spec', 'nodeName']);
    const placed = nodeName === undefined || nodes.includes(String(nodeName));
    return kindOf(document) === 'Pod' && placed && document.getIn(['spec', 'hostNetwork']) !== true;
  });
  return pods.length + nodes.length;
}

const nodeManifest = (node: NodeSpec): string =>
  stringify({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: node.name },
    spec: { podCIDRs: node.podCidrs },
    status: {
      addresses: [node.address.v4, node.address.v6].map((address) => ({ type: 'InternalIP', address })),
    },
  });

/** One pod a node that no policy of another namespace can select: through them plain routing is seen, whatever the policies. */
const probeManifests = (nodes: readonly string[]): string =>
  [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: probeNamespace } },
    ...nodes.map((node) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: probePod(node), namespace: probeNamespace },
      spec: {
        nodeName: node,
        containers: [{ name: 'probe', ports: [{ name: 'echo', containerPort: probePort }] }],
      },
    })),
  ]
    .map((manifest) => stringify(manifest))
    .join('---\n');
