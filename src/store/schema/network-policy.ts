/** networking.k8s.io/v1 NetworkPolicy, with the API server's own validation and defaults. Strict: a field that is not known is refused. */
import type { z } from 'zod';
import { contains, formatPrefix, lengthOf } from '../../lib/net.ts';
import { ok, type Result } from '../../lib/result.ts';
import { everything, type LabelSelector } from '../../model/labels.ts';
import type { Direction, StagedKubernetesNetworkPolicy } from '../../model/policy.ts';
import type { Meta, NetworkPolicy, PolicyPeer, PolicyPort, PolicyRule } from '../../model/resource.ts';
import { prefix } from './addresses.ts';
import { stagedAction } from './calico-policy.ts';
import { list, maybe, oneOf, portNumber, upTo } from './fields.ts';
import { type Flaw, mustBe, type Wrong, wrong } from './flaw.ts';
import { labelSelector } from './labels.ts';
import { protocol } from './pod.ts';
import { check, field, manifest, read, strict } from './read.ts';

const ipBlock = strict({ cidr: prefix, except: maybe(list(prefix)) }).superRefine(
  check(({ cidr, except = [] }) => {
    const bad = except.findIndex((hole) => !contains(cidr, hole) || lengthOf(hole) === lengthOf(cidr));
    const hole = except[bad];
    if (hole === undefined) return undefined;
    return {
      at: ['except', bad],
      wrong: {
        what: `must be a smaller part of ${formatPrefix(cidr)}, but is ${formatPrefix(hole)}.`,
        fix: 'Except only prefixes inside cidr and longer than it.',
      },
    };
  }),
);

const peer = strict({
  ipBlock: maybe(ipBlock),
  podSelector: maybe(labelSelector),
  namespaceSelector: maybe(labelSelector),
})
  .superRefine(
    check(({ ipBlock, podSelector, namespaceSelector }) => {
      const selects = podSelector !== undefined || namespaceSelector !== undefined;
      if ((ipBlock !== undefined) !== selects) return undefined;
      return selects
        ? {
            at: ['ipBlock'],
            wrong: { what: 'cannot stand next to a selector.', fix: 'Make two peers of it, one for each.' },
          }
        : {
            at: [],
            wrong: {
              what: 'is a peer that names nobody.',
              fix: 'Give ipBlock, podSelector or namespaceSelector; for everyone leave out the whole list.',
            },
          };
    }),
  )
  .transform(
    ({ ipBlock, ...selectors }): PolicyPeer =>
      ipBlock === undefined
        ? { kind: 'pods', ...selectors }
        : { kind: 'ipBlock', cidr: ipBlock.cidr, except: ipBlock.except ?? [] },
  );

/** IANA service name, RFC 6335 §5.1, as the API takes it. */
const portName = /^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$/;

const numberOrName = field(
  (json): Result<number | string, Wrong> => {
    if (typeof json === 'string')
      return portName.test(json)
        ? ok(json)
        : wrong(
            `cannot be a port's name: ${JSON.stringify(json)}.`,
            /^\d+$/.test(json)
              ? 'Write a port number without quotes.'
              : 'Use at most 15 lower-case letters, digits and "-", with at least one letter.',
          );
    return typeof json === 'number' && Number.isInteger(json) && json >= 1 && json <= 65535
      ? ok(json)
      : mustBe('a port number from 1 to 65535 or a name', json, 'Give the number or the name of a port.');
  },
  { 'x-kubernetes-int-or-string': true },
);

const port: z.ZodType<PolicyPort> = strict({
  protocol: maybe(protocol),
  port: maybe(numberOrName),
  endPort: maybe(portNumber),
})
  .superRefine(
    check(({ port, endPort }) => {
      if (endPort === undefined || (typeof port === 'number' && port <= endPort)) return undefined;
      return {
        at: ['endPort'],
        wrong:
          typeof port === 'number'
            ? {
                what: `must not be less than port (${port}), but is ${endPort}.`,
                fix: 'Put the greater one last.',
              }
            : { what: 'needs a numeric port to start from.', fix: 'Give port a number, or remove endPort.' },
      };
    }),
  )
  .transform(({ protocol = 'TCP', ...rest }) => ({ protocol, ...rest }));

/** An empty list of peers or ports means the same as none: everyone, every port. */
const ruleOf = (peers: readonly PolicyPeer[] = [], ports: readonly PolicyPort[] = []): PolicyRule => ({
  ...(peers.length > 0 ? { peers } : {}),
  ...(ports.length > 0 ? { ports } : {}),
});

const ingressRule = strict({ from: maybe(list(peer)), ports: maybe(list(port)) }).transform(
  ({ from, ports }) => ruleOf(from, ports),
);

const egressRule = strict({ to: maybe(list(peer)), ports: maybe(list(port)) }).transform(({ to, ports }) =>
  ruleOf(to, ports),
);

const fields = {
  podSelector: maybe(labelSelector),
  policyTypes: maybe(list(oneOf('Ingress', 'Egress'))),
  ingress: maybe(list(ingressRule)),
  egress: maybe(list(egressRule)),
};
const schema = manifest(maybe(strict(fields)));

export function readNetworkPolicy(meta: Meta, json: unknown): Result<NetworkPolicy, readonly Flaw[]> {
  const parsed = read(schema, json);
  if (!parsed.ok) return parsed;
  return ok({ kind: 'NetworkPolicy', meta, ...bodyOf(parsed.value.spec) });
}

interface Given {
  readonly podSelector?: LabelSelector | undefined;
  readonly policyTypes?: readonly Direction[] | undefined;
  readonly ingress?: readonly PolicyRule[] | undefined;
  readonly egress?: readonly PolicyRule[] | undefined;
}

function bodyOf(given: Given = {}): Omit<NetworkPolicy, 'kind' | 'meta'> {
  const { podSelector = everything, policyTypes = [], ingress = [], egress = [] } = given;
  const defaults = egress.length > 0 ? (['Ingress', 'Egress'] as const) : (['Ingress'] as const);
  return {
    podSelector,
    policyTypes: policyTypes.length > 0 ? [...new Set(policyTypes)] : defaults,
    ingress,
    egress,
  };
}

export const stagedKubernetesSchema = manifest(
  maybe(
    strict({
      podSelector: maybe(labelSelector.describe('The pods it would apply to; all if absent.')),
      policyTypes: maybe(
        upTo(2, oneOf('Ingress', 'Egress'), { isSet: true }).describe('The directions it would decide.'),
      ),
      ingress: maybe(upTo(1024, ingressRule).describe('As of a NetworkPolicy.')),
      egress: maybe(upTo(1024, egressRule).describe('As of a NetworkPolicy.')),
      ...stagedAction,
    }),
  ),
);

export function readStagedKubernetesNetworkPolicy(
  meta: Meta,
  json: unknown,
): Result<StagedKubernetesNetworkPolicy, readonly Flaw[]> {
  const parsed = read(stagedKubernetesSchema, json);
  if (!parsed.ok) return parsed;
  const { stagedAction: action = 'Set', ...rest } = parsed.value.spec ?? {};
  return ok({ kind: 'StagedKubernetesNetworkPolicy', meta, ...bodyOf(rest), stagedAction: action });
}
