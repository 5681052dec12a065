/**
 * ADD: an interface with addresses and its policy, or the policy alone of an interface that another plugin made.
 *
 * It answers only when the kernel has what the pod needs. What fails leaves nothing of ours.
 */
import { type PodWishes, podWishes } from '../../src/cni/annotations.ts';
import type { PodName } from '../../src/cni/environment.ts';
import type { Network } from '../../src/cni/network.ts';
import { inspect } from '../../src/cni/plumb.ts';
import { addressesOf, hostSideOf, type Previous } from '../../src/cni/previous.ts';
import type { AttachmentRecord } from '../../src/cni/records.ts';
import { cniCode, resultOf, type Wrong, wordsOf } from '../../src/cni/spec.ts';
import type { Link } from '../../src/kernel/kernel.ts';
import { isKernelError } from '../../src/kernel/kernel-error.ts';
import { millis } from '../../src/lib/net.ts';
import { ok, type Result } from '../../src/lib/result.ts';
import { interfaceName, workloadPrefix } from '../../src/model/endpoint.ts';
import { attachedOf, type NewAttachment, type Wishes } from '../attachments.ts';
import type { LocalPod } from '../cluster.ts';
import { type CniServerOptions, notReady, type Of, type Outcome, unfit, wrong } from './server.ts';

/** Longer only helps who restarts beside a healthy API server, and kubelet comes again. */
const readyWithin = millis(4000);
const policyWithin = millis(20_000);
const routeWithin = millis(5000);

type Add = Of<'ADD'>;

export async function add(options: CniServerOptions, request: Add): Promise<Outcome> {
  const { policy, view, clock } = options;
  const flaw = unfit(options, request.network);
  if (flaw !== undefined) return wrong(flaw.code, flaw.msg);
  if (!(await policy.until(() => true, readyWithin))) return wrong(cniCode.tryAgainLater, notReady(options));
  if (request.previous !== undefined) return police(options, request, request.previous);
  const before = options.attachments.byInterface(interfaceName(request.pod.namespace, request.pod.name));
  if (before !== undefined && before.containerId === request.containerId) {
    if (before.ifname !== request.ifname) return wrong(cniCode.alreadyAttached, attachedAs(before));
    if ((await inspect(options.kernel, options.inNetns, before)).length === 0) {
      return confirm(options, before, request);
    }
  }
  if (before !== undefined) await options.attachments.detach(before); // of an older sandbox, or damaged
  const sandbox = await sandboxFlaw(options, request);
  if (sandbox !== undefined) return sandbox;
  const pod = await view.pod(request.pod, clock, policyWithin);
  if (pod === undefined) return wrong(cniCode.tryAgainLater, unseen(options, request.pod));
  const asked = podWishes(pod.annotations, view.namespace(pod.namespace).annotations, options.features());
  if (!asked.ok) return wrong(cniCode.badConfig, asked.error);
  const made = await options.attachments.attach(
    attachmentOf(request),
    wishesOf(request.network, asked.value),
  );
  if (made.ok) return confirm(options, made.value, request);
  const { why, isTransient } = made.error;
  return wrong(isTransient ? cniCode.tryAgainLater : cniCode.noAddress, why);
}

const attachmentOf = ({ containerId, ifname, netns, pod, network }: Add): NewAttachment => ({
  ...{ containerId, ifname, netns, pod },
  network: network.name,
});

/** The pod's own word, then its namespace's (both in `asked`), then the runtime's, then the configuration's. */
function wishesOf({ mtu, ipam, ips, mac: runtimeMac }: Network, asked: PodWishes): Wishes {
  const mac = asked.mac ?? runtimeMac;
  return {
    families: asked.families ?? ipam?.families,
    pools: { 4: asked.pools[4] ?? ipam?.pools[4], 6: asked.pools[6] ?? ipam?.pools[6] },
    exactly: asked.ips.length > 0 ? asked.ips : ips,
    ...(mtu === undefined ? {} : { mtu }),
    ...(mac === undefined ? {} : { mac }),
  };
}

/** Waits until the kernel has what the pod needs; if it does not come, nothing of the attachment stays. */
async function confirm(options: CniServerOptions, record: AttachmentRecord, request: Add): Promise<Outcome> {
  const { attachments, routes, policy, isKnown } = options;
  const [routed, ready] = await Promise.all([
    record.isForeign || routes.installed(record.addresses, routeWithin),
    policy.until(() => isKnown(record.interface), policyWithin),
  ]);
  if (routed && ready) return ok(answerOf(request, record));
  const problem = routes.status().problems[0];
  const why = routed
    ? noPolicy(options, record)
    : `The route to ${wordsOf(record.addresses)} is not in the kernel: ${problem?.what ?? 'it took too long.'}`;
  await attachments.detach(record);
  return wrong(routed ? cniCode.tryAgainLater : cniCode.plumbingFailed, why);
}

