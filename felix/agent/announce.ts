/** What the node agent says of itself, to whoever waits for it. */
import type { Addresses } from '../addresses.ts';
import { felixReport, type StatusSources, whyNotReady } from '../status.ts';
import type { AgentOptions } from './options.ts';

/** Tells the reporter of each change, and once, when pods can be served, whoever waits for that. */
export function announcer(options: AgentOptions, sources: StatusSources, addresses: Addresses): () => void {
  let wasReady = false;
  return () => {
    options.reporter.say(felixReport(sources));
    if (wasReady || whyNotReady(sources) !== undefined || addresses.whyNone() !== undefined) return;
    wasReady = true;
    options.onReady?.();
  };
}
