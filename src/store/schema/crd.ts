/**
 * The CustomResourceDefinitions of our kinds, made from the very schemas that parse them, so that the two cannot part.
 *
 * The API server checks shapes and what its rules can say (`cel.ts`), this process checks meaning: what a definition lets pass may
 * still be refused here, and shows as a condition; what is refused there is refused here too. The rules need Kubernetes 1.31.
 */
import { z } from 'zod';
import type { Condition } from '../../model/node-report.ts';
import { isObject, type JsonObject } from '../json.ts';
import { apiKindOf, kinds, type OwnKind } from '../kinds.ts';
import { selectable } from '../selectable.ts';
import { bgpConfigurationSchema } from './bgp-configuration.ts';
import { bgpFilterSchema } from './bgp-filter.ts';
import { bgpPeerSchema } from './bgp-peer.ts';
import { blockAffinitySchema } from './block-affinity.ts';
import { calicoNodeStatusSchema } from './calico-node-status.ts';
import {
  calicoNetworkPolicySchema,
  globalNetworkPolicySchema,
  stagedGlobalNetworkPolicySchema,
  stagedNetworkPolicySchema,
} from './calico-policy.ts';
import { defaultName } from './cel.ts';
import { conditions } from './condition.ts';
import { felixConfigurationSchema } from './felix-configuration.ts';
import { hostEndpointSchema } from './host-endpoint.ts';
import { ipPoolSchema } from './ip-pool.ts';
import { ipReservationSchema } from './ip-reservation.ts';
import { ipamBlockSchema } from './ipam-block.ts';
import { ipamConfigurationSchema } from './ipam-configuration.ts';
import { stagedKubernetesSchema } from './network-policy.ts';
import { networkSetSchema } from './network-set.ts';
import { profileSchema } from './profile.ts';
import { tierSchema } from './tier.ts';

interface Definition {
  readonly schema: z.ZodType;
  /** Of the whole object, for `kubectl explain`. */
  readonly about: string;
  /** As Calico and its CLI have them. */
  readonly shortNames: readonly string[];
  /** Besides `calico`: what `kubectl get bgp` and `kubectl get ipam` show. */
  readonly category: 'bgp' | 'ipam' | 'policy';
  readonly columns: readonly Column[];
  /** The condition that says whether the object is in force; its status and reason are the last columns. */
  readonly health?: Condition['type'];
}

/** One column of `kubectl get`. */
interface Column {
  readonly name: string;
  readonly type: 'string' | 'boolean' | 'integer' | 'number' | 'date';
  readonly jsonPath: string;
  /** 1: with -o wide only. */
  readonly priority?: number;
}

const fieldOf = (type: Condition['type'], field: string): string =>
  `.status.conditions[?(@.type=="${type}")].${field}`;
const statusOf = (type: Condition['type']): string => fieldOf(type, 'status');

const tierColumns: readonly Column[] = [
  { name: 'Tier', type: 'string', jsonPath: '.spec.tier' },
  { name: 'Order', type: 'number', jsonPath: '.spec.order' },
  { name: 'Selector', type: 'string', jsonPath: '.spec.selector', priority: 1 },
];
const actionColumn: Column = { name: 'Action', type: 'string', jsonPath: '.spec.stagedAction' };
const netsColumn: Column = { name: 'Nets', type: 'string', jsonPath: '.spec.nets', priority: 1 };

