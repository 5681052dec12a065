/**
 * Where base chains hang in the tables of iptables: by hook and priority. In each table a verdict ends that table's chain
 * only, as an accept of nftables ends its base chain only; so both ends of a connection between two pods are judged.
 */
import type { BaseHook } from '../model.ts';

export type XtTable = 'raw' | 'mangle' | 'nat' | 'filter';
export type Builtin = 'PREROUTING' | 'INPUT' | 'FORWARD' | 'OUTPUT' | 'POSTROUTING';

export interface XtPlace {
  readonly table: XtTable;
  readonly chain: Builtin;
  /** After the rules of others: kube-proxy translates first. */
  readonly last?: true;
}

export const xtTables: readonly XtTable[] = ['raw', 'mangle', 'nat', 'filter'];

const places: Readonly<Record<string, XtPlace>> = {
  'prerouting -300': { table: 'raw', chain: 'PREROUTING' },
  'output -300': { table: 'raw', chain: 'OUTPUT' },
  'prerouting -150': { table: 'mangle', chain: 'PREROUTING' },
  'postrouting -150': { table: 'mangle', chain: 'POSTROUTING' },
  'prerouting -100': { table: 'nat', chain: 'PREROUTING' },
  'output -100': { table: 'nat', chain: 'OUTPUT' },
  'postrouting 110': { table: 'nat', chain: 'POSTROUTING', last: true },
  'forward 0': { table: 'mangle', chain: 'FORWARD' },
  'forward 1': { table: 'filter', chain: 'FORWARD' },
  'input 0': { table: 'filter', chain: 'INPUT' },
  'output 0': { table: 'filter', chain: 'OUTPUT' },
};

/** Undefined: iptables has no such place. */
export const placeOf = ({ hook, priority }: BaseHook): XtPlace | undefined => places[`${hook} ${priority}`];
