/** Probes as kubelet does them: from the node's own network, at the pace and with the patience that the container's spec says. */
import { setTimeout as pause } from 'node:timers/promises';
import { tcpConnect } from '../../../src/kernel/sockets.ts';
import { parseAddress } from '../../../src/lib/net.ts';
import type { ContainerSpec, Probe } from './shapes.ts';

/** @param netns  path. @param podAddress  asked if the probe names no host */
async function ask(netns: string, podAddress: string, { httpGet, timeoutSeconds }: Probe): Promise<boolean> {
  const address = parseAddress(httpGet.host ?? podAddress);
  if (address === undefined) return false;
  const timeoutMs = timeoutSeconds * 1000;
  try {
    const socket = await tcpConnect(netns, address, httpGet.port, { timeoutMs });
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    socket.write(`GET ${httpGet.path} HTTP/1.0\r\n\r\n`);
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    clearTimeout(timer);
    return /^HTTP\/1\.\d [23]/.test(text);
  } catch {
    return false;
  }
}

export interface Probed {
  readonly netns: string;
  readonly podAddress: string;
  readonly onReady: (ready: boolean) => void;
  /** The container must be started anew, and why. */
  readonly onDead: (why: string) => void;
}

/** Call the result to stop. A container without readiness probe is ready at once. */
export function startProbes(container: ContainerSpec, probed: Probed): () => void {
  const life = { over: false };
  const once = (probe: Probe): Promise<boolean> => ask(probed.netns, probed.podAddress, probe);

  async function follow(probe: Probe, tell: (failures: number) => void): Promise<void> {
    let failures = 0;
    while (!life.over) {
      failures = (await once(probe)) ? 0 : failures + 1;
      if (!life.over) tell(failures);
      await pause(probe.periodSeconds * 1000, undefined, { ref: false });
    }
  }

  async function run(): Promise<void> {
    const { startupProbe, readinessProbe, livenessProbe } = container;
    for (let failures = 0; startupProbe !== undefined && !life.over; ) {
      if (await once(startupProbe)) break;
      failures += 1;
      if (failures >= startupProbe.failureThreshold) return probed.onDead('its startup probe fails');
      await pause(startupProbe.periodSeconds * 1000, undefined, { ref: false });
    }
    if (readinessProbe === undefined) probed.onReady(true);
    else
      void follow(readinessProbe, (failures) => {
        if (failures === 0) probed.onReady(true);
        if (failures >= readinessProbe.failureThreshold) probed.onReady(false);
      });
    if (livenessProbe !== undefined)
      void follow(livenessProbe, (failures) => {
        if (failures >= livenessProbe.failureThreshold) probed.onDead('its liveness probe fails');
      });
  }

  void run();
  return () => {
    life.over = true;
  };
}
