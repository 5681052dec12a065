/**
 * Rules as messages, each with a hash of what it says in its userdata: by that a rule in the kernel is recognised as ours and as
 * it should be, by whichever process wrote it.
 */
import type { NftBatch } from '../../../src/kernel/netlink/nft/batch.ts';
import { counter } from '../../../src/kernel/netlink/nft/expression.ts';
import { KEY } from '../../../src/kernel/netlink/nft/numbers.ts';
import {
  addAnonymousSet,
  beginRule,
  changeElements,
  endRule,
  type NftElement,
  type SetShape,
} from '../../../src/kernel/netlink/nft/object.ts';
import type { Match, Rule } from '../../rules/model.ts';
import { writeStatement, writeVerdict } from './act.ts';
import { portInterval } from './element.ts';
import { Hash } from './hash.ts';
import { type RuleWriter, writeMatch } from './match.ts';
import { octet, transportOctets } from './octets.ts';

interface Anonymous {
  readonly shape: SetShape;
  readonly elements: readonly NftElement[];
}

/** Each takes four octets. */
const pair = (type: number, code: number): Uint8Array => Uint8Array.of(type, 0, 0, 0, code, 0, 0, 0);

/** The set without a name that a match needs; undefined for most. */
function anonymousOf(match: Match): Anonymous | undefined {
  if (match.kind === 'ports' && match.ranges.length !== 1) {
    const { ranges } = match;
    const single = ranges.every(({ first, last }) => first === last);
    const elements = ranges.flatMap(({ first, last }) => portInterval(first, last));
    return single
      ? {
          shape: { key: KEY.service },
          elements: elements.filter(({ isEnd }) => isEnd !== true).map(({ key }) => ({ key })),
        }
      : { shape: { key: KEY.service, interval: true }, elements };
  }
  if (match.kind === 'icmp' && (match.code !== undefined || match.types.length !== 1)) {
    const { version, types, code } = match;
    return code === undefined
      ? {
          shape: { key: version === 4 ? KEY.icmpType : KEY.icmp6Type },
          elements: types.map((type) => ({ key: octet(type) })),
        }
      : {
          shape: { key: version === 4 ? KEY.icmp : KEY.icmp6 },
          elements: types.map((type) => ({ key: pair(type, code) })),
        };
  }
  return undefined;
}

const mapOf = (verdict: Rule['verdict']): readonly Anonymous[] =>
  verdict?.kind === 'portJump'
    ? [
        {
          shape: { key: KEY.transport, data: 'verdict' },
          elements: verdict.ports.map(({ protocol, port, chain }) => ({
            key: transportOctets(protocol, port),
            jump: chain,
          })),
        },
      ]
    : [];

/** Writes the sets without a name that a rule needs. Returns their ids. */
function writeSets(
  batch: NftBatch,
  table: string,
  { matches, verdict }: Rule,
  hash: Hash,
): readonly number[] {
  const all = [...matches.flatMap((match) => anonymousOf(match) ?? []), ...mapOf(verdict)];
  return all.map(({ shape, elements }) => {
    const id = addAnonymousSet(batch, table, shape, elements.length);
    changeElements(batch, 'add', table, id, elements);
    for (const { key, isEnd, jump } of elements) {
      hash.octets(key, isEnd === true ? 1 : 0);
      if (jump !== undefined) hash.text(jump);
    }
    return id;
  });
}

function writeExpressions(rule: RuleWriter, { matches, counted, statements = [], verdict }: Rule): void {
  for (const match of matches) writeMatch(rule, match);
  if (counted === true) counter(rule.writer);
  for (const statement of statements) writeStatement(rule, statement);
  if (verdict !== undefined) writeVerdict(rule, verdict);
}

/** Writes the messages of one rule at the end of `chain`. Returns the hash of it. */
export function writeRule(batch: NftBatch, table: string, chain: string, rule: Rule): number {
  const hash = new Hash();
  const sets = writeSets(batch, table, rule, hash);
  const open = beginRule(batch, table, chain);
  const { writer } = batch;
  const start = writer.length;
  const idsAt: number[] = [];
  writeExpressions({ writer, sets, nextSet: 0, idsAt }, rule);
  for (const at of idsAt) writer.patchBe32(at, 0); // an id means nothing outside its transaction
  hash.written(writer, start);
  for (const [index, at] of idsAt.entries()) writer.patchBe32(at, sets[index] ?? 0);
  if (rule.comment !== undefined) hash.text(rule.comment);
  endRule(batch, open, rule.comment, hash.value);
  return hash.value;
}