const definitions: Readonly<Record<OwnKind, Definition>> = {
  BGPConfiguration: {
    schema: bgpConfigurationSchema,
    about:
      'How the nodes speak BGP: default for all of them, node.NAME for what is different at the node NAME.',
    shortNames: ['bgpconfig'],
    category: 'bgp',
    health: 'Accepted',
    columns: [
      { name: 'ASN', type: 'string', jsonPath: '.spec.asNumber' },
      { name: 'Mesh', type: 'boolean', jsonPath: '.spec.nodeToNodeMeshEnabled' },
    ],
  },
  BGPPeer: {
    schema: bgpPeerSchema,
    about: 'A BGP neighbour of some or all nodes.',
    shortNames: ['bgpp'],
    category: 'bgp',
    health: 'Ready',
    columns: [
      { name: 'Peer', type: 'string', jsonPath: '.spec.peerIP' },
      { name: 'ASN', type: 'string', jsonPath: '.spec.asNumber' },
      { name: 'Node', type: 'string', jsonPath: '.spec.node' },
      { name: 'Selector', type: 'string', jsonPath: '.spec.nodeSelector' },
      { name: 'PeerSelector', type: 'string', jsonPath: '.spec.peerSelector', priority: 1 },
      { name: 'PeerRange', type: 'string', jsonPath: '.spec.peerRange', priority: 1 },
      { name: 'Interface', type: 'string', jsonPath: '.spec.interface', priority: 1 },
      { name: 'Workloads', type: 'string', jsonPath: '.spec.localWorkloadSelector', priority: 1 },
      { name: 'LocalASN', type: 'string', jsonPath: '.spec.localASNumber', priority: 1 },
      { name: 'Accepted', type: 'string', jsonPath: statusOf('Accepted'), priority: 1 },
    ],
  },
  BGPFilter: {
    schema: bgpFilterSchema,
    about: 'What may come from the neighbours whose BGPPeers name it, and what may go to them.',
    shortNames: [],
    category: 'bgp',
    health: 'Accepted',
    columns: (['exportV4', 'importV4', 'exportV6', 'importV6'] as const).map((list) => ({
      name: list,
      type: 'string',
      jsonPath: `.spec.${list}[*].action`,
    })),
  },
  IPPool: {
    schema: ipPoolSchema,
    about: 'A prefix that pod addresses are from.',
    shortNames: ['ipp'],
    category: 'ipam',
    health: 'Allocatable',
    columns: [
      { name: 'CIDR', type: 'string', jsonPath: '.spec.cidr' },
      { name: 'Block', type: 'integer', jsonPath: '.spec.blockSize' },
      { name: 'Uses', type: 'string', jsonPath: '.spec.allowedUses', priority: 1 },
      { name: 'Nodes', type: 'string', jsonPath: '.spec.nodeSelector', priority: 1 },
      { name: 'Disabled', type: 'boolean', jsonPath: '.spec.disabled' },
      { name: 'Accepted', type: 'string', jsonPath: statusOf('Accepted'), priority: 1 },
    ],
  },
  IPAMBlock: {
    schema: ipamBlockSchema,
    about: 'One block of addresses, with who holds each. Written by the nodes.',
    shortNames: [],
    category: 'ipam',
    columns: [
      { name: 'CIDR', type: 'string', jsonPath: '.spec.cidr' },
      { name: 'Affinity', type: 'string', jsonPath: '.spec.affinity' },
    ],
  },
  BlockAffinity: {
    schema: blockAffinitySchema,
    about: 'A node’s claim of a block of addresses. Written by the nodes.',
    shortNames: [],
    category: 'ipam',
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
    category: 'ipam',
    health: 'Accepted',
    columns: [
      { name: 'StrictAffinity', type: 'boolean', jsonPath: '.spec.strictAffinity' },
      { name: 'MaxBlocks', type: 'integer', jsonPath: '.spec.maxBlocksPerHost' },
    ],
  },
  IPReservation: {
    schema: ipReservationSchema,
    about: 'Addresses that are not given to anybody new.',
    shortNames: [],
    category: 'ipam',
    health: 'Accepted',
    columns: [{ name: 'CIDRs', type: 'string', jsonPath: '.spec.reservedCIDRs' }],
  },
  FelixConfiguration: {
    schema: felixConfigurationSchema,
    about:
      'How the node agent works: default for all nodes, one with a nodeSelector for those it takes, node.NAME for the node NAME.',
    shortNames: ['felixconfig', 'felixconfigs'],
    category: 'policy',
    health: 'Accepted',
    columns: [{ name: 'Nodes', type: 'string', jsonPath: '.spec.nodeSelector' }],
  },
  CalicoNodeStatus: {
    schema: calicoNodeStatusSchema,
    about: 'What a node says of itself. Written by the daemons of that node.',
    shortNames: ['nodestatus'],
    category: 'bgp',
    columns: [
      { name: 'Node', type: 'string', jsonPath: '.spec.node', priority: 1 },
      { name: 'Established', type: 'integer', jsonPath: '.status.tortie.bgp.sessions.established' },
      { name: 'Sessions', type: 'integer', jsonPath: '.status.tortie.bgp.sessions.total' },
      { name: 'Routes', type: 'integer', jsonPath: '.status.tortie.bgp.kernel.installed' },
      { name: 'Policy', type: 'string', jsonPath: '.status.tortie.felix.dataplane' },
      { name: 'Updated', type: 'date', jsonPath: '.status.lastUpdated' },
    ],
  },
  CalicoNetworkPolicy: {
    schema: calicoNetworkPolicySchema,
    about:
      'What the endpoints of a namespace may send and receive: allowed, denied, logged or left to the next tier.',
    // Its own name is that of Kubernetes' kind too: to kubectl it is networkpolicies.projectcalico.org, or this.
    shortNames: ['caliconetworkpolicy', 'caliconetworkpolicies'],
    category: 'policy',
    health: 'Accepted',
    columns: tierColumns,
  },
  GlobalNetworkPolicy: {
    schema: globalNetworkPolicySchema,
    about: 'What endpoints of all namespaces, and hosts, may send and receive.',
    shortNames: ['gnp'],
    category: 'policy',
    health: 'Accepted',
    columns: tierColumns,
  },
  StagedNetworkPolicy: {
    schema: stagedNetworkPolicySchema,
    about: 'A NetworkPolicy on trial: told of, never enforced.',
    shortNames: ['snp'],
    category: 'policy',
    health: 'Accepted',
    columns: [...tierColumns, actionColumn],
  },
  StagedGlobalNetworkPolicy: {
    schema: stagedGlobalNetworkPolicySchema,
    about: 'A GlobalNetworkPolicy on trial: told of, never enforced.',
    shortNames: ['sgnp'],
    category: 'policy',
    health: 'Accepted',
    columns: [...tierColumns, actionColumn],
  },
  StagedKubernetesNetworkPolicy: {
    schema: stagedKubernetesSchema,
    about: 'A NetworkPolicy of networking.k8s.io on trial: told of, never enforced.',
    shortNames: ['sknp'],
    category: 'policy',
    health: 'Accepted',
    columns: [actionColumn],
  },
  Tier: {
    schema: tierSchema,
    about: 'A group of policies that is asked before or after others.',
    shortNames: [],
    category: 'policy',
    health: 'Ready',
    columns: [
      { name: 'Order', type: 'number', jsonPath: '.spec.order' },
      { name: 'DefaultAction', type: 'string', jsonPath: '.spec.defaultAction' },
    ],
  },
  NetworkSet: {
    schema: networkSetSchema,
    about: 'Addresses outside of the cluster, with labels that policies of the namespace select by.',
    shortNames: ['netsets'],
    category: 'policy',
    health: 'Accepted',
    columns: [netsColumn],
  },
  GlobalNetworkSet: {
    schema: networkSetSchema,
    about: 'Addresses outside of the cluster, with labels that policies select by.',
    shortNames: ['gnetsets'],
    category: 'policy',
    health: 'Accepted',
    columns: [netsColumn],
  },
  HostEndpoint: {
    schema: hostEndpointSchema,
    about: 'An interface of a node, or all of them, for policies to select.',
    shortNames: ['hep', 'heps'],
    category: 'policy',
    health: 'Accepted',
    columns: [
      { name: 'Node', type: 'string', jsonPath: '.spec.node' },
      { name: 'Interface', type: 'string', jsonPath: '.spec.interfaceName' },
      { name: 'IPs', type: 'string', jsonPath: '.spec.expectedIPs', priority: 1 },
    ],
  },
  Profile: {
    schema: profileSchema,
    about: 'Rules for host endpoints that no policy has decided on, and labels for them.',
    shortNames: ['pro'],
    category: 'policy',
    health: 'Accepted',
    columns: [],
  },
};

