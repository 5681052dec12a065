/**
 * net.netfilter.nf_conntrack_tcp_loose: 0 while connections are judged anew, and else what it was before.
 *
 * What it was is kept on disk with the boot it was of: so a process that starts with another configuration than the one before it
 * puts it back, and one after a reboot leaves the sysctl to the host.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from '../../src/cni/whole.ts';
import type { NetnsKernel } from '../../src/kernel/links.ts';

export const looseKey = 'net/netfilter/nf_conntrack_tcp_loose';
const bootKey = 'kernel/random/boot_id';
const strict = '0';

export class Loose {
  readonly #kernel: Pick<NetnsKernel, 'sysctl' | 'readSysctl'>;
  readonly #path: string;

  /** @param stateDir  e.g. /var/lib/tortie */
  constructor(kernel: Pick<NetnsKernel, 'sysctl' | 'readSysctl'>, stateDir: string) {
    this.#kernel = kernel;
    this.#path = join(stateDir, 'tcp-loose.json');
  }

  /** What it was before is on disk before it is changed. Throws what the kernel or the disk says. */
  async forbid(): Promise<void> {
    if ((await this.#kept()) === undefined) {
      const [boot, value] = [await this.#boot(), await this.#kernel.readSysctl(looseKey)];
      await writeWhole(this.#path, `${JSON.stringify({ boot, value })}\n`);
    }
    await this.#kernel.sysctl(looseKey, strict);
  }

  /** If this process, or one before it, changed it; and nobody else has since. */
  async restore(): Promise<void> {
    const value = await this.#kept();
    if (value !== undefined && (await this.#kernel.readSysctl(looseKey)) === strict)
      await this.#kernel.sysctl(looseKey, value);
    await rm(this.#path, { force: true });
  }

  /** Undefined: it was not changed since the host started. */
  async #kept(): Promise<string | undefined> {
    const text = await readFile(this.#path, 'utf8').catch(() => '');
    const [, boot, value] = /^\{"boot":"([^"]*)","value":"(\d+)"\}\s*$/.exec(text) ?? [];
    return boot !== undefined && boot === (await this.#boot()) ? value : undefined;
  }

  #boot(): Promise<string> {
    return this.#kernel.readSysctl(bootKey);
  }
}
