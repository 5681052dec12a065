/** The kernel contract, for the fake and for a real network namespace. */
import { execFileSync } from 'node:child_process';
import { inNetns, openKernel } from '../../src/kernel/linux.ts';
import { formatPrefix, isPrefix4 } from '../../src/lib/net.ts';
import { createFakeNetwork } from '../support/fake-kernel.ts';
import { createPlayground } from '../support/namespaces.ts';
import { kernelContract } from './kernel.ts';

kernelContract('the fake kernel', async () => {
  const network = createFakeNetwork();
  const kernel = network.kernel('/here');
  network.kernel('/elsewhere');
  return {
    kernel,
    elsewhere: '/elsewhere',
    inNetns: network.inNetns,
    foreignSetRoute: async (route) => kernel.foreignSetRoute(route),
    foreignDeleteRoute: async (route) => void kernel.foreignDeleteRoute(route),
    foreignNft: async (script) => kernel.foreignNft(script),
    close: async () => kernel.close(),
  };
});

kernelContract('Linux in a network namespace', async () => {
  const playground = createPlayground('contract');
  const here = `/run/netns/${playground.netns('here')}`;
  const elsewhere = `/run/netns/${playground.netns('elsewhere')}`;
  const kernel = openKernel(here);
  const inside = (command: string, input?: string): void => {
    execFileSync('nsenter', [`--net=${here}`, 'sh', '-c', command], { input });
  };
  const named = (route: {
    dst: Parameters<typeof formatPrefix>[0];
    protocol: number;
    metric: number;
  }): string =>
    `${isPrefix4(route.dst) ? '' : '-6'} route VERB ${formatPrefix(route.dst)} proto ${route.protocol} metric ${route.metric}`;
  return {
    kernel,
    elsewhere,
    inNetns,
    foreignSetRoute: async (route) => {
      const via = isPrefix4(route.dst) ? '10.9.0.2' : 'fd09::2';
      inside(`ip ${named(route).replace('VERB', 'add')} via ${via} dev near`);
    },
    foreignDeleteRoute: async (route) => inside(`ip ${named(route).replace('VERB', 'delete')}`),
    foreignNft: async (script) => inside('nft -f -', script),
    close: async () => {
      kernel.close();
      await playground.close();
    },
  };
});
