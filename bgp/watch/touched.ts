/** Which objects of the datastore changed since somebody asked last, for naming who a change of configuration comes from. */
import { type Kind, keyOf, refOf } from '../../src/model/resource.ts';
import type { Change, Store } from '../../src/store/store.ts';

/** Names that are remembered; the rest is counted. */
const most = 5;
/** A configuration follows from these in the end, but they do not say who changed it. */
const quiet: ReadonlySet<Kind> = new Set(['Pod', 'EndpointSlice', 'CalicoNodeStatus']);

export interface Touched {
  /** Passes everything on. */
  readonly store: Pick<Store, 'watch'>;
  /** "BGPPeer/tor, Node/node2", and forgets them; "the datastore" if nothing is known. */
  take(): string;
}

export function touchedOf(store: Pick<Store, 'watch'>): Touched {
  const names = new Set<string>();
  let more = 0;

  function note(change: Change): void {
    const ref = change.kind === 'put' ? refOf(change.resource) : change.ref;
    if (quiet.has(ref.kind) || names.has(keyOf(ref))) return;
    if (names.size < most) names.add(keyOf(ref));
    else more += 1;
  }

  return {
    store: {
      watch: (kinds, onBatch) =>
        store.watch(kinds, (batch) => {
          for (const change of batch.changes) note(change);
          onBatch(batch);
        }),
    },
    take: () => {
      const said = [...names].join(', ') || 'the datastore';
      const rest = more > 0 ? ` and ${more} more` : '';
      names.clear();
      more = 0;
      return `${said}${rest}`;
    },
  };
}
