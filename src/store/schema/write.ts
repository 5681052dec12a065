/** Typed values to manifests, for the kinds that programs write: reading what is written here gives the same value. */
import type { JsonFields } from '../../lib/json.ts';
import { formatPrefix } from '../../lib/net.ts';
import type { BlockAffinity, BlockOwner, IpamBlock } from '../../model/ipam.ts';
import type { Labels, Meta } from '../../model/meta.ts';
import { kinds } from '../kinds.ts';
import type { Manifest } from '../objects.ts';
import type { Json } from '../store.ts';

/** Without version: that goes with the write itself (`Objects`). */
export function toManifest(value: IpamBlock | BlockAffinity): Manifest {
  return {
    apiVersion: kinds[value.kind].apiVersion,
    kind: value.kind,
    metadata: { ...(value.kind === 'IPAMBlock' && value.beside?.metadata), ...metadataOf(value.meta) },
    spec: value.kind === 'IPAMBlock' ? blockSpec(value) : affinitySpec(value),
  };
}

const unlessEmpty = (name: string, pairs: Labels): { readonly [key: string]: Json } =>
  Object.keys(pairs).length === 0 ? {} : { [name]: pairs };

const metadataOf = ({ name, namespace, labels, annotations, uid }: Meta): JsonFields => ({
  name,
  ...(namespace === undefined ? {} : { namespace }),
  ...unlessEmpty('labels', labels),
  ...unlessEmpty('annotations', annotations),
  ...(uid === undefined ? {} : { uid }),
});

const ownerText = (owner: BlockOwner): string =>
  owner.type === 'host' ? `host:${owner.node}` : `virtual:${owner.name}`;

/** Calico's field names; strictAffinity is deprecated there, but required. */
const blockSpec = ({ affinity, affinityClaimTime, attributes, beside, ...block }: IpamBlock): Json => ({
  strictAffinity: false,
  ...beside?.spec,
  cidr: formatPrefix(block.cidr),
  ...(affinity === undefined ? {} : { affinity: ownerText(affinity) }),
  ...(affinityClaimTime === undefined ? {} : { affinityClaimTime }),
  allocations: block.allocations.map((index) => index ?? null),
  unallocated: block.unallocated,
  attributes: attributes.map(({ handle, secondary, releasedAt, beside: others }) => ({
    ...others,
    handle_id: handle,
    secondary,
    ...(releasedAt === undefined ? {} : { releasedAt }),
  })),
  sequenceNumber: block.sequenceNumber,
  sequenceNumberForAllocation: block.sequenceNumberForAllocation,
  deleted: block.deleted,
});

const affinitySpec = ({ state, node, type, cidr, deleted }: BlockAffinity): Json => ({
  state,
  node,
  type,
  cidr: formatPrefix(cidr),
  deleted,
});
