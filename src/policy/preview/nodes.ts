/** What a node adds to verdicts: its host endpoint, and what FelixConfiguration says of it. */
import { type Address, versionOf } from '../../lib/net.ts';
import { matchesSelector } from '../../model/selector.ts';
import type { Cluster } from '../cluster.ts';
import { knownHost } from '../known.ts';
import { settingsAt } from '../settings.ts';
import { hostEndpointAt } from '../who.ts';
import { type Criteria, signatureOf } from './criteria.ts';

/** Nodes of one word are one to every rule, but for the addresses they have. */
export class NodeWords {
  readonly #clusters: readonly Cluster[];
  readonly #criteria: Criteria;
  readonly #ofPods = new Map<string | undefined, string>();

  constructor(clusters: readonly Cluster[], criteria: Criteria) {
    this.#clusters = clusters;
    this.#criteria = criteria;
  }

  /** Of a pod there. @param node  undefined: nobody knows where it is */
  ofPod(node: string | undefined): string {
    const before = this.#ofPods.get(node);
    if (before !== undefined) return before;
    const word = node === undefined ? '' : this.#word(node, [undefined]);
    this.#ofPods.set(node, word);
    return word;
  }

  /** Of the host itself. */
  ofHost(node: string, addresses: readonly Address[]): string {
    const labels = this.#clusters.map(
      ({ nodes }) => nodes.find(({ meta }) => meta.name === node)?.meta.labels ?? {},
    );
    const selected = this.#criteria.nodes.map((selector) =>
      labels.map((each) => (matchesSelector(selector, each) ? '1' : '0')).join(''),
    );
    return `${this.#word(node, [undefined, ...firstsOf(addresses)])} ${selected.join(' ')}`;
  }

  #word(node: string, addresses: readonly (Address | undefined)[]): string {
    return this.#clusters
      .map((cluster) => {
        const endpoints = addresses.map((address) => {
          const endpoint = hostEndpointAt(cluster, node, address);
          return endpoint === undefined
            ? ''
            : `${signatureOf(knownHost(cluster, endpoint), this.#criteria)} ${endpoint.profiles.join()}`;
        });
        const {
          failsafeInboundHostPorts: inbound,
          failsafeOutboundHostPorts: outbound,
          defaultEndpointToHostAction,
        } = settingsAt(cluster, node);
        const failsafes = [inbound, outbound].map((all) =>
          all.map(({ protocol, port, net = '' }) => `${protocol} ${port} ${net}`).join(),
        );
        return JSON.stringify([endpoints, failsafes, defaultEndpointToHostAction]);
      })
      .join(' ');
  }
}

/** The one of each family that a connection is asked with. */
export const firstsOf = (addresses: readonly Address[]): readonly Address[] =>
  addresses.filter(
    (one, index) => addresses.findIndex((other) => versionOf(other) === versionOf(one)) === index,
  );
