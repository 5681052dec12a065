/**
 * Copies GoBGP's best routes into the ToR's kernel (see tor/gobgp.ts for why): desired is what `gobgp` shows, actual is what
 * the kernel has with protocol `bgp`, and what differs is written with `ip`.
 *
 * `gobgp monitor` tells when to look; a slow periodic look finds what that missed.
 */
import { spawn } from 'node:child_process';
import type { Logger } from '../host/log.ts';
import { Delta } from '../lib/delta.ts';
import { run } from './process.ts';
import { netnsPath } from './topology.ts';
import { gobgp } from './tor/gobgp.ts';
import { at, parseJson } from './tor/tor.ts';

const lookEveryMs = 500;

/** Runs until `signal` is aborted. */
export async function followGobgp(
  netns: string,
  dir: string,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const wake = monitor(netns, signal);
  while (!signal.aborted) {
    await sync(netns, dir, log);
    await wake();
  }
}

async function sync(netns: string, dir: string, log: Logger): Promise<void> {
  const shown = await Promise.all(gobgp.routeCommands(dir).map((command) => run(command, { netns })));
  const wanted = gobgp.parseRoutes(shown.map(({ stdout }) => stdout));
  if (wanted === undefined) return; // gobgpd does not answer (yet): the kernel stays as it is
  const routes = new Delta<string, string>();
  for (const { prefix, nextHop } of wanted) routes.want(prefix, nextHop);
  routes.observe(await kernelRoutes(netns));
  const lines = [...routes.pending()].map((op) =>
    op.kind === 'set' ? `route replace ${op.key} via ${op.value} proto bgp` : `route del ${op.key} proto bgp`,
  );
  if (lines.length === 0) return;
  const done = await run(['ip', '-force', '-batch', '-'], { netns, input: `${lines.join('\n')}\n` });
  log.info(lines.join('; '), done.code === 0 ? {} : { error: done.stderr.trim() });
}

async function kernelRoutes(netns: string): Promise<readonly (readonly [string, string])[]> {
  const dumps = await Promise.all(
    ['-4', '-6'].map((family) => run(['ip', '-j', family, 'route', 'show', 'proto', 'bgp'], { netns })),
  );
  return dumps.flatMap(({ stdout }) => {
    const routes = parseJson(stdout);
    return (Array.isArray(routes) ? routes : []).map(
      (route) => [String(at(route, 'dst')), String(at(route, 'gateway'))] as const,
    );
  });
}

/** @returns a wait that ends at the next change gobgpd reports, or after a while */
function monitor(netns: string, signal: AbortSignal): () => Promise<void> {
  let changed = false;
  let wake = (): void => undefined;
  const child = spawn('nsenter', [`--net=${netnsPath(netns)}`, 'gobgp', '-j', 'monitor', 'global', 'rib'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const note = (): void => {
    changed = true;
    wake();
  };
  child.on('error', () => undefined); // the periodic look remains
  child.stdout.on('data', note);
  signal.addEventListener('abort', () => {
    child.kill();
    wake();
  });
  return () =>
    new Promise((resolve) => {
      const timer = setTimeout(done, changed ? 0 : lookEveryMs);
      function done(): void {
        clearTimeout(timer);
        changed = false;
        wake = () => undefined;
        resolve();
      }
      wake = done;
    });
}
