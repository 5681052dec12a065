/** What of an earlier life is in table `inet tortie`. */
import type { Kernel } from '../../src/kernel/kernel.ts';
import { tableName } from '../rules/model.ts';
import { foreignEndpoints } from '../rules/traffic.ts';

/** The interfaces of other plugins whose policy the table in the kernel holds: an earlier life put them there. */
export async function presentForeign(kernel: Pick<Kernel, 'nftElements'>): Promise<readonly string[]> {
  const elements = await kernel.nftElements(tableName, foreignEndpoints.name);
  return elements.map(({ key }) => key.replace(/\0+$/, ''));
}
