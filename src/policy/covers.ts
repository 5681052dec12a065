/**
 * Whether one rule holds of every packet that another does. "No" where it cannot be seen from the rules alone, so what is said
 * to be covered is.
 */
import { contains, type Prefix } from '../lib/net.ts';
import { same } from '../lib/same.ts';
import type { PortMatch } from '../model/policy.ts';
import type { Selector } from '../model/selector.ts';
import type { Entity, Rule } from './policy.ts';

export function covers(wide: Rule, narrow: Rule): boolean {
  return (
    isSameOrAbsent(wide.version, narrow.version) &&
    isSameOrAbsent(wide.protocol, narrow.protocol) &&
    isSameOrAbsent(wide.notProtocol, narrow.notProtocol) &&
    isSameOrAbsent(wide.icmp, narrow.icmp) &&
    isSameOrAbsent(wide.notIcmp, narrow.notIcmp) &&
    coversEntity(wide.source, narrow.source) &&
    coversEntity(wide.destination, narrow.destination)
  );
}

const isSameOrAbsent = (wide: unknown, narrow: unknown): boolean => wide === undefined || same(wide, narrow);

const coversEntity = (wide: Entity, narrow: Entity): boolean =>
  coversNets(wide.nets, narrow.nets) &&
  isSameOrAbsent(wide.notNets, narrow.notNets) &&
  coversSelector(wide.selector, narrow.selector) &&
  isSameOrAbsent(wide.notSelector, narrow.notSelector) &&
  isSameOrAbsent(wide.service, narrow.service) &&
  isSameOrAbsent(wide.nodes, narrow.nodes) &&
  coversPorts(wide, narrow) &&
  isSameOrAbsent(wide.notPorts, narrow.notPorts);

const coversNets = (wide: readonly Prefix[] | undefined, narrow: readonly Prefix[] | undefined): boolean =>
  wide === undefined || (narrow?.every((inner) => wide.some((outer) => contains(outer, inner))) ?? false);

const operandsOf = (selector: Selector): readonly Selector[] =>
  selector.kind === 'and' ? selector.of : [selector];

/** A conjunction of some of the operands takes more; an absent selector takes addresses of nobody's too. */
function coversSelector(wide: Selector | undefined, narrow: Selector | undefined): boolean {
  if (wide === undefined) return true;
  if (narrow === undefined) return false;
  if (wide.kind === 'all') return true;
  const asked = operandsOf(narrow);
  return operandsOf(wide).every((one) => asked.some((other) => same(one, other)));
}

function coversPorts(wide: Entity, narrow: Entity): boolean {
  if (wide.ports === undefined) return true;
  const among = (port: PortMatch): boolean =>
    wide.ports?.some((each) => {
      // A name stands for other ports under another selector.
      if ('name' in each || 'name' in port) return same(each, port) && same(wide.selector, narrow.selector);
      return each.first <= port.first && port.last <= each.last;
    }) ?? true;
  return narrow.ports?.every(among) ?? false;
}
