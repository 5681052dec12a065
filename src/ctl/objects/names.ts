/** What a person may call a kind: its name in any case, its plural, and calicoctl's and kubectl's short names. */
import { err, ok, type Result } from '../../lib/result.ts';
import type { Kind } from '../../model/resource.ts';
import { allKinds, kinds } from '../../store/kinds.ts';

const aliases: Partial<Record<Kind, readonly string[]>> = {
  Node: ['no'],
  Pod: ['po'],
  Namespace: ['ns'],
  NetworkPolicy: ['np', 'pol', 'netpol'],
  Service: ['svc'],
  BGPConfiguration: ['bgpconfig', 'bgpconfigs'],
  BGPPeer: ['bgpp', 'bp'],
  IPPool: ['ipp', 'pool', 'pools', 'ippl'],
  CalicoNodeStatus: ['nodestatus', 'caliconodestatuses'],
};

const namesOf = (kind: Kind): readonly string[] => [
  kind.toLowerCase(),
  kinds[kind].plural,
  `${kinds[kind].plural}.${kinds[kind].apiVersion.split('/')[0]}`,
  ...(aliases[kind] ?? []),
];

/** For completion: each kind once. */
export const kindWords: readonly string[] = allKinds.map((kind) => kind.toLowerCase());

/** Fails: a sentence. */
export function kindNamed(word: string): Result<Kind> {
  const asked = word.toLowerCase();
  const found = allKinds.find((kind) => namesOf(kind).includes(asked));
  if (found !== undefined) return ok(found);
  return err(`There is no kind "${word}" here. The kinds are ${kindWords.join(', ')}.`);
}