export interface Crd {
  /** "bgppeers.projectcalico.org": also the name of its file. */
  readonly name: string;
  readonly manifest: JsonObject;
}

const isCustom = (kind: string): kind is OwnKind => Object.hasOwn(definitions, kind);

/** Throws if a schema has something that no definition can say: a fault of ours, seen by the tests. */
export const allCrds = (): readonly Crd[] => Object.keys(definitions).filter(isCustom).map(crdOf);

function crdOf(kind: OwnKind): Crd {
  const { schema, about, shortNames, category, columns, health } = definitions[kind];
  const { apiVersion, plural, namespaced } = kinds[kind];
  const apiKind = apiKindOf(kind);
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
        scope: namespaced ? 'Namespaced' : 'Cluster',
        names: {
          kind: apiKind,
          listKind: `${apiKind}List`,
          plural,
          singular: apiKind.toLowerCase(),
          ...(shortNames.length > 0 && { shortNames }),
          categories: ['calico', category],
        },
        versions: [
          {
            name: version,
            served: true,
            storage: true,
            subresources: { status: {} },
            ...selectableFieldsOf(kind),
            additionalPrinterColumns: [
              ...columns,
              ...(health === undefined ? [] : healthColumns(health)),
              { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
            ],
            schema: { openAPIV3Schema: rootOf(kind, schema, about) },
          },
        ],
      },
    },
  };
}

