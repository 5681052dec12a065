/**
 * The hand-written truth the packets are judged by: `expect.yaml` beside the manifests.
 *
 * It is not derived from the policies by any code of ours, so that it can disagree with that code.
 *
 *     reach:
 *       shop/api TCP 8080: [shop/front]        # these get through, every other source does not
 *     change: …                                # the lines that differ after change/ was applied
 */
import { parse } from 'yaml';
import { err, ok, type Result } from '../lib/result.ts';
import type { Protocol } from '../model/resource.ts';
import { isRecord } from './tor/tor.ts';

/** A place packets are sent to: a pod as "namespace/pod" or a client by its name. */
export interface Target {
  readonly host: string;
  readonly protocol: Protocol;
  readonly port: number;
}

export const targetText = ({ host, protocol, port }: Target): string => `${host} ${protocol} ${port}`;

export interface Expected {
  readonly target: Target;
  /** Names, "namespace/*", "everyone", and "-name" to take one out. */
  readonly sources: readonly string[];
}

export interface Expectations {
  readonly reach: readonly Expected[];
  readonly change: readonly Expected[];
}

export function parseExpectations(text: string, file: string): Result<Expectations> {
  const document = parseYaml(text);
  if (!isRecord(document))
    return err(`${file}: it is not a mapping. Write "reach:" and under it one line a destination.`);
  const reach = parseLines(document['reach'] ?? {}, `${file} reach`);
  if (!reach.ok) return reach;
  const change = parseLines(document['change'] ?? {}, `${file} change`);
  return change.ok ? ok({ reach: reach.value, change: change.value }) : change;
}

function parseYaml(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

function parseLines(lines: unknown, where: string): Result<readonly Expected[]> {
  if (!isRecord(lines)) return err(`${where}: it is not a mapping of destinations to lists of sources.`);
  const expected: Expected[] = [];
  for (const [key, sources] of Object.entries(lines)) {
    const target = parseTarget(key);
    if (target === undefined) {
      return err(`${where}: "${key}" is not "NAMESPACE/POD PROTOCOL PORT", for example "shop/api TCP 8080".`);
    }
    if (!Array.isArray(sources) || !sources.every((source) => typeof source === 'string')) {
      return err(`${where}: "${key}" needs a list of sources, for example [shop/front] or [].`);
    }
    expected.push({ target, sources });
  }
  return ok(expected);
}

function parseTarget(text: string): Target | undefined {
  const match = /^(\S+) (TCP|UDP|SCTP) (\d{1,5})$/.exec(text);
  const [, host, protocol, port] = match ?? [];
  if (host === undefined || !isProtocol(protocol)) return undefined;
  return { host, protocol, port: Number(port) };
}

const isProtocol = (text: string | undefined): text is Protocol =>
  text === 'TCP' || text === 'UDP' || text === 'SCTP';

/** The lines of `reach` with those of `change` in place of the ones for the same destination. */
export function afterChange({ reach, change }: Expectations): readonly Expected[] {
  const changed = new Map(change.map((line) => [targetText(line.target), line]));
  return reach.map((line) => changed.get(targetText(line.target)) ?? line);
}

/** Must a packet from `source` ("namespace/pod" or a client) get through to where `sources` was written for? */
export function allows(sources: readonly string[], source: string): boolean {
  const matches = (pattern: string): boolean =>
    pattern === 'everyone' ||
    pattern === source ||
    (pattern.endsWith('/*') && source.startsWith(pattern.slice(0, -1)));
  const taken = sources.some((pattern) => pattern.startsWith('-') && matches(pattern.slice(1)));
  return !taken && sources.some((pattern) => !pattern.startsWith('-') && matches(pattern));
}
