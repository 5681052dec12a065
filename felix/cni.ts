/**
 * The CNI server of the node agent: what src/cni/tortie.c posts is answered here.
 *
 * ADD answers only when the pod's route and policy are in the kernel; a pod that the datastore does not show yet is
 * waited for, but not for ever. DEL needs neither datastore nor policy. Calls about one pod run one after the other.
 */

import { environmentOf, type PodName } from '../src/cni/environment.ts';
import { inspect } from '../src/cni/plumb.ts';
import type { AttachmentRecord } from '../src/cni/records.ts';
import { type CniRequest, parseCniRequest } from '../src/cni/request.ts';
import {
  type CniCode,
  cniCode,
  cniError,
  resultOf,
  versionReply,
  type Wrong,
  wordsOf,
} from '../src/cni/spec.ts';
import type { Logger } from '../src/host/log.ts';
import type { Answer, Ask } from '../src/host/socket.ts';
import { isKernelError } from '../src/kernel/kernel-error.ts';
import type { InNetns, NetnsKernel } from '../src/kernel/links.ts';
import { millis } from '../src/lib/net.ts';
import { err, ok, type Result } from '../src/lib/result.ts';
import { interfaceName } from '../src/model/endpoint.ts';
import { type Attachments, attachedOf } from './attachments.ts';
import type { NodeView } from './cluster.ts';
import type { PolicySync } from './dataplane/apply.ts';
import type { PodRoutes } from './dataplane/routes.ts';
import { createTurns } from './turns.ts';

export interface CniServerOptions {
  readonly node: string;
  readonly kernel: NetnsKernel;
  readonly inNetns: InNetns;
  readonly attachments: Attachments;
  readonly policy: PolicySync;
  readonly routes: PodRoutes;
  readonly view: NodeView;
  /** The Pod object of this endpoint is known, as of the last tick. */
  readonly isKnown: (endpointId: string) => boolean;
  readonly log: Logger;
}

type Of<Command extends CniRequest['command']> = Extract<CniRequest, { readonly command: Command }>;
/** The value is what goes to stdout; undefined: nothing. */
type Outcome = Result<unknown, Wrong>;

const readyWithin = millis(20_000);
const policyWithin = millis(20_000);
const routeWithin = millis(5000);
const inFlightLimit = 256;

const wrong = (code: CniCode, msg: string): Result<never, Wrong> => err({ code, msg });
const done: Outcome = ok(undefined);

export function createCniServer(options: CniServerOptions): (ask: Ask) => Promise<Answer> {
  const { log } = options;
  const inTurn = createTurns();
  let inFlight = 0;

  return async ({ headers, body }) => {
    const parsed = parseCniRequest(environmentOf(headers), body);
    if (!parsed.ok) {
      log.warn('a CNI call is refused', { why: parsed.error.msg });
      return { status: 400, body: parsed.error };
    }
    const request = parsed.value;
    if (inFlight >= inFlightLimit) {
      const msg = `${inFlight} CNI calls are under way on this node; try again later.`;
      return { status: 503, body: cniError(request.version, cniCode.tryAgainLater, msg) };
    }
    inFlight += 1;
    const outcome = await inTurn(turnOf(options, request), () => answer(options, request)).catch(
      (error: unknown) => wrong(...wordsOfFailure(error)),
    );
    inFlight -= 1;
    return toAnswer(log, request, outcome);
  };
}

function toAnswer(log: Logger, request: CniRequest, outcome: Outcome): Answer {
  const { command, version } = request;
  const fields = 'containerId' in request ? { command, containerId: request.containerId } : { command };
  if (!outcome.ok) {
    log.warn('a CNI call failed', { ...fields, code: outcome.error.code, why: outcome.error.msg });
    return { status: 500, body: cniError(version, outcome.error.code, outcome.error.msg) };
  }
  log.info('a CNI call succeeded', fields);
  return outcome.value === undefined ? { status: 204, body: null } : { status: 200, body: outcome.value };
}

/** What the world threw at us: the kernel, the disk, or a bug of ours. */
function wordsOfFailure(error: unknown): [CniCode, string] {
  const words = error instanceof Error ? error.message : String(error);
  if (isKernelError(error))
    return [cniCode.plumbingFailed, `The pod's network could not be set up: ${words}.`];
  if (error instanceof Error && 'syscall' in error) {
    return [
      cniCode.ioFailure,
      `The record of the pod's interface could not be written: ${words}. Check the disk.`,
    ];
  }
  return [cniCode.internal, `tortie felix failed: ${words}.`];
}

