/** The network configuration list that makes a runtime use us: a template, and which version of it may be written. */
import type { IpamMode } from './network.ts';

export interface ConflistOptions {
  readonly ipam: IpamMode;
  /** Octets; absent: the node's. */
  readonly mtu?: number;
  /** Plugins after us, in order, e.g. portmap and bandwidth. */
  readonly chain: readonly string[];
  /** Every plugin of the chain speaks 1.1.0. */
  readonly isNewest: boolean;
}

export const defaultConfName = '10-tortie.conflist';
/** Those we know how to configure, in the order they are chained. */
export const chainable = ['portmap', 'bandwidth'] as const;

const entries: Readonly<Record<string, object>> = {
  portmap: { type: 'portmap', snat: true, capabilities: { portMappings: true } },
  bandwidth: { type: 'bandwidth', capabilities: { bandwidth: true } },
};

/**
 * The text of the file. Calico's network name, because the addresses' handles in the blocks start so.
 *
 * A runtime takes the greatest of `cniVersions` that it speaks and asks every plugin in it; one that knows no such field
 * takes `cniVersion`. So 1.1.0, which brings STATUS and GC, is offered only if the whole chain speaks it.
 */
export function conflistText({ ipam, mtu, chain, isNewest }: ConflistOptions): string {
  const list = {
    cniVersion: '1.0.0',
    ...(isNewest ? { cniVersions: ['1.0.0', '1.1.0'] } : {}),
    name: 'k8s-pod-network',
    plugins: [
      {
        type: 'tortie',
        ...(mtu === undefined ? {} : { mtu }),
        ...(ipam === 'blocks' ? { ipam: { type: 'tortie-ipam' } } : {}),
        capabilities: { ips: true, mac: true },
      },
      ...chain.map((name) => entries[name] ?? { type: name }),
    ],
  };
  return `${JSON.stringify(list, undefined, 2)}\n`;
}

/** What a runtime reads in its directory: it takes the first by name. */
export const isConfName = (name: string): boolean => /\.(conf|conflist|json)$/.test(name);
