/** A process that raises a counter in one object of a dir: datastore, by compare-and-swap: `node swapper.ts PATH NAME TIMES`. */
import { DirObjects } from '../../src/store/dir/objects.ts';
import type { Manifest } from '../../src/store/objects.ts';

const [path = '', name = '', times = ''] = process.argv.slice(2);
const objects = new DirObjects(path);
const lease = (holderIdentity: string, by: string): Manifest => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name: 'counter', namespace: 'default' },
  spec: { holderIdentity, by },
});

/** "VERSION NAME" of every write that succeeded, for the test to compare with the others'. */
for (let done = 0; done < Number(times); ) {
  const now = await objects.get({ kind: 'Lease', namespace: 'default', name: 'counter' });
  if (!now.ok || now.value === undefined) throw new Error('the counter is not there');
  const { manifest, version } = now.value;
  const { holderIdentity } = manifest['spec'] as { readonly holderIdentity: string };
  const next = await objects.update(lease(String(Number(holderIdentity) + 1), name), version);
  if (next.ok) {
    console.log(`${next.value.version} ${name}`);
    done += 1;
  } else if (next.error.kind !== 'conflict') throw new Error(next.error.what);
}
