/** Where the API server is: its name or address as this process has it, and the endpoints of Service default/kubernetes. */
import { type Address, compareAddresses } from '../../src/lib/net.ts';
import { keyOf, refOf } from '../../src/model/resource.ts';
import type { EndpointSlice } from '../../src/model/service.ts';
import type { Store } from '../../src/store/store.ts';

const isOfServer = ({ meta, service }: EndpointSlice): boolean =>
  meta.namespace === 'default' && service === 'kubernetes';

/** One object of a name that the API server itself gives, so that a large cluster's endpoints are not followed for it. */
const kinds = [{ kind: 'EndpointSlice', fields: { 'metadata.name': 'kubernetes' } }] as const;

/**
 * Calls back with the whole list whenever something of it is learned. Call the result to stop.
 * @param known  as the kubeconfig or the environment has it
 */
export function followServer(
  store: Pick<Store, 'watch'>,
  known: () => Promise<readonly Address[]>,
  onAddresses: (addresses: readonly Address[]) => void,
): () => void {
  const slices = new Map<string, EndpointSlice>();
  let configured: readonly Address[] = [];
  let isStopped = false;

  function tell(): void {
    const found = [...slices.values()].flatMap(({ endpoints }) =>
      endpoints.flatMap(({ addresses }) => addresses),
    );
    if (!isStopped) onAddresses([...new Set([...configured, ...found])].sort(compareAddresses));
  }

  void known().then((addresses) => {
    configured = addresses;
    tell();
  });
  const unwatch = store.watch(kinds, ({ changes }) => {
    for (const change of changes) {
      if (change.kind === 'delete') slices.delete(keyOf(change.ref));
      else if (change.resource.kind === 'EndpointSlice' && isOfServer(change.resource))
        slices.set(keyOf(refOf(change.resource)), change.resource);
    }
    tell();
  });
  return () => {
    isStopped = true;
    unwatch();
  };
}
