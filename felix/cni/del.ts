/** DEL and GC: what is to go. Neither needs the datastore: an address is owed to it until it answers. */
import type { PodName } from '../../src/cni/environment.ts';
import type { AttachmentRecord } from '../../src/cni/records.ts';
import { millis } from '../../src/lib/net.ts';
import { interfaceName } from '../../src/model/endpoint.ts';
import { handleOf } from '../addresses.ts';
import type { Attachments } from '../attachments.ts';
import { type CniServerOptions, done, type Of, type Outcome } from './server.ts';

/** Whatever is not there is deleted already; an older sandbox's DEL finds no record and harms nothing. */
export async function del(options: CniServerOptions, request: Of<'DEL'>): Promise<Outcome> {
  const { attachments, addresses } = options;
  const record = attachments.find(request) ?? (await rebuiltOf(attachments, request.pod));
  if (record === undefined) {
    await addresses.releaseUnknown(handleOf(request.containerId));
    return done;
  }
  if (record.containerId === '' && !(await isIn(options, request.netns, record))) return done;
  await attachments.detach(record);
  return done;
}

/** A record rebuilt from the kernel does not know its container, only its pod. The call says whose an orphan is. */
async function rebuiltOf(
  attachments: Attachments,
  pod: PodName | undefined,
): Promise<AttachmentRecord | undefined> {
  if (pod === undefined) return undefined;
  const hostInterface = interfaceName(pod.namespace, pod.name);
  if (attachments.isOrphan(hostInterface)) {
    await attachments.recover((name) => (name === hostInterface ? pod : undefined));
  }
  const record = attachments.byInterface(hostInterface);
  return record?.containerId === '' ? record : undefined;
}

const goesWithin = 5;
const lookEvery = millis(200);

/** True if the sandbox has the record's address, or both are gone: what lives on without that sandbox is a newer one's. */
async function isIn(
  options: CniServerOptions,
  netns: string | undefined,
  record: AttachmentRecord,
): Promise<boolean> {
  const { inNetns, kernel, clock } = options;
  const found =
    netns === undefined ? undefined : await inNetns(netns, (pod) => pod.addresses()).catch(() => undefined);
  if (found !== undefined) return found.some(({ address }) => record.addresses.includes(address));
  // The kernel takes interfaces away some time after their namespace.
  for (let looks = goesWithin; (await kernel.link(record.interface)) !== undefined; looks -= 1) {
    if (looks === 0) return false;
    await new Promise<void>((resolve) => clock.after(lookEvery, resolve));
  }
  return true;
}

/** Runs what is about one pod after whatever else is. */
export type InTurn = <T>(key: string | undefined, run: () => Promise<T>) => Promise<T>;

/** The pod a record is of, as a turn's key. */
export const turnOf = ({ namespace, pod }: AttachmentRecord): string => interfaceName(namespace, pod);

export async function collect(
  { attachments, log }: CniServerOptions,
  request: Of<'GC'>,
  inTurn: InTurn,
): Promise<Outcome> {
  const valid = new Set(request.valid.map(({ containerId, ifname }) => `${containerId} ${ifname}`));
  const isStale = ({ containerId, ifname, network }: AttachmentRecord): boolean =>
    containerId !== '' &&
    (network === '' || network === request.network) && // those of other networks are in other lists
    !valid.has(`${containerId} ${ifname}`);
  for (const record of attachments.all().filter(isStale)) {
    await inTurn(turnOf(record), async () => {
      if (attachments.find(record) !== record) return; // DEL, or another ADD of the pod, came before
      log.warn('an attachment the container runtime no longer knows is removed', {
        interface: record.interface,
      });
      await attachments.detach(record);
    });
  }
  return done;
}
