/** What an earlier life of the speaker left in the kernel: whether packets went on while it was away (RFC 4724, F). */
import type { Clock } from '../../src/host/clock.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { millis } from '../../src/lib/net.ts';
import type { SpeakerConfig } from '../config.ts';
import { bgpProtocol } from '../fib.ts';

/** Until routes the kernel failed to list are asked for again. */
const retryMs = 1000;

/** After a reboot there is none, and whoever kept our routes must let them go. */
export async function inheritedRoutes(
  kernel: Pick<Kernel, 'routes'>,
  clock: Clock,
): Promise<NonNullable<SpeakerConfig['forwarding']>> {
  for (;;) {
    try {
      for (const version of [4, 6] as const)
        if ((await kernel.routes({ version, protocol: bgpProtocol })).length > 0) return 'preserved';
      return 'fresh';
    } catch {
      await new Promise((resolve) => void clock.after(millis(retryMs), () => resolve(undefined)));
    }
  }
}
