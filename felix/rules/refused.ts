/** What ends a chain that the kernel refused: everything is dropped, and reported as far as the chain's name says whose it is. */
import type { Direction } from '../../src/model/policy.ts';
import { ended } from './dropped.ts';
import type { Rule } from './model.ts';
import type { RulesSettings } from './settings.ts';
import { isHostChain } from './stage.ts';

/** Of policies, tiers and endpoints, whose names iptables may have cut after seven characters; undefined: of something else. */
function directionOf(chain: string): Direction | undefined {
  const own = /^(?:tier-)?(in|eg)/.exec(chain)?.[1];
  if (own !== undefined) return own === 'in' ? 'Ingress' : 'Egress';
  const way = /^(?:any-)?(from|to)-/.exec(chain)?.[1];
  if (way === undefined) return undefined;
  const isHost = isHostChain(chain) || chain.startsWith('from-ho-');
  return (way === 'from') === isHost ? 'Ingress' : 'Egress';
}

/**
 * That a packet is reported cannot be why it was refused: base chains report too, and without those there is no ruleset.
 * @param chain  its name in the model
 */
export function refusedEnd(
  chain: string,
  denied: RulesSettings['denied'],
  comment = 'the kernel refused this chain: it is closed',
): readonly Rule[] {
  const direction = directionOf(chain);
  const which = direction === 'Egress' ? 'refusedFrom' : 'refusedTo';
  return ended(which, direction === undefined ? undefined : denied, { comment });
}
