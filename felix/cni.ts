/**
 * The CNI server of the node agent: what src/cni/tortie.c posts is answered here.
 *
 * ADD answers only when the pod's route and policy are in the kernel; a pod that the datastore does not show yet is
 * waited for, but not for ever. DEL needs neither datastore nor policy. Calls about one pod run one after the other.
 */

import { environmentOf } from '../src/cni/environment.ts';
import { type CniRequest, parseCniRequest } from '../src/cni/request.ts';
import { type CniCode, cniCode, cniError, versionReply } from '../src/cni/spec.ts';
import type { Logger } from '../src/host/log.ts';
import type { Answer, Ask } from '../src/host/socket.ts';
import { isKernelError } from '../src/kernel/kernel-error.ts';
import { ok } from '../src/lib/result.ts';
import { interfaceName } from '../src/model/endpoint.ts';
import { add } from './cni/add.ts';
import { check, status } from './cni/check.ts';
import { collect, del, type InTurn, turnOf } from './cni/del.ts';
import { type CniServerOptions, type Outcome, wrong } from './cni/server.ts';
import { createTurns } from './turns.ts';

const inFlightLimit = 256;

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
    const outcome = await inTurn(keyOf(options, request), () => answer(options, request, inTurn)).catch(
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

function answer(options: CniServerOptions, request: CniRequest, inTurn: InTurn): Promise<Outcome> {
  switch (request.command) {
    case 'ADD':
      return add(options, request);
    case 'DEL':
      return del(options, request);
    case 'CHECK':
      return check(options, request);
    case 'GC':
      return collect(options, request, inTurn);
    case 'STATUS':
      return Promise.resolve(status(options, request));
    case 'VERSION':
      return Promise.resolve(ok(versionReply));
  }
}

/** The pod a call is about; GC is about all of them, and takes a turn for each. */
function keyOf({ attachments }: CniServerOptions, request: CniRequest): string | undefined {
  if (!('containerId' in request)) return undefined;
  const known = attachments.find(request);
  if (known !== undefined) return turnOf(known);
  return request.pod === undefined ? undefined : interfaceName(request.pod.namespace, request.pod.name);
}