function answer(options: CniServerOptions, request: CniRequest): Promise<Outcome> {
  switch (request.command) {
    case 'ADD':
      return add(options, request);
    case 'DEL':
      return del(options, request);
    case 'CHECK':
      return check(options, request);
    case 'GC':
      return collect(options, request);
    case 'STATUS':
      return Promise.resolve(status(options));
    case 'VERSION':
      return Promise.resolve(ok(versionReply));
  }
}

async function add(options: CniServerOptions, request: Of<'ADD'>): Promise<Outcome> {
  const { attachments, policy, view, node } = options;
  if (!(await policy.until(() => true, readyWithin))) return wrong(cniCode.tryAgainLater, notReady(options));
  const before = attachments.byInterface(interfaceName(request.pod.namespace, request.pod.name));
  if (before !== undefined && before.containerId === request.containerId) {
    if (before.ifname !== request.ifname) return wrong(cniCode.alreadyAttached, attachedAs(before));
    if ((await inspect(options.kernel, options.inNetns, before)).length === 0) {
      return confirm(options, before, request);
    }
  }
  if (before !== undefined) await attachments.detach(before); // of an older sandbox, or damaged
  const flaw = await sandboxFlaw(options, request);
  if (flaw !== undefined) return flaw;
  const cidrs = view.podCidrs;
  if (cidrs === undefined) {
    const msg = `The datastore has no Node ${node}, so its pod CIDRs are not known. Create it, or start felix with the right --node.`;
    return wrong(cniCode.tryAgainLater, msg);
  }
  if (cidrs.length === 0) return wrong(cniCode.tryAgainLater, noCidrs(node));
  const made = await attachments.attach(request, cidrs);
  if (made.ok) return confirm(options, made.value, request);
  const { why, transient } = made.error;
  const remedy = transient
    ? 'It is tried again.'
    : `Give Node ${node} a larger spec.podCIDRs, or run fewer pods there.`;
  return wrong(transient ? cniCode.tryAgainLater : cniCode.noAddress, `${why} ${remedy}`);
}

/** Waits until the kernel has what the pod needs; if it does not come, nothing of the attachment stays. */
async function confirm(
  options: CniServerOptions,
  record: AttachmentRecord,
  request: Of<'ADD'>,
): Promise<Outcome> {
  const { attachments, routes, policy, isKnown } = options;
  const [routed, ready] = await Promise.all([
    routes.installed(record.addresses, routeWithin),
    policy.until(() => isKnown(record.interface), policyWithin),
  ]);
  if (routed && ready) {
    const { dns } = request;
    return ok(
      resultOf(request.version, {
        ...attachedOf(record, request.netns),
        ...(dns === undefined ? {} : { dns }),
      }),
    );
  }
  const problem = routes.status().problems[0];
  const why = routed
    ? noPolicy(options, record)
    : `The route to ${wordsOf(record.addresses)} is not in the kernel: ${problem?.what ?? 'it took too long.'}`;
  await attachments.detach(record);
  return wrong(routed ? cniCode.tryAgainLater : cniCode.plumbingFailed, why);
}

function noPolicy({ policy, isKnown, node }: CniServerOptions, record: AttachmentRecord): string {
  const seconds = policyWithin / 1000;
  const pod = `${record.namespace}/${record.pod}`;
  const { lastError } = policy.status();
  if (lastError !== undefined)
    return `The policy of pod ${pod} is not in the kernel: ${lastError}. It is tried again.`;
  return isKnown(record.interface)
    ? `The kernel took longer than ${seconds} s to accept the policy of pod ${pod}; it is tried again.`
    : `The datastore does not show pod ${pod} on node ${node} after ${seconds} s; see that felix can reach it and that the pod exists.`;
}

function notReady({ policy }: CniServerOptions): string {
  const { lastError } = policy.status();
  return lastError === undefined
    ? 'tortie felix has not read the whole cluster yet; see that it can reach the datastore. It is tried again.'
    : `The kernel refuses the ruleset: ${lastError}. It is tried again.`;
}

