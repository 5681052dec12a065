/** What the cluster-side checks look at, read once. What may not be read is named, so that the other checks go on. */
import { type Prefix, parsePrefix } from '../../../lib/net.ts';
import type { BlockAffinity, IpamBlock } from '../../../model/ipam.ts';
import type {
  BgpConfiguration,
  BgpPeer,
  IpPool,
  Kind,
  Namespace,
  NetworkPolicy,
  Node,
  Pod,
  Resource,
} from '../../../model/resource.ts';
import type { Manifest } from '../../../store/objects.ts';
import { readManifest } from '../../../store/schema/manifest.ts';
import { listAt, nameOf } from '../../cluster/json.ts';
import { type Reported, reportedBy } from '../../cluster/reports.ts';
import type { Place, Source } from '../../cluster/source.ts';
import { placeOf } from '../../objects/names.ts';

export interface ClusterFacts {
  readonly now: Date;
  readonly client: string;
  readonly nodes: readonly Node[];
  readonly pods: readonly Pod[];
  readonly namespaces: readonly Namespace[];
  readonly policies: readonly NetworkPolicy[];
  readonly peers: readonly BgpPeer[];
  readonly pools: readonly IpPool[];
  readonly configurations: readonly BgpConfiguration[];
  readonly blocks: readonly IpamBlock[];
  readonly affinities: readonly BlockAffinity[];
  readonly reports: readonly Reported[];
  readonly serviceCidrs: readonly { readonly name: string; readonly cidr: Prefix }[];
  /** Objects that are there and cannot be understood. */
  readonly unreadable: readonly { readonly object: string; readonly why: string; readonly fix: string }[];
  /** The API server's clock less ours, in ms. */
  readonly clockSkewMs?: number;
}

/** Since Kubernetes 1.33; before, the range stands on the API server's command line only. */
const serviceCidrPlace: Place = {
  kind: 'ServiceCIDR',
  apiVersion: 'networking.k8s.io/v1',
  plural: 'servicecidrs',
  namespaced: false,
};

export type Need = Kind | 'clock';

const wanted = [
  'Node',
  'Pod',
  'Namespace',
  'NetworkPolicy',
  'BGPPeer',
  'IPPool',
  'BGPConfiguration',
  'IPAMBlock',
  'BlockAffinity',
  'CalicoNodeStatus',
] as const satisfies readonly Kind[];

export interface Gathered {
  readonly facts: ClusterFacts;
  readonly unread: ReadonlyMap<string, string>;
}

export async function gatherCluster(source: Source, client: string): Promise<Gathered> {
  const unread = new Map<string, string>();
  const objects = new Map<Kind, readonly Manifest[]>();
  const readKind = async (kind: Kind): Promise<void> => {
    const listed = await source.list(placeOf(kind));
    if (listed.ok) objects.set(kind, listed.value);
    else unread.set(kind, listed.error.sentence);
  };
  const [services, clockSkewMs] = await Promise.all([
    source.list(serviceCidrPlace),
    source.clockSkewMs?.(),
    ...wanted.map(readKind),
  ]);
  if (clockSkewMs === undefined) unread.set('clock', `${source.where} does not tell the time.`);
  const resources = new Map<Kind, readonly Resource[]>();
  const unreadable: ClusterFacts['unreadable'][number][] = [];
  for (const [kind, all] of objects) {
    const read = all.map((item) => [item, readManifest(item)] as const);
    resources.set(
      kind,
      read.flatMap(([, one]) => (one.ok ? [one.value] : [])),
    );
    for (const [item, one] of read)
      if (!one.ok && kind !== 'CalicoNodeStatus')
        unreadable.push(
          ...one.error.map(({ path, what, fix }) => ({
            object: `${kind}/${nameOf(item)}`,
            why: `${path.join('.')} ${what}`.trim(),
            fix,
          })),
        );
  }
  const all = <K extends Kind>(kind: K) =>
    (resources.get(kind) ?? []).filter((one): one is Extract<Resource, { kind: K }> => one.kind === kind);
  const facts: ClusterFacts = {
    now: new Date(),
    client,
    nodes: all('Node'),
    pods: all('Pod'),
    namespaces: all('Namespace'),
    policies: all('NetworkPolicy'),
    peers: all('BGPPeer'),
    pools: all('IPPool'),
    configurations: all('BGPConfiguration'),
    blocks: all('IPAMBlock'),
    affinities: all('BlockAffinity'),
    reports: (objects.get('CalicoNodeStatus') ?? []).map(reportedBy),
    serviceCidrs: (services.ok ? services.value : []).flatMap(cidrsOf),
    unreadable,
    ...(clockSkewMs === undefined ? {} : { clockSkewMs }),
  };
  return { facts, unread };
}

const cidrsOf = (item: Manifest): ClusterFacts['serviceCidrs'] =>
  listAt(item, 'spec', 'cidrs').flatMap((text) => {
    const cidr = parsePrefix(String(text));
    return cidr === undefined ? [] : [{ name: `ServiceCIDR/${nameOf(item)}`, cidr }];
  });
