/**
 * The CustomResourceDefinitions of our kinds, made from the very schemas that parse them, so that the two cannot part.
 *
 * The API server checks shapes, this process checks meaning: what a definition lets pass may still be refused here, with
 * a better sentence, but nothing we read is refused or dropped by the API server.
 */
import { z } from 'zod';
import type { Kind } from '../../model/resource.ts';
import { isObject, type JsonObject } from '../json.ts';
import { kinds } from '../kinds.ts';
import { selectable } from '../selectable.ts';
import { bgpConfigurationSchema } from './bgp-configuration.ts';
import { bgpPeerSchema } from './bgp-peer.ts';
import { blockAffinitySchema } from './block-affinity.ts';
import { calicoNodeStatusSchema } from './calico-node-status.ts';
import { ipPoolSchema } from './ip-pool.ts';
import { ipReservationSchema } from './ip-reservation.ts';
import { ipamBlockSchema } from './ipam-block.ts';
import { ipamConfigurationSchema } from './ipam-configuration.ts';

type CustomKind = { [K in Kind]: (typeof kinds)[K]['custom'] extends true ? K : never }[Kind];

interface Definition {
  readonly schema: z.ZodType;
  /** Of the whole object, for `kubectl explain`. */
  readonly about: string;
  readonly shortNames: readonly string[];
  readonly columns: readonly Column[];
}

/** One column of `kubectl get`. */
interface Column {
  readonly name: string;
  readonly type: 'string' | 'boolean' | 'integer';
  readonly jsonPath: string;
}

const definitions: Readonly<Record<CustomKind, Definition>> = {
  BGPConfiguration: {
    schema: bgpConfigurationSchema,
    about: 'How every node speaks BGP. Only the object named default is read.',
    shortNames: ['bgpconfig'],
    columns: [
      { name: 'ASN', type: 'string', jsonPath: '.spec.asNumber' },
      { name: 'Mesh', type: 'boolean', jsonPath: '.spec.nodeToNodeMeshEnabled' },
    ],
  },
  BGPPeer: {
    schema: bgpPeerSchema,
    about: 'A BGP neighbour of some or all nodes.',
    shortNames: ['bgpp'],
    columns: [
      { name: 'Peer', type: 'string', jsonPath: '.spec.peerIP' },
      { name: 'ASN', type: 'string', jsonPath: '.spec.asNumber' },
      { name: 'Node', type: 'string', jsonPath: '.spec.node' },
      { name: 'Selector', type: 'string', jsonPath: '.spec.nodeSelector' },
    ],
  },
  IPPool: {
    schema: ipPoolSchema,
    about: 'A prefix that pod addresses are from.',
    shortNames: ['ippl'],
    columns: [
      { name: 'CIDR', type: 'string', jsonPath: '.spec.cidr' },
      { name: 'Disabled', type: 'boolean', jsonPath: '.spec.disabled' },
    ],
  },
  IPAMBlock: {
    schema: ipamBlockSchema,
    about: 'One block of addresses, with who holds each. Written by the nodes.',
    shortNames: [],
    columns: [
      { name: 'CIDR', type: 'string', jsonPath: '.spec.cidr' },
      { name: 'Affinity', type: 'string', jsonPath: '.spec.affinity' },
    ],
  },
  BlockAffinity: {
    schema: blockAffinitySchema,
    about: 'A node’s claim of a block of addresses. Written by the nodes.',
    shortNames: [],
    columns: [
      { name: 'Node', type: 'string', jsonPath: '.spec.node' },
      { name: 'CIDR', type: 'string', jsonPath: '.spec.cidr' },
      { name: 'State', type: 'string', jsonPath: '.spec.state' },
    ],
  },
  IPAMConfiguration: {
    schema: ipamConfigurationSchema,
    about: 'How addresses are given. Only the object named default is read.',
    shortNames: ['ipamconfig'],
    columns: [
      { name: 'StrictAffinity', type: 'boolean', jsonPath: '.spec.strictAffinity' },
      { name: 'MaxBlocks', type: 'integer', jsonPath: '.spec.maxBlocksPerHost' },
    ],
  },
  IPReservation: {
    schema: ipReservationSchema,
    about: 'Addresses that are not given to anybody new.',
    shortNames: [],
    columns: [{ name: 'CIDRs', type: 'string', jsonPath: '.spec.reservedCIDRs' }],
  },
  CalicoNodeStatus: {
    schema: calicoNodeStatusSchema,
    about: 'What a node says of itself. Written by the daemons of that node.',
    shortNames: ['nodestatus'],
    columns: [{ name: 'Node', type: 'string', jsonPath: '.spec.node' }],
  },
};

export interface Crd {
  /** "bgppeers.projectcalico.org": also the name of its file. */
  readonly name: string;
  readonly manifest: JsonObject;
}

const isCustom = (kind: string): kind is CustomKind => Object.hasOwn(definitions, kind);

/** Throws if a schema has something that no definition can say: a fault of ours, seen by the tests. */
export const allCrds = (): readonly Crd[] => Object.keys(definitions).filter(isCustom).map(crdOf);

function crdOf(kind: CustomKind): Crd {
  const { schema, about, shortNames, columns } = definitions[kind];
  const { apiVersion, plural } = kinds[kind];
  const [group = '', version = ''] = apiVersion.split('/');
  const name = `${plural}.${group}`;
  return {
    name,
    manifest: {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name },
      spec: {
        group,
        scope: 'Cluster',
        names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase(), shortNames },
        versions: [
          {
            name: version,
            served: true,
            storage: true,
            subresources: { status: {} },
            ...selectableFieldsOf(kind),
            additionalPrinterColumns: [
              ...columns,
              { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
            ],
            schema: { openAPIV3Schema: rootOf(kind, schema, about) },
          },
        ],
      },
    },
  };
}

/** What watches and lists may choose by, besides the name. */
function selectableFieldsOf(kind: CustomKind): JsonObject {
  const fields = Object.keys(selectable[kind] ?? {});
  return fields.length === 0 ? {} : { selectableFields: fields.map((field) => ({ jsonPath: `.${field}` })) };
}

function rootOf(kind: CustomKind, schema: z.ZodType, description: string): JsonObject {
  const root = z.toJSONSchema(schema, { io: 'input' });
  const { properties, required } = isObject(root) ? root : {};
  const { spec, status } = isObject(properties) ? properties : {};
  return {
    description,
    type: 'object',
    ...(Array.isArray(required) && { required }),
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: structural(spec, `${kind} spec`),
      status: { type: 'object', ...structural(status, `${kind} status`) },
    },
  };
}

/**
 * JSON Schema to what the API server calls structural: every node has a type or says that it has none, and unknown
 * fields are dropped by the server itself, so `additionalProperties: false` must not be said.
 */
function structural(json: unknown, where: string): JsonObject {
  if (!isObject(json)) throw new Error(`${where} has no schema`);
  const { additionalProperties, propertyNames: _, properties, items, ...rest } = json;
  const typeless = 'x-kubernetes-int-or-string' in rest || 'x-kubernetes-preserve-unknown-fields' in rest;
  if (rest['type'] === undefined && !typeless) throw new Error(`${where} has no form for its definition`);
  return {
    ...rest,
    ...(items !== undefined && { items: structural(items, `${where}[]`) }),
    ...(isObject(additionalProperties) && {
      additionalProperties: structural(additionalProperties, `${where}{}`),
    }),
    ...(isObject(properties) && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, one]) => [name, structural(one, `${where}.${name}`)]),
      ),
    }),
  };
}