const healthColumns = (type: Condition['type']): readonly Column[] => [
  { name: type, type: 'string', jsonPath: statusOf(type) },
  { name: 'Reason', type: 'string', jsonPath: fieldOf(type, 'reason') },
];

/** What watches and lists may choose by, besides the name. */
function selectableFieldsOf(kind: OwnKind): JsonObject {
  const fields = Object.keys(selectable[kind] ?? {});
  return fields.length === 0 ? {} : { selectableFields: fields.map((field) => ({ jsonPath: `.${field}` })) };
}

function rootOf(kind: OwnKind, schema: z.ZodType, description: string): JsonObject {
  const root = z.toJSONSchema(schema, { io: 'input' });
  const { properties, required, [rules]: ownRules } = root as JsonObject;
  const { spec, status } = isObject(properties) ? properties : {};
  return {
    description,
    type: 'object',
    ...(Array.isArray(required) && { required }),
    ...(ownRules !== undefined && { [rules]: ownRules }),
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: structural(spec, `${kind} spec`),
      status: statusForm(structural(status, `${kind} status`)),
    },
  };
}

/** Conditions can stand on every object. What is in a status is written by programs, so nothing of it is dropped. */
function statusForm(form: JsonObject): JsonObject {
  const own = isObject(form['properties']) ? form['properties'] : {};
  const known = structural(z.toJSONSchema(conditions, { io: 'input' }), 'conditions');
  return {
    ...form,
    type: 'object',
    'x-kubernetes-preserve-unknown-fields': true,
    properties: { conditions: known, ...own },
  };
}

const rules = 'x-kubernetes-validations';

/**
 * JSON Schema to what the API server calls structural: every node has a type or says that it has none, and unknown
 * fields are dropped by the server itself, so `additionalProperties: false` must not be said.
 */
function structural(json: unknown, where: string): JsonObject {
  if (!isObject(json)) throw new Error(`${where} has no schema`);
  const {
    additionalProperties,
    propertyNames: _,
    $schema: __,
    [defaultName]: usual,
    properties,
    items,
    ...rest
  } = json;
  const typeless = 'x-kubernetes-int-or-string' in rest || 'x-kubernetes-preserve-unknown-fields' in rest;
  if (rest['type'] === undefined && !typeless) throw new Error(`${where} has no form for its definition`);
  return {
    ...rest,
    ...(usual !== undefined && { default: usual }),
    ...(items !== undefined && { items: structural(items, `${where}[]`) }),
    ...(isObject(additionalProperties) &&
      (isObject(properties)
        ? { 'x-kubernetes-preserve-unknown-fields': true }
        : { additionalProperties: structural(additionalProperties, `${where}{}`) })),
    ...(isObject(properties) && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, one]) => [name, structural(one, `${where}.${name}`)]),
      ),
    }),
  };
}
