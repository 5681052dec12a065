/** Which rule of a policy a rule in the kernel is for, whichever way it was written there. */
import { FAMILY } from '../../src/kernel/netlink/nft/numbers.ts';
import type { RuleTraced } from '../../src/kernel/netlink/nft/read.ts';
import type { TraceDecision } from '../../src/model/live.ts';
import { type Graph, rulesetOf } from '../calc/graph.ts';
import { type Rule, tableName } from '../rules/model.ts';
import { xtPrefix } from '../rules/xtables/name.ts';
import type { Known } from './steps.ts';

/** Before the comment of a rule of ours in iptables: see rules/xtables/rule.ts. */
const xtMark = /^tortie:[0-9a-f]+ ?/;
const isXtChain = (name: string): boolean =>
  name.startsWith(`${xtPrefix}-`) || name.startsWith(`${xtPrefix}.`);

type Meanings = Pick<Known, 'decisionOf' | 'isOwn' | 'isOwnTable'>;

/** As the graph has it now: a rule that was rewritten since the packet met it has no meaning any more. */
export function meaningsOf(graph: Graph): Meanings {
  const { chains } = rulesetOf(graph);
  let byComment: Map<string, Rule> | undefined;
  const said = (comment: string): Rule | undefined => {
    if (byComment === undefined) {
      byComment = new Map();
      for (const { rules } of chains.values())
        for (const rule of rules) if (rule.comment !== undefined) byComment.set(rule.comment, rule);
    }
    return byComment.get(comment);
  };
  const modelOf = ({ table, chain, comment }: RuleTraced, index: number): Rule | undefined => {
    if (table === tableName) {
      const same = chains.get(chain)?.rules[index];
      if (same !== undefined && same.comment === comment) return same;
      return chains.get(chain)?.rules.find((rule) => comment !== undefined && rule.comment === comment);
    }
    return comment !== undefined && xtMark.test(comment) ? said(comment.replace(xtMark, '')) : undefined;
  };
  const isOwnTable: Meanings['isOwnTable'] = ({ family, table }) =>
    family === FAMILY.inet && table === tableName;
  return {
    decisionOf: (rule, index): TraceDecision | undefined => {
      const model = modelOf(rule, index);
      const origin = model === undefined ? undefined : graph.register.originOf(model);
      if (origin === undefined) return undefined;
      const { tag: _, ...decision } = origin;
      return decision;
    },
    isOwnTable,
    isOwn: (step, rule) =>
      isOwnTable(step) || isXtChain(step.chain) || (rule?.comment !== undefined && xtMark.test(rule.comment)),
  };
}
