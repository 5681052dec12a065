/** The kernel settings the data path needs: forwarding for the node, and what plan.ts lists for each pod interface. */
import { hostSysctls, type Sysctl } from '../../src/cni/plan.ts';
import type { NetnsKernel } from '../../src/kernel/links.ts';
import { type Address, versionOf } from '../../src/lib/net.ts';

const forwarding: readonly Sysctl[] = [
  { kind: 'sysctl', path: 'net/ipv4/ip_forward', value: '1' },
  { kind: 'sysctl', path: 'net/ipv6/conf/all/forwarding', value: '1' },
];

export type SysctlKernel = Pick<NetnsKernel, 'sysctl' | 'readSysctl'>;

/** Makes the node a router. Returns what could not be set, in words; without IPv6 in the kernel its part is skipped. */
export const enableForwarding = (kernel: SysctlKernel): Promise<readonly string[]> =>
  setAll(kernel, forwarding);

/** After a restart: puts back what somebody changed on a pod's host interface meanwhile. */
export const repairInterface = (
  kernel: SysctlKernel,
  hostInterface: string,
  addresses: readonly Address[],
): Promise<readonly string[]> => setAll(kernel, hostSysctls(hostInterface, addresses.map(versionOf)));

/**
 * Writes only what differs: /proc/sys may be read-only, and writing ip_forward resets other settings.
 * @returns  what could not be written, in words
 */
export async function setAll(kernel: SysctlKernel, settings: readonly Sysctl[]): Promise<readonly string[]> {
  const failed: string[] = [];
  for (const { path, value } of settings) {
    const found = await kernel.readSysctl(path).catch(() => undefined);
    if (found === value || found === undefined) continue;
    await kernel.sysctl(path, value).catch((error: unknown) => {
      failed.push(`${path} = ${value}: ${error instanceof Error ? error.message : String(error)}`);
    });
  }
  return failed;
}
