/** Breaking things on purpose, and mending them: cables and processes. */
import { allProcesses, deadProcesses, start } from './daemons.ts';
import { fail } from './failure.ts';
import { poll } from './poll.ts';
import { isAlive, signal } from './process.ts';
import { type LabState, writeState } from './state.ts';
import type { LabHost } from './topology.ts';
import { setLink } from './wire.ts';

const hostsOn = ({ topology: { nodes, clients, api } }: LabState): readonly LabHost[] => [
  ...nodes,
  ...clients,
  ...(api === undefined ? [] : [api]),
];

/** Takes the ToR's end of a cable down: both ends lose their carrier, as when the plug is pulled. */
export async function failLink(state: LabState, a: string, b: string): Promise<LabState> {
  const name = a === 'tor' ? b : b === 'tor' ? a : undefined;
  const host = hostsOn(state).find((one) => one.name === name);
  if (host === undefined) {
    const names = hostsOn(state).map((one) => one.name);
    return fail(
      `There is no link ${a} - ${b}. Every cable ends at the ToR: name "tor" and one of ${names.join(', ')}.`,
    );
  }
  await setLink(state.topology.tor.netns, host.torPort, false);
  const next = { ...state, failedLinks: [...new Set([...state.failedLinks, host.name])] };
  writeState(next);
  return next;
}

/** kill -9. */
export async function failDaemon(state: LabState, host: string, role: string): Promise<void> {
  const process = state.processes.find((one) => one.host === host && one.role === role);
  if (process === undefined) {
    const known = state.processes.map((one) => `${one.host} ${one.role}`).join(', ');
    return fail(`There is no daemon "${role}" on "${host}". There are: ${known}.`);
  }
  if (!isAlive(process)) return fail(`${role} on ${host} has ended already. "lab heal" starts it again.`);
  signal(process, 'SIGKILL');
  await poll(() => !isAlive(process), { withinMs: 2000, everyMs: 10 });
}

/** Every cut cable is plugged in again and every process that ended is started. @returns what was done, in words */
export async function heal(
  state: LabState,
): Promise<{ readonly state: LabState; readonly done: readonly string[] }> {
  const done: string[] = [];
  let next = state;
  for (const host of hostsOn(state).filter(({ name }) => state.failedLinks.includes(name))) {
    await setLink(state.topology.tor.netns, host.torPort, true);
    done.push(`the link ${host.name} - tor is up again`);
  }
  next = { ...next, failedLinks: [] };
  writeState(next);
  const plans = allProcesses(next);
  for (const dead of deadProcesses(next)) {
    const plan = plans.find(({ host, role }) => host === dead.host && role === dead.role);
    if (plan === undefined) continue;
    next = await start(next, plan);
    done.push(`${dead.role} on ${dead.host} is started again`);
  }
  return { state: next, done };
}
