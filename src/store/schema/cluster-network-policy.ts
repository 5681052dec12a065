/**
 * policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy. Its definition is Kubernetes' own, so its fields are not ours to refuse:
 * a peer or protocol that this version does not know is kept as such, and its rule closes or is dropped.
 */
import { z } from 'zod';
import { ok, type Result } from '../../lib/result.ts';
import type { Meta } from '../../model/meta.ts';
import type {
  ClusterNetworkPolicy,
  ClusterPolicyPeer,
  ClusterPolicyPods,
  ClusterPolicyProtocol,
  ClusterPolicyRule,
  PortRange,
} from '../../model/policy.ts';
import { isObject } from '../json.ts';
import { prefix } from './addresses.ts';
import { list, maybe, oneOf, portNumber, text, wholeNumber } from './fields.ts';
import type { Flaw } from './flaw.ts';
import { labelSelector } from './labels.ts';
import { check, read, strict } from './read.ts';

const pods = z.object({ namespaceSelector: maybe(labelSelector), podSelector: maybe(labelSelector) });
const none = { matchLabels: {}, matchExpressions: [] };

const podsOf = ({
  namespaceSelector = none,
  podSelector = none,
}: z.output<typeof pods>): ClusterPolicyPods => ({
  kind: 'pods',
  namespaceSelector,
  podSelector,
});

const subject = z
  .object({ namespaces: maybe(labelSelector), pods: maybe(pods) })
  .superRefine(
    check(({ namespaces, pods }) =>
      (namespaces === undefined) === (pods === undefined)
        ? {
            at: [],
            wrong: {
              what: 'has to be exactly one of namespaces and pods.',
              fix: 'Give the one that is meant.',
            },
          }
        : undefined,
    ),
  )
  .transform(
    ({ namespaces, pods }): ClusterPolicyPods =>
      namespaces === undefined ? podsOf(pods ?? {}) : { kind: 'namespaces', namespaceSelector: namespaces },
  );

/** The one field of a union, or what is in its place, in words. */
function theField(
  json: unknown,
  known: readonly string[],
): { readonly name: string } | { readonly what: string } {
  if (!isObject(json)) return { what: 'something that is no object' };
  const names = Object.keys(json);
  const [name] = names;
  if (name === undefined) return { what: 'an empty one' };
  if (names.length > 1) return { what: `${names.join(' and ')} in one` };
  return known.includes(name) ? { name } : { what: name };
}

const peerForms = {
  namespaces: z
    .object({ namespaces: labelSelector })
    .transform(
      ({ namespaces }): ClusterPolicyPeer => ({ kind: 'namespaces', namespaceSelector: namespaces }),
    ),
  pods: z.object({ pods }).transform(({ pods }): ClusterPolicyPeer => podsOf(pods)),
  nodes: z
    .object({ nodes: labelSelector })
    .transform(({ nodes }): ClusterPolicyPeer => ({ kind: 'nodes', nodeSelector: nodes })),
  networks: z
    .object({ networks: list(prefix) })
    .transform(({ networks }): ClusterPolicyPeer => ({ kind: 'networks', networks: [...new Set(networks)] })),
} as const;

const unsupported = (what: string): { readonly kind: 'unsupported'; readonly what: string } => ({
  kind: 'unsupported',
  what,
});

/** By its one field; another field, or none, is what a newer API has: it is not read, and known not to be. */
const union = <T, K extends string>(forms: Readonly<Record<K, z.ZodType<T>>>, allowed: readonly K[]) =>
  z.unknown().transform((json, context): T | ReturnType<typeof unsupported> => {
    const found = theField(json, allowed);
    if ('what' in found) return unsupported(found.what);
    const name = allowed.find((one) => one === found.name);
    if (name === undefined) return unsupported(found.name);
    const parsed = forms[name].safeParse(json);
    if (parsed.success) return parsed.data;
    context.issues.push(
      ...parsed.error.issues.map((issue) => ({ ...issue, input: json }) as z.core.$ZodRawIssue),
    );
    return z.NEVER;
  });

