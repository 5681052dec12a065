/**
 * Names that iptables and ipset take: 28 and 31 characters, so longer ones keep their beginning and a hash of the whole. Of 64
 * bits, as in the names it shortens: who may name policies must not find one that gets another's chain.
 */
import { sha256Hex } from '../../../src/lib/hash.ts';
import { remembered } from './memo.ts';

/** All that is ours begins so. */
export const xtPrefix = 'tortie';

const builtins: readonly string[] = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'];

/** Rules of ours are in chains of such names. */
export const isShared = (chain: string): boolean => isOurs(chain) || builtins.includes(chain);

export const isOurs = (name: string): boolean =>
  name.startsWith(`${xtPrefix}-`) || name.startsWith(`${xtPrefix}.`);

const chainLength = 28;
const setLength = 31;
const hashLength = 13;

const hashOf = (name: string): string =>
  BigInt(`0x${sha256Hex(name).slice(0, 16)}`)
    .toString(36)
    .padStart(hashLength, '0');

const fitting = (head: string, length: number): ((name: string) => string) =>
  remembered((name) => {
    const whole = `${head}${name}`;
    if (whole.length <= length && /^[A-Za-z0-9_.-]+$/.test(name)) return whole;
    const hash = hashOf(name);
    const room = length - head.length - hash.length - 1;
    return `${head}${name.replaceAll(/[^A-Za-z0-9_.-]/g, '_').slice(0, room)}-${hash}`;
  });

const outer = fitting(`${xtPrefix}-`, chainLength);
const inner = fitting(`${xtPrefix}.`, chainLength);

/**
 * An outer chain is left by RETURN, for nothing of ours comes after it; an inner one is not. A chain that is used both ways is
 * there twice.
 */
export const xtChainName = (name: string, isOuter: boolean): string => (isOuter ? outer : inner)(name);

/** As far as it was kept: a name that was too long is cut. */
export const modelName = (chain: string): string => chain.slice(xtPrefix.length + 1);

export const xtSetName: (name: string) => string = fitting(`${xtPrefix}-`, setLength);
