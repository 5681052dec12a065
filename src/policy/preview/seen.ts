/** Which of the connections there are now a change of policy would forbid. */

import { type Address, parseAddress } from '../../lib/net.ts';
import type { SeenConnections } from '../../model/flow.ts';
import type { Cluster } from '../cluster.ts';
import { connectionOf } from '../meet.ts';
import { verdict } from '../verdict.ts';
import { type Who, whoHas } from '../who.ts';
import { reasonWords } from '../why.ts';
import { protocolWord } from '../words.ts';

export interface Forbidden extends SeenConnections {
  readonly from: string;
  readonly to: string;
  /** What would deny it. */
  readonly because: string;
}

/** Those that may begin now and could not any more. Source ports are not looked at. */
export function forbiddenBy(
  before: Cluster,
  after: Cluster,
  seen: readonly SeenConnections[],
): readonly Forbidden[] {
  const [now, then] = [before, after].map((cluster) => ({ cluster, who: whoOf(cluster) }));
  if (now === undefined || then === undefined) return [];
  return seen.flatMap((connection) => {
    const denied = denialIn(then, connection);
    if (denied === undefined || denialIn(now, connection) !== undefined) return [];
    return [{ ...connection, ...denied }];
  });
}

interface World {
  readonly cluster: Cluster;
  readonly who: (address: Address) => Who;
}

/** Looked for once for each address. */
function whoOf(cluster: Cluster): World['who'] {
  const known = new Map<Address, Who>();
  return (address) => {
    const who = known.get(address) ?? whoHas(cluster, address);
    known.set(address, who);
    return who;
  };
}

function denialIn(
  { cluster, who }: World,
  { source, destination, protocol, port }: SeenConnections,
): Pick<Forbidden, 'from' | 'to' | 'because'> | undefined {
  const [start, end] = [parseAddress(source), parseAddress(destination)];
  if (start === undefined || end === undefined) return undefined;
  const [from, to] = [who(start), who(end)];
  const echo = protocol === 1 ? 8 : protocol === 58 ? 128 : undefined;
  const traffic = {
    protocol,
    ...(port === undefined ? {} : { port }),
    ...(echo === undefined ? {} : { icmp: { type: echo, code: 0 } }),
  };
  const { judgements } = verdict(cluster, connectionOf(cluster, from, to, [start, end], traffic));
  const denial = judgements.find(({ allowed }) => !allowed);
  return denial === undefined
    ? undefined
    : { from: from.label, to: to.label, because: reasonWords(denial.because, denial) };
}

export function forbiddenLines(
  node: string,
  seen: readonly SeenConnections[],
  forbidden: readonly Forbidden[],
): readonly string[] {
  const total = (all: readonly SeenConnections[]): number => all.reduce((sum, { count }) => sum + count, 0);
  const head = `Of ${total(seen)} connections of pods of ${node} now, ${total(forbidden)} would be forbidden${forbidden.length === 0 ? '.' : ':'}`;
  const ends = ({ from, to, port, protocol }: Forbidden): string =>
    `${from} → ${to}${port === undefined ? '' : `:${port}`}/${protocolWord(protocol)}`;
  return [head, ...forbidden.map((each) => `- ${ends(each)} (${each.count} now): ${each.because}`)];
}
