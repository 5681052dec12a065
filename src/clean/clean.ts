/** Carries out plan.ts on this node's kernel and files. Doing it again does no harm. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { isKernelError } from '../kernel/kernel-error.ts';
import type { NetnsKernel } from '../kernel/links.ts';
import { type XtBackend, type XtPrograms, XtRefusal } from '../kernel/xtables.ts';
import { formatPrefix, type IpVersion } from '../lib/net.ts';
import { type Found, planCleaning, protocols } from './plan.ts';
import { ourSets, rulesAway } from './xtables.ts';

export interface CleanTask {
  readonly kernel: NetnsKernel;
  readonly xtables: {
    readonly open: (backend: XtBackend) => XtPrograms;
    /** The one whose tables are in use: the older one is not asked otherwise, for asking would make its tables. */
    readonly inUse: () => XtBackend;
  };
  readonly pods: boolean;
  /** Of `tortie felix`; need not be there. */
  readonly stateDir: string;
}

/** @returns  what was removed, and what could not be and why, in words. Rejects if the kernel cannot be read. */
export async function clean({ kernel, xtables, pods, stateDir }: CleanTask): Promise<{
  readonly done: readonly string[];
  readonly failed: readonly string[];
}> {
  const plan = planCleaning(await look(kernel, stateDir), pods);
  const done: string[] = [];
  const failed: string[] = [];
  const attempt: Attempt = async (what, doing) => {
    await doing.then(
      () => done.push(what),
      (error: unknown) => failed.push(`${what}: ${error instanceof Error ? error.message : String(error)}`),
    );
  };
  // Routes before interfaces: with an interface its routes go, and then they cannot be removed any more.
  const failures = await kernel.applyRoutes(plan.routes.map((route) => ({ kind: 'delete', route })));
  const open = new Map(failures.filter(({ errno }) => errno !== 'ESRCH').map((one) => [one.index, one]));
  for (const [index, { dst, protocol }] of plan.routes.entries()) {
    const failure = open.get(index);
    const what = `route ${formatPrefix(dst)} of protocol ${protocol}`;
    if (failure === undefined) done.push(what);
    else failed.push(`${what}: ${failure.errno} ${failure.why}`.trim());
  }
  for (const name of plan.links) await attempt(`interface ${name}`, kernel.deleteLink(name));
  if (plan.table) await attempt('nftables table inet tortie', kernel.nft('delete table inet tortie\n'));
  await cleanXtables(xtables, attempt);
  return { done, failed };
}

type Attempt = (what: string, doing: Promise<unknown>) => Promise<void>;

/** Rules before the sets they ask. */
async function cleanXtables(xtables: CleanTask['xtables'], attempt: Attempt): Promise<void> {
  for (const backend of ['nft', 'legacy'] as const) {
    if (backend === 'legacy' && xtables.inUse() !== 'legacy') continue;
    const programs = xtables.open(backend);
    for (const version of programs.versions) {
      const script = rulesAway(await said(programs.save(version)));
      if (script !== '') await attempt(whose(version, backend), programs.restore(version, script));
    }
  }
  const programs = xtables.open('nft');
  for (const name of ourSets(await said(programs.saveSets())))
    await attempt(`ipset ${name}`, destroyed(programs, name));
}

const whose = (version: IpVersion, backend: XtBackend): string =>
  `rules and chains of ${version === 4 ? 'iptables' : 'ip6tables'} (${backend})`;

/** Nothing of a program that is not installed, or of a kernel that has no such thing. */
const said = (asked: Promise<string>): Promise<string> =>
  asked.catch((error: unknown) => {
    if (error instanceof XtRefusal || (isKernelError(error) && error.code === 'ENOENT')) return '';
    throw error;
  });

const destroyTries = 5;
const betweenMs = 200;

/** The kernel may let go of the rules that asked it only after a moment. */
async function destroyed(programs: XtPrograms, name: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await programs.restoreSets(`destroy ${name}\n`);
    } catch (error) {
      if (attempt === destroyTries) throw error;
      await pause(betweenMs);
    }
  }
}

async function look(kernel: NetnsKernel, stateDir: string): Promise<Found> {
  const filters = Object.values(protocols).flatMap((protocol) =>
    ([4, 6] as const).map((version) => ({ version, protocol })),
  );
  const routes = await Promise.all(filters.map((filter) => kernel.routes(filter)));
  const records = await readdir(join(stateDir, 'cni')).catch((): readonly string[] => []);
  return {
    hasTable: (await kernel.nftList('table inet tortie')) !== undefined,
    routes: routes.flat(),
    links: await kernel.links(),
    recorded: records.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length)),
  };
}

/** Empties the directory, which itself may be a mount point. @returns what could not be removed, in words */
export async function empty(directory: string): Promise<readonly string[]> {
  const failed: string[] = [];
  for (const name of await readdir(directory).catch((): readonly string[] => [])) {
    const path = join(directory, name);
    await rm(path, { recursive: true, force: true }).catch((error: unknown) =>
      failed.push(error instanceof Error ? error.message : String(error)),
    );
  }
  return failed;
}