/** Of an interface that is another plugin's: its own result, unchanged. */
function answerOf({ version, netns, dns, previous }: Add, record: AttachmentRecord): unknown {
  if (previous !== undefined) return { ...previous.result, cniVersion: version };
  return resultOf(version, { ...attachedOf(record, netns), ...(dns === undefined ? {} : { dns }) });
}

/** As a plugin of policy only, after one that made the interface. */
async function police(options: CniServerOptions, request: Add, previous: Previous): Promise<Outcome> {
  const { attachments } = options;
  const addresses = addressesOf(previous, request.ifname);
  if (addresses.length === 0) {
    const msg = `The prevResult gives ${request.ifname} no address, so there is nothing to enforce policy on. Put tortie after the plugin that makes the interface.`;
    return wrong(cniCode.badConfig, msg);
  }
  const link = await hostLink(options, previous);
  if (!link.ok) return link;
  const before = attachments.find(request) ?? attachments.byInterface(link.value.name);
  if (before !== undefined) await attachments.detach(before);
  const made = await attachments.police(attachmentOf(request), link.value, addresses);
  return made.ok ? confirm(options, made.value, request) : wrong(cniCode.noAddress, made.error.why);
}

/** The node's end of the pod's pair. Every packet of the pod must be routed over it, or policy would not see it. */
async function hostLink({ kernel }: CniServerOptions, previous: Previous): Promise<Result<Link, Wrong>> {
  const names = hostSideOf(previous);
  const links = await Promise.all(names.map((name) => kernel.link(name)));
  const [only, ...others] = links.flatMap((link) => link ?? []);
  const isOne = only !== undefined && others.length === 0 && names.length === 1;
  if (isOne && only.kind === 'veth' && !only.name.startsWith(workloadPrefix)) return ok(only);
  const what = names.length === 0 ? 'no interface of the node' : names.join(', ');
  return wrong(
    cniCode.badConfig,
    `The prevResult has ${what} on the node's side; tortie enforces policy on one veth interface that the node routes to. Use it after ptp, not after a bridge.`,
  );
}

function noPolicy(options: CniServerOptions, record: AttachmentRecord): string {
  const { policy, isKnown } = options;
  const pod = { namespace: record.namespace, name: record.pod };
  const { lastError } = policy.status();
  if (lastError !== undefined)
    return `The policy of pod ${record.namespace}/${record.pod} is not in the kernel: ${lastError}. It is tried again.`;
  return isKnown(record.interface)
    ? `The kernel took longer than ${policyWithin / 1000} s to accept the policy of pod ${record.namespace}/${record.pod}; it is tried again.`
    : unseen(options, pod);
}

function unseen({ node, view }: CniServerOptions, { namespace, name }: PodName): string {
  const seconds = policyWithin / 1000;
  const older: LocalPod | undefined = view.podOf(interfaceName(namespace, name));
  return older === undefined
    ? `The datastore does not show pod ${namespace}/${name} on node ${node} after ${seconds} s; see that felix can reach it and that the pod exists.`
    : `The datastore shows an older pod ${namespace}/${name} (uid ${older.uid}) still after ${seconds} s; see that felix can reach it. It is tried again.`;
}

const attachedAs = (record: AttachmentRecord): string =>
  `Pod ${record.namespace}/${record.pod} has ${record.ifname} from tortie already; it gives a pod one interface. Configure another network for a second one.`;

/** ADD needs a namespace that exists and has no interface of that name. */
async function sandboxFlaw(
  { inNetns }: CniServerOptions,
  { netns, ifname }: Add,
): Promise<Outcome | undefined> {
  try {
    const taken = await inNetns(netns, (pod) => pod.link(ifname));
    if (taken === undefined) return undefined;
    return wrong(
      cniCode.plumbingFailed,
      `${netns} has an interface ${ifname} already; CNI_IFNAME must be free.`,
    );
  } catch (error) {
    if (!isKernelError(error)) throw error;
    return wrong(cniCode.unknownContainer, `CNI_NETNS ${netns} is no network namespace: ${error.message}.`);
  }
}
