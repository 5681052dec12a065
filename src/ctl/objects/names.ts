/**
 * What a person may call a kind: its name in any case, its plural, and calicoctl's and kubectl's short names.
 *
 * Two APIs have a NetworkPolicy. Here as in calicoctl the word means Calico's; Kubernetes' has its group behind the name, as
 * kubectl tells two kinds apart, or kubectl's short name `netpol`.
 */
import { err, ok, type Result } from '../../lib/result.ts';
import type { Kind } from '../../model/resource.ts';
import { allKinds, apiKindOf, kinds } from '../../store/kinds.ts';
import type { Place } from '../cluster/source.ts';

const aliases: Partial<Record<Kind, readonly string[]>> = {
  Node: ['no'],
  Pod: ['po'],
  Namespace: ['ns'],
  NetworkPolicy: ['netpol', 'knp'],
  CalicoNetworkPolicy: ['np', 'pol', 'caliconetworkpolicy', 'caliconetworkpolicies'],
  GlobalNetworkPolicy: ['gnp'],
  StagedNetworkPolicy: ['snp'],
  StagedGlobalNetworkPolicy: ['sgnp'],
  StagedKubernetesNetworkPolicy: ['sknp'],
  NetworkSet: ['netset', 'netsets'],
  GlobalNetworkSet: ['gnetset', 'gnetsets'],
  HostEndpoint: ['hep', 'heps'],
  Profile: ['pro'],
  ServiceAccount: ['sa'],
  ClusterNetworkPolicy: ['cnp'],
  Service: ['svc'],
  BGPConfiguration: ['bgpconfig', 'bgpconfigs'],
  BGPPeer: ['bgpp', 'bp'],
  IPPool: ['ipp', 'pool', 'pools', 'ippl'],
  FelixConfiguration: ['felixconfig', 'felixconfigs'],
  CalicoNodeStatus: ['nodestatus', 'caliconodestatuses'],
};

/** The group of a kind whose bare name is another's. */
const needsGroup = (kind: Kind): boolean => kind === 'NetworkPolicy';

const groupOf = (kind: Kind): string => kinds[kind].apiVersion.split('/')[0] ?? '';

/** The one word that means this kind and no other. */
export const wordOf = (kind: Kind): string =>
  needsGroup(kind) ? `${apiKindOf(kind).toLowerCase()}.${groupOf(kind)}` : apiKindOf(kind).toLowerCase();

/** What it is called in sentences. */
export const titleOf = (kind: Kind): string => (needsGroup(kind) ? `Kubernetes ${kind}` : apiKindOf(kind));

const namesOf = (kind: Kind): readonly string[] => {
  const [name, { plural }] = [apiKindOf(kind).toLowerCase(), kinds[kind]];
  return [
    ...(needsGroup(kind) ? [] : [name, plural]),
    `${name}.${groupOf(kind)}`,
    `${plural}.${groupOf(kind)}`,
    ...(aliases[kind] ?? []),
  ];
};

/** For completion: each kind once. */
export const kindWords: readonly string[] = allKinds.map(wordOf);

/** Where the API server has it. */
export const placeOf = (kind: Kind): Place => {
  const { apiVersion, plural, namespaced } = kinds[kind];
  return { kind: apiKindOf(kind), apiVersion, plural, namespaced };
};

/** Fails: a sentence. */
export function kindNamed(word: string): Result<Kind> {
  const asked = word.toLowerCase();
  const found = allKinds.find((kind) => namesOf(kind).includes(asked));
  if (found !== undefined) return ok(found);
  return err(`There is no kind "${word}" here. The kinds are ${kindWords.join(', ')}.`);
}
