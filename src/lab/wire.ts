/** Makes and removes the lab's namespaces and cables, as `topology.ts` planned them. Nothing is made outside of them. */
import { readdirSync } from 'node:fs';
import { fail } from './failure.ts';
import { run } from './process.ts';
import { netnsPath, netnsPrefix, planWire, type Topology, type WireStep } from './topology.ts';

const netnsDir = '/run/netns';

/** Every namespace of this lab, pods' included, whoever made it. */
export function namespacesOf(lab: string): readonly string[] {
  try {
    return readdirSync(netnsDir).filter((name) => name.startsWith(netnsPrefix(lab)));
  } catch {
    return []; // no such directory: no namespace was ever made on this machine
  }
}

export const makeWire = (topology: Topology): Promise<void> => makeSteps(planWire(topology));

/** All namespaces first, then the steps in their order. */
export async function makeSteps(steps: readonly WireStep[]): Promise<void> {
  await must(steps.map((step) => `netns add ${step.netns}`));
  for (const step of steps) await wire(step);
}

async function wire(step: WireStep): Promise<void> {
  const writes = step.sysctls.map(([path, value]) => `echo ${value} > /proc/sys/${path}`).join('\n');
  const wrote = await run(['sh', '-e'], { netns: step.netns, input: writes });
  if (wrote.code !== 0) fail(`${step.netns}: its sysctls cannot be written: ${wrote.stderr.trim()}.`);
  await must(step.ip, step.netns);
}

/** Makes one pod's namespace: loopback up and nothing else, as a container runtime does before it calls the plugin. */
export async function makePodNetns(netns: string): Promise<void> {
  await must([`netns add ${netns}`]);
  await must(['link set lo up'], netns);
}

export async function setLink(netns: string, link: string, up: boolean): Promise<void> {
  await must([`link set ${link} ${up ? 'up' : 'down'}`], netns);
}

export async function removeNetns(netns: string): Promise<void> {
  await run(['ip', 'netns', 'delete', netns]);
}

/** Ends whatever still runs inside the lab's namespaces (shells of `exec`, children of daemons), then removes them. */
export async function removeWire(lab: string): Promise<void> {
  for (const netns of namespacesOf(lab)) {
    const pids = (await run(['ip', 'netns', 'pids', netns])).stdout.split('\n').filter((pid) => pid !== '');
    for (const pid of pids.map(Number)) {
      try {
        if (pid !== process.pid) process.kill(pid, 'SIGKILL');
      } catch {
        // already gone
      }
    }
  }
  await Promise.all(namespacesOf(lab).map(removeNetns));
}

async function must(lines: readonly string[], netns?: string): Promise<void> {
  const done = await run(['ip', '-batch', '-'], {
    input: `${lines.join('\n')}\n`,
    ...(netns === undefined ? {} : { netns }),
  });
  if (done.code !== 0) {
    const where = netns === undefined ? 'this machine' : netnsPath(netns);
    fail(`In ${where} "ip" refused: ${done.stderr.trim().split('\n').join('; ')}.`);
  }
}