const ingressPeer = union<ClusterPolicyPeer, keyof typeof peerForms>(peerForms, ['namespaces', 'pods']);
const egressPeer = union<ClusterPolicyPeer, keyof typeof peerForms>(peerForms, [
  'namespaces',
  'pods',
  'nodes',
  'networks',
]);

const range = strict({ start: portNumber, end: portNumber }).superRefine(
  check(({ start, end }) =>
    start < end
      ? undefined
      : { at: ['end'], wrong: { what: `must be greater than start (${start}).`, fix: 'Exchange the two.' } },
  ),
);
/** Undefined: what a newer API has. */
const port = z
  .object({ number: maybe(portNumber), range: maybe(range) })
  .transform(({ number, range }): PortRange | undefined => {
    if (number !== undefined) return { first: number, last: number };
    return range === undefined ? undefined : { first: range.start, last: range.end };
  });

const numbered = (name: string, protocol: number): z.ZodType<ClusterPolicyProtocol> =>
  z
    .object({ [name]: z.object({ destinationPort: maybe(port) }).catchall(z.unknown()) })
    .transform((given): ClusterPolicyProtocol => {
      const { destinationPort, ...others } = given[name] ?? {};
      const [other] = Object.keys(others);
      if (other !== undefined) return unsupported(`${name}.${other}`);
      if ('destinationPort' in (given[name] ?? {}) && destinationPort === undefined)
        return unsupported(`${name}.destinationPort of a form that is not known here`);
      return {
        kind: 'numbered',
        protocol,
        ...(destinationPort === undefined ? {} : { ports: destinationPort }),
      };
    });

const protocolForms = {
  tcp: numbered('tcp', 6),
  udp: numbered('udp', 17),
  sctp: numbered('sctp', 132),
  destinationNamedPort: z
    .object({ destinationNamedPort: text })
    .transform(
      ({ destinationNamedPort }): ClusterPolicyProtocol => ({ kind: 'named', name: destinationNamedPort }),
    ),
} as const;

const protocol = union<ClusterPolicyProtocol, keyof typeof protocolForms>(protocolForms, [
  'tcp',
  'udp',
  'sctp',
  'destinationNamedPort',
]);

const shape = {
  name: maybe(text),
  action: oneOf('Accept', 'Deny', 'Pass'),
  protocols: maybe(list(protocol)),
};

const peersOf = <T>(peer: z.ZodType<T>) =>
  list(peer).superRefine(
    check((peers) =>
      peers.length > 0
        ? undefined
        : {
            at: [],
            wrong: { what: 'is empty, so that the rule is of nobody.', fix: 'Name one peer or more.' },
          },
    ),
  );

const ruleOf = (
  {
    name,
    action,
    protocols,
  }: { name?: string; action: ClusterPolicyRule['action']; protocols?: readonly ClusterPolicyProtocol[] },
  peers: readonly ClusterPolicyPeer[],
): ClusterPolicyRule => ({
  ...(name === undefined || name === '' ? {} : { name }),
  action,
  peers,
  ...(protocols === undefined || protocols.length === 0 ? {} : { protocols }),
});

const ingressRule = z
  .object({ ...shape, from: peersOf(ingressPeer) })
  .transform(({ from, ...rest }) => ruleOf(rest, from));
const egressRule = z
  .object({ ...shape, to: peersOf(egressPeer) })
  .transform(({ to, ...rest }) => ruleOf(rest, to));

const schema = z.object({
  spec: z.object({
    tier: oneOf('Admin', 'Baseline'),
    priority: wholeNumber('a priority', 0, 1000),
    subject,
    ingress: maybe(list(ingressRule)),
    egress: maybe(list(egressRule)),
  }),
});

export function readClusterNetworkPolicy(
  meta: Meta,
  json: unknown,
): Result<ClusterNetworkPolicy, readonly Flaw[]> {
  const parsed = read(schema, json);
  if (!parsed.ok) return parsed;
  const { tier, priority, subject, ingress = [], egress = [] } = parsed.value.spec;
  return ok({ kind: 'ClusterNetworkPolicy', meta, tier, priority, subject, ingress, egress });
}
