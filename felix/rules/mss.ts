/**
 * MSS clamping: a TCP connection of a pod whose way is narrower than its interface is told so when it begins, where the
 * ICMP message that says the same (RFC 1191, RFC 8201) may not come back.
 *
 *   forward 0  clamp-mss  SYN from or to a pod → no more than the route to there allows
 */
import { workloadPrefix } from '../../src/model/endpoint.ts';
import type { Addition } from './addition.ts';
import type { Rule } from './model.ts';

const rule = (way: 'in' | 'out'): Rule => ({
  matches: [{ kind: 'interface', way, name: `${workloadPrefix}*` }],
  statements: [{ kind: 'clampMss', mss: 'route' }],
  comment: way === 'in' ? 'from a pod' : 'to a pod',
});

export const clampMss: Addition = {
  chains: [{ name: 'clamp-mss', base: { hook: 'forward', priority: 0 }, rules: [rule('in'), rule('out')] }],
  sets: [],
};
