/** The `tortie lab` commands that visit a lab which is up: look at it, run something in it, break and mend it. */
import { paintFor } from '../ctl/style.ts';
import { type Cell, columns } from '../ctl/table.ts';
import { failDaemon, failLink, heal } from './break.ts';
import { fail } from './failure.ts';
import { presenceOf } from './lab.ts';
import { isAlive, runAttached } from './process.ts';
import { type LabState, type PodRecord, type ProcessRecord, readPods, readState } from './state.ts';
import { podNetns } from './topology.ts';

export interface Named {
  readonly name: string;
}

/** Fails with a sentence if there is none. */
export function existing(name: string): LabState {
  const presence = presenceOf(name);
  const state = readState(name);
  if (state === undefined || presence === 'absent')
    return fail(`There is no lab "${name}". Bring it up first: tortie lab up.`);
  return state;
}

/** Exit code 0 if everything in it runs. */
export async function status({ name, json }: Named & { readonly json?: boolean }): Promise<number> {
  const state = existing(name);
  const presence = presenceOf(name);
  const processes = state.processes.map((process) => ({ ...process, alive: isAlive(process) }));
  const pods = readPods(name);
  const { topology, torKind: tor, failedLinks } = state;
  const ok =
    presence === 'running' &&
    processes.every(({ alive }) => alive) &&
    pods.every((pod) => pod.state === 'running') &&
    failedLinks.length === 0;
  const seen = { name, presence, tor, topology, processes, pods, failedLinks, ok };
  process.stdout.write(json === true ? `${JSON.stringify(seen)}\n` : statusText(seen));
  return ok ? 0 : 1;
}

interface Seen {
  readonly name: string;
  readonly presence: string;
  readonly processes: readonly (ProcessRecord & { readonly alive: boolean })[];
  readonly pods: readonly PodRecord[];
  readonly failedLinks: readonly string[];
}

function statusText({ name, presence, processes, pods, failedLinks }: Seen): string {
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  const word = (text: string, good: boolean): Cell => ({ text, tone: good ? 'good' : 'bad' });
  const daemons = columns(
    ['HOST', 'DAEMON', 'STATE', 'PID', 'LOG'],
    processes.map(({ host, role, alive, pid, logFile }) => [
      host,
      role,
      word(alive ? 'runs' : 'ended', alive),
      String(pid),
      logFile,
    ]),
    { paint, indent: 2 },
  );
  const running = columns(
    ['POD', 'NODE', 'STATE', 'ADDRESSES'],
    pods.map((pod) => [
      `${pod.namespace}/${pod.pod}`,
      pod.node,
      word(pod.state, pod.state === 'running'),
      pod.error ?? pod.addresses.join(' '),
    ]),
    { paint, indent: 2 },
  );
  const cut = failedLinks.map((host) => `\n  The link ${host} - tor is cut.`).join('');
  return `Lab "${name}" is ${presence}.${cut}\n\n${daemons}\n\n${running}\n`;
}

export async function execIn({ name }: Named, where: string, command: readonly string[]): Promise<number> {
  const { topology } = existing(name);
  const { tor, nodes, clients, api } = topology;
  const hosts = [
    { name: 'tor', netns: tor.netns },
    ...nodes,
    ...clients,
    ...(api === undefined ? [] : [api]),
  ];
  const [namespace = '', pod = ''] = where.includes('/') ? where.split('/') : ['default', where];
  const netns =
    hosts.find((host) => host.name === where)?.netns ??
    readPods(name).find((one) => one.netns === podNetns(name, namespace, pod))?.netns;
  // "exec node1 -- ip route": commander leaves the dashes to us.
  if (netns !== undefined) return runAttached(command[0] === '--' ? command.slice(1) : command, netns);
  const pods = readPods(name).map((one) => `${one.namespace}/${one.pod}`);
  return fail(
    `There is no "${where}" in lab "${name}". There are: ${[...hosts.map((host) => host.name), ...pods].join(', ')}.`,
  );
}

export type Break =
  | { readonly kind: 'link'; readonly a: string; readonly b: string }
  | { readonly kind: 'daemon'; readonly host: string; readonly role: string };

export async function failing({ name }: Named, what: Break): Promise<number> {
  const state = existing(name);
  if (what.kind === 'link') {
    await failLink(state, what.a, what.b);
    process.stdout.write(`The link ${what.a} - ${what.b} is cut. Mend it with: tortie lab heal\n`);
    return 0;
  }
  await failDaemon(state, what.host, what.role);
  process.stdout.write(`${what.role} on ${what.host} is killed. Start it with: tortie lab heal\n`);
  return 0;
}

export async function healing({ name }: Named): Promise<number> {
  const { done } = await heal(existing(name));
  process.stdout.write(
    done.length === 0 ? 'Nothing was broken.\n' : `${done.map((one) => `✓ ${one}`).join('\n')}\n`,
  );
  return 0;
}