const noCidrs = (node: string): string =>
  `Node ${node} has no spec.podCIDRs in the datastore, so pods can get no address. Set them, or let kube-controller-manager do it (--allocate-node-cidrs).`;

const attachedAs = (record: AttachmentRecord): string =>
  `Pod ${record.namespace}/${record.pod} has ${record.ifname} from tortie already; it gives a pod one interface. Configure another network for a second one.`;

/** ADD needs a namespace that exists and has no interface of that name. */
async function sandboxFlaw(
  { inNetns }: CniServerOptions,
  { netns, ifname }: Of<'ADD'>,
): Promise<Result<never, Wrong> | undefined> {
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

/** Whatever is not there is deleted already; an older sandbox's DEL finds no record and harms nothing. */
async function del({ attachments, inNetns }: CniServerOptions, request: Of<'DEL'>): Promise<Outcome> {
  const record = attachments.find(request) ?? rebuiltOf(attachments, request.pod);
  if (record === undefined) return done;
  if (record.containerId === '' && !(await isIn(inNetns, request.netns, record))) return done;
  await attachments.detach(record);
  return done;
}

/** A record rebuilt from the kernel does not know its container, only its pod. */
function rebuiltOf(attachments: Attachments, pod: PodName | undefined): AttachmentRecord | undefined {
  const record =
    pod === undefined ? undefined : attachments.byInterface(interfaceName(pod.namespace, pod.name));
  return record?.containerId === '' ? record : undefined;
}

/** True if the sandbox has the record's address, or is gone, and with it whatever was in it. */
async function isIn(inNetns: InNetns, netns: string | undefined, record: AttachmentRecord): Promise<boolean> {
  if (netns === undefined) return true;
  try {
    const found = await inNetns(netns, (pod) => pod.addresses());
    return found.some(({ address }) => record.addresses.includes(address));
  } catch {
    return true;
  }
}

async function check(options: CniServerOptions, request: Of<'CHECK'>): Promise<Outcome> {
  const { attachments, kernel, inNetns, isKnown } = options;
  const pod = `${request.pod.namespace}/${request.pod.name}`;
  const record = attachments.find(request);
  if (record === undefined) {
    const msg = `Container ${request.containerId} has no ${request.ifname} from tortie on this node.`;
    return wrong(cniCode.unknownContainer, msg);
  }
  const flaws = [...(await inspect(kernel, inNetns, { ...record, netns: request.netns }))];
  if (!request.addresses.every((address) => record.addresses.includes(address))) {
    flaws.push(`ADD gave ${wordsOf(record.addresses)}, and prevResult says ${wordsOf(request.addresses)}`);
  }
  if (!isKnown(record.interface))
    flaws.push('the datastore does not show the pod, so all its traffic is dropped');
  if (flaws.length === 0) return done;
  return wrong(
    cniCode.notAsAdded,
    `The network of pod ${pod} is not as ADD made it: ${flaws.join('; ')}. Delete the pod to have it made anew.`,
  );
}

async function collect({ attachments, log }: CniServerOptions, request: Of<'GC'>): Promise<Outcome> {
  const valid = new Set(request.valid.map(({ containerId, ifname }) => `${containerId} ${ifname}`));
  const stale = [...attachments.all()].filter(
    ({ containerId, ifname }) => containerId !== '' && !valid.has(`${containerId} ${ifname}`),
  );
  for (const record of stale) {
    log.warn('an attachment the container runtime no longer knows is removed', {
      interface: record.interface,
    });
    await attachments.detach(record);
  }
  return done;
}

function status(options: CniServerOptions): Outcome {
  const { policy, view, node } = options;
  if (policy.status().state !== 'in-sync') return wrong(cniCode.notAvailable, notReady(options));
  if ((view.podCidrs ?? []).length > 0) return done;
  return wrong(cniCode.notAvailable, noCidrs(node));
}

/** The pod a call is about, by its host interface; GC is about all of them and waits for nobody. */
function turnOf({ attachments }: CniServerOptions, request: CniRequest): string | undefined {
  if (!('containerId' in request)) return undefined;
  const known = attachments.find(request)?.interface;
  return (
    known ?? (request.pod === undefined ? undefined : interfaceName(request.pod.namespace, request.pod.name))
  );
}
