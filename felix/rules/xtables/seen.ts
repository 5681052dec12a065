/** What of ours iptables-save and ipset save print. */
import { isOurs, xtPrefix } from './name.ts';
import { xtHashIn } from './rule.ts';
import type { XtHookSeen, XtSeen, XtSetsSeen, XtTableSeen } from './script.ts';

/** A rule of ours in a chain of ours that somebody changed has another hash than any rule should have. */
const strange = 'strange';

interface Reading {
  readonly chains: Map<string, string[]>;
  readonly builtins: Map<string, (XtHookSeen | undefined)[]>;
}

export function xtSeen(saved: string): XtSeen {
  const tables: Record<string, XtTableSeen> = {};
  let reading: Reading | undefined;
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) {
      reading = { chains: new Map(), builtins: new Map() };
      tables[line.slice(1).trim()] = reading;
    } else if (reading !== undefined) readLine(reading, line);
  }
  return tables;
}

function readLine({ chains, builtins }: Reading, line: string): void {
  const declared = /^:(\S+) (\S+)/.exec(line);
  if (declared !== null) {
    const [, name = '', policy] = declared;
    if (policy === '-' && isOurs(name)) chains.set(name, []);
    if (policy !== '-') builtins.set(name, []);
    return;
  }
  const [, name = ''] = /-A (\S+)/.exec(line) ?? [];
  if (name === '') return;
  chains.get(name)?.push(xtHashIn(line) ?? strange);
  builtins.get(name)?.push(hookIn(line));
}

/** Also one without our comment, if it leads to a chain of ours: nobody else has a reason to, and it would keep the chain. */
function hookIn(line: string): XtHookSeen | undefined {
  const hash = xtHashIn(line) ?? (leadsToOurs.test(line) ? strange : undefined);
  return hash === undefined ? undefined : { hash, text: line.replace(/^-A \S+ /, '') };
}

const leadsToOurs = new RegExp(` -[jg] ${xtPrefix}[-.]\\S+$`);

/** The rule after it is of the same rule of the model, and counts the same packets. */
const onTheWay = new RegExp(` -(?:j (?:MARK|CT|NFLOG)|[jg] ${xtPrefix}[-.]\\S*)( |$)`);

/** Packets and octets that each rule of a chain of ours counted, by its comment without the hash: of `iptables-save -c`. */
export function xtCounters(
  saved: string,
): ReadonlyMap<
  string,
  readonly { readonly comment?: string; readonly packets: number; readonly bytes: number }[]
> {
  const counters = new Map<string, { comment?: string; packets: number; bytes: number }[]>();
  for (const line of saved.split('\n')) {
    const found = /^\[(\d+):(\d+)\] -A (\S+) /.exec(line);
    if (found === null || !isOurs(found[3] ?? '') || onTheWay.test(line)) continue;
    const [, packets, bytes, name = ''] = found;
    // What iptables-save escapes of what `commentOf` leaves: an apostrophe.
    const comment = /--comment "tortie:[0-9a-f]+ ([^"]*)"/.exec(line)?.[1]?.replaceAll("\\'", "'");
    const rows = counters.get(name) ?? [];
    rows.push({
      ...(comment === undefined ? {} : { comment }),
      packets: Number(packets),
      bytes: Number(bytes),
    });
    counters.set(name, rows);
  }
  return counters;
}

/** Options of `create` that the kernel fills in, which ours do not say. */
const unasked = /\s+(hashsize|bucketsize|initval) \S+/g;

export function xtSetsSeen(saved: string): XtSetsSeen {
  const sets = new Map<string, { type: string; members: Set<string> }>();
  for (const line of saved.split('\n')) {
    const [verb = '', name = '', ...rest] = line.trim().split(' ');
    if (!isOurs(name) && !name.startsWith(`${xtPrefix}~`)) continue;
    if (verb === 'create')
      sets.set(name, { type: rest.join(' ').replaceAll(unasked, ''), members: new Set() });
    else if (verb === 'add') sets.get(name)?.members.add(rest.join(' '));
  }
  return sets;
}
