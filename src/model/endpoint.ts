/**
 * The workload endpoint: where one pod meets this node.
 *
 * Rows come from the CNI server, which made the interface; nobody else writes them.
 */
import { sha1Hex } from '../lib/hash.ts';
import type { Address } from '../lib/net.ts';

export interface LocalEndpoint {
  /** Container id and interface inside, or whatever else the CNI server tells its rows apart by. */
  readonly id: string;
  readonly namespace: string;
  readonly pod: string;
  /** The host's end of the pair, see `interfaceName`; at most 15 characters. */
  readonly interface: string;
  readonly addresses: readonly Address[];
}

/** Every workload interface starts so; the ruleset drops what starts so and is not known. */
export const workloadPrefix = 'cali';

/** Calico's own naming, so that its tools keep working: "cali" and 11 hex digits of SHA-1("namespace.pod"). */
export const interfaceName = (namespace: string, pod: string): string =>
  `${workloadPrefix}${sha1Hex(`${namespace}.${pod}`).slice(0, 11)}`;
