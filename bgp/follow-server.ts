/** Where the API server is: its name or address as this process has it, and the endpoints of Service default/kubernetes. */
import { type Address, compareAddresses } from '../src/lib/net.ts';
import { keyOf, refOf } from '../src/model/resource.ts';
import type { EndpointSlice } from '../src/model/service.ts';
import type { Batch, Store } from '../src/store/store.ts';

const isOfServer = ({ meta, service }: EndpointSlice): boolean =>
  meta.namespace === 'default' && service === 'kubernetes';

/** One object of a name that the API server itself gives, so that a large cluster's endpoints are not followed for it. */
const kinds = [{ kind: 'EndpointSlice', fields: { 'metadata.name': 'kubernetes' } }] as const;

/**
 * Calls back when the list changes, not before something is known besides `known`. Call the result to stop.
 * @param known  as the kubeconfig or the environment has it
 */
export function followServer(
  store: Pick<Store, 'watch'>,
  known: readonly Address[],
  onAddresses: (addresses: readonly Address[]) => void,
): () => void {
  const slices = new Map<string, EndpointSlice>();
  return store.watch(kinds, ({ changes }: Batch) => {
    for (const change of changes) {
      if (change.kind === 'delete') slices.delete(keyOf(change.ref));
      else if (change.resource.kind === 'EndpointSlice' && isOfServer(change.resource))
        slices.set(keyOf(refOf(change.resource)), change.resource);
    }
    const found = [...slices.values()].flatMap(({ endpoints }) =>
      endpoints.flatMap(({ addresses }) => addresses),
    );
    onAddresses([...new Set([...known, ...found])].sort(compareAddresses));
  });
}
