/** What the configuration of a node is made of besides resources: what its kernel and its process know. */
import { globOf } from '../../src/lib/glob.ts';
import { type Address, comparePrefixes, type Prefix } from '../../src/lib/net.ts';
import type { LinkNeighbours } from './explicit.ts';

/** A network that one of the node's own interfaces is in. */
export interface Subnet {
  readonly prefix: Prefix;
  /** The interface's own one there. */
  readonly address: Address;
  /** Name of the interface. */
  readonly link: string;
}

export interface Surroundings {
  readonly subnets: readonly Subnet[];
  readonly linkNeighbours: LinkNeighbours;
  /** Where the API server is reached. */
  readonly apiServer: readonly Address[];
}

export const nothingAround: Surroundings = { subnets: [], linkNeighbours: new Map(), apiServer: [] };

/** The networks of all interfaces but those that one of the patterns names; in a pattern * stands for anything. */
export function connectedBut({ subnets }: Surroundings, patterns: readonly string[]): readonly Prefix[] {
  const ignored = patterns.map(globOf);
  const counted = subnets.filter(({ link }) => !ignored.some((glob) => glob.test(link)));
  return [...new Set(counted.map(({ prefix }) => prefix))].sort(comparePrefixes);
}
