/** From what a person or a chart asks to the configuration list on the node: shared by `tortie cni install` and the node agent. */
import { join } from 'node:path';
import type { Clock } from '../host/clock.ts';
import { millis } from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { speaks } from './ask.ts';
import { chainable, conflistText } from './conflist.ts';
import { type Installed, installConflist, pluginsIn } from './install.ts';
import type { IpamMode } from './network.ts';

export interface SetupOptions {
  readonly confDir: string;
  readonly confName: string;
  /** Where the plugins of the chain are. */
  readonly binDir: string;
  readonly ipam: IpamMode;
  readonly mtu?: number;
  /** undefined: those of portmap and bandwidth that are there. */
  readonly chain?: readonly string[];
  readonly exclusive: boolean;
}

/** Fails with a sentence. */
export async function setUp(options: SetupOptions): Promise<Result<Installed>> {
  const { confDir, confName, binDir, ipam, mtu, exclusive } = options;
  const present = await pluginsIn(binDir, options.chain ?? chainable);
  const missing = (options.chain ?? []).filter((name) => !present.includes(name));
  if (missing.length > 0) {
    return err(
      `${missing.join(' and ')} cannot be chained: not in ${binDir}. Install the CNI project's plugins there, or leave them out of the chain.`,
    );
  }
  const isNewest = (await Promise.all(present.map((name) => speaks(join(binDir, name), '1.1.0')))).every(
    Boolean,
  );
  const text = conflistText({ ipam, chain: present, isNewest, ...(mtu === undefined ? {} : { mtu }) });
  try {
    return ok(await installConflist(confDir, confName, text, { exclusive }));
  } catch (error) {
    return err(`${join(confDir, confName)} cannot be written: ${(error as Error).message}.`);
  }
}

const againMs = 30_000;

/**
 * Tries until the configuration is there: a node without one takes no pods, and what is in its way may go by itself.
 * @param failed  told of each reason once
 * @param done  told once, at the end
 * Call the result to stop.
 */
export function keepTrying(
  clock: Pick<Clock, 'after'>,
  attempt: () => Promise<Result<Installed>>,
  { failed, done }: { readonly failed: (why: string) => void; readonly done: (installed: Installed) => void },
): () => void {
  let isStopped = false;
  let told: string | undefined;
  let cancel = (): void => undefined;
  const run = async (): Promise<void> => {
    const made = await attempt();
    if (isStopped) return;
    if (made.ok) return done(made.value);
    if (made.error !== told) failed(made.error);
    told = made.error;
    cancel = clock.after(millis(againMs), () => void run());
  };
  void run();
  return () => {
    isStopped = true;
    cancel();
  };
}

/** "portmap,bandwidth" or "none"; undefined: whatever is there. Fails with a sentence. */
export function parseChain(text: string | undefined): Result<readonly string[] | undefined> {
  if (text === undefined || text === 'auto') return ok(undefined);
  if (text === 'none' || text === '') return ok([]);
  const names = text.split(',').map((name) => name.trim());
  const odd = names.find((name) => !chainable.some((known) => known === name));
  return odd === undefined
    ? ok(names)
    : err(`A chain is made of ${chainable.join(' and ')}, "auto" or "none"; not of "${odd}".`);
}

/** Where the plugins are beside a configuration directory: ROOT/opt/cni/bin for ROOT/etc/cni/net.d. */
export const binDirBeside = (confDir: string): string =>
  /\/etc\/cni\/net\.d\/?$/.test(confDir)
    ? confDir.replace(/\/etc\/cni\/net\.d\/?$/, '/opt/cni/bin')
    : '/opt/cni/bin';
