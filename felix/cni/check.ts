/** CHECK and STATUS: what is there against what should be. Neither changes anything. */
import { inspect, inspectForeign } from '../../src/cni/plumb.ts';
import { addressesOf } from '../../src/cni/previous.ts';
import { cniCode, wordsOf } from '../../src/cni/spec.ts';
import { type CniServerOptions, done, notReady, type Of, type Outcome, unfit, wrong } from './server.ts';

export async function check(options: CniServerOptions, request: Of<'CHECK'>): Promise<Outcome> {
  const { attachments, kernel, inNetns, isKnown } = options;
  const pod = `${request.pod.namespace}/${request.pod.name}`;
  const record = attachments.find(request);
  if (record === undefined) {
    const msg = `Container ${request.containerId} has no ${request.ifname} from tortie on this node.`;
    return wrong(cniCode.unknownContainer, msg);
  }
  const flaws = record.isForeign
    ? [...(await inspectForeign(kernel, record))]
    : [...(await inspect(kernel, inNetns, { ...record, netns: request.netns }))];
  const said = addressesOf(request.previous, request.ifname);
  const isSame =
    said.length === record.addresses.length && said.every((address) => record.addresses.includes(address));
  if (!isSame) {
    flaws.push(`ADD gave ${wordsOf(record.addresses)}, and prevResult says ${wordsOf(said)}`);
  }
  if (!isKnown(record.interface))
    flaws.push('the datastore does not show the pod, so all its traffic is dropped');
  if (flaws.length === 0) return done;
  return wrong(
    cniCode.notAsAdded,
    `The network of pod ${pod} is not as ADD made it: ${flaws.join('; ')}. Delete the pod to have it made anew.`,
  );
}

/** Whether ADD can be served; with code 51 if the pods there are may be without their newest policy. */
export function status(options: CniServerOptions, { network }: Of<'STATUS'>): Outcome {
  const { policy, addresses } = options;
  const flaw = unfit(options, network);
  if (flaw !== undefined) return wrong(cniCode.notAvailable, flaw.msg);
  const { state } = policy.status();
  if (state === 'failing') return wrong(cniCode.limited, notReady(options));
  if (state !== 'in-sync') return wrong(cniCode.notAvailable, notReady(options));
  const none = network.policyOnly ? undefined : addresses.whyNone();
  return none === undefined ? done : wrong(cniCode.notAvailable, none.why);
}
