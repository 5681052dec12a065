/** What the CNI verbs share: the parts of the agent they use, and how they answer. */

import type { PodFeatures } from '../../src/cni/annotations.ts';
import type { Network } from '../../src/cni/network.ts';
import type { CniRequest } from '../../src/cni/request.ts';
import { type CniCode, cniCode, type Wrong } from '../../src/cni/spec.ts';
import type { Clock } from '../../src/host/clock.ts';
import type { Logger } from '../../src/host/log.ts';
import type { InNetns, NetnsKernel } from '../../src/kernel/links.ts';
import { err, ok, type Result } from '../../src/lib/result.ts';
import type { Addresses } from '../addresses.ts';
import type { Attachments } from '../attachments.ts';
import type { NodeView } from '../cluster.ts';
import type { PolicySync } from '../dataplane/apply.ts';
import type { PodRoutes } from '../dataplane/routes.ts';

export interface CniServerOptions {
  readonly node: string;
  readonly kernel: NetnsKernel;
  readonly inNetns: InNetns;
  readonly attachments: Attachments;
  readonly addresses: Addresses;
  readonly policy: PolicySync;
  readonly routes: PodRoutes;
  readonly view: NodeView;
  /** The Pod object of this endpoint is known, as of the last tick. */
  readonly isKnown: (endpointId: string) => boolean;
  /** What FelixConfiguration lets pods ask for. */
  readonly features: () => PodFeatures;
  readonly clock: Clock;
  readonly log: Logger;
}

export type Of<Command extends CniRequest['command']> = Extract<CniRequest, { readonly command: Command }>;
/** The value is what goes to stdout; undefined: nothing. */
export type Outcome = Result<unknown, Wrong>;

export const wrong = (code: CniCode, msg: string): Result<never, Wrong> => err({ code, msg });
export const done: Outcome = ok(undefined);

export function notReady({ policy }: Pick<CniServerOptions, 'policy'>): string {
  const { lastError } = policy.status();
  return lastError === undefined
    ? 'tortie felix has not read the whole cluster yet; see that it can reach the datastore. It is tried again.'
    : `The kernel refuses the ruleset: ${lastError}. It is tried again.`;
}

/** What the configuration says that this agent was not started for. */
export function unfit({ node, addresses }: CniServerOptions, network: Network): Wrong | undefined {
  const { nodename, ipam, policyOnly } = network;
  if (nodename !== undefined && nodename !== node) {
    const msg = `The network configuration has nodename "${nodename}", and tortie felix runs for node "${node}". Take nodename out, or start felix with --node ${nodename}.`;
    return { code: cniCode.badConfig, msg };
  }
  if (policyOnly || ipam === undefined || ipam.mode === addresses.mode) return undefined;
  const said = `The network configuration has ipam.type "${ipam.type}", which is ${wordsOfMode[ipam.mode]}`;
  const msg = `${said}, and tortie felix was started with --ipam ${addresses.mode}. Start felix and bgp with --ipam ${ipam.mode}, or take ipam out of the configuration.`;
  return { code: cniCode.badConfig, msg };
}

const wordsOfMode = {
  blocks: 'blocks of the IPPools',
  'pod-cidrs': 'the Node’s pod CIDRs',
} as const;
