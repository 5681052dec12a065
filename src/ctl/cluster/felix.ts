/**
 * The node agent of any node, wherever one is: by a socket that is here, else by a `tortiectl node ask` in its own pod, which the
 * API server runs for whoever may create pods/exec.
 */
import { type Answer, askSocket } from '../../host/socket.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { kinds } from '../../store/kinds.ts';
import type { Global } from '../command.ts';
import { openExec, type RunInContainer } from './exec.ts';
import { nameOf, namespaceOf, textAt } from './json.ts';
import { loadKubeConfig, openSource } from './open.ts';
import type { Source } from './source.ts';

export interface Question {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: unknown;
}

/** Fails: a sentence. */
export type AskFelix = (node: string, question: Question) => Promise<Result<Answer>>;

/** What leads there. */
export interface FelixWays {
  /** By node; under '': of the node whose agent answers there. */
  readonly sockets: ReadonlyMap<string, string>;
  /** Absent: there is no cluster, but a directory. */
  readonly cluster?: { readonly source: Pick<Source, 'list'>; readonly run: RunInContainer };
}

/** A probe waits for an answer that does not come. */
const patienceMs = 45_000;

const defaultFelixSocket = '/run/tortie/felix.sock';

/** @param named  "PATH", or "NODE=PATH" */
export function socketsOf(named: readonly string[]): ReadonlyMap<string, string> {
  const sockets = new Map([['', defaultFelixSocket]]);
  for (const one of named) {
    const [, node, path] = /^([^=/]+)=(.+)$/.exec(one) ?? [];
    if (node !== undefined && path !== undefined) sockets.set(node, path);
    else sockets.set('', one);
  }
  return sockets;
}

/** Fails: a sentence. */
export async function openFelixWays(options: Global, named: readonly string[]): Promise<Result<FelixWays>> {
  const sockets = socketsOf(named);
  if (options.datastore !== 'kubernetes') return ok({ sockets });
  const [source, config] = [await openSource(options), await loadKubeConfig(options)];
  if (!source.ok) return source;
  if (!config.ok) return config;
  return ok({ sockets, cluster: { source: source.value, run: await openExec(config.value) } });
}

/** Which way leads to a node is found out once. */
export function askFelixBy(ways: FelixWays): AskFelix {
  const found = new Map<string, Promise<Result<(question: Question) => Promise<Result<Answer>>>>>();
  let here: Promise<string | undefined> | undefined;
  const nodeHere = (): Promise<string | undefined> => {
    here ??= askSocket(ways.sockets.get('') ?? '', '/status').then((answer) =>
      answer.ok ? textAt(answer.value.body, 'node') : undefined,
    );
    return here;
  };
  return async (node, question) => {
    let way = found.get(node);
    if (way === undefined) {
      way = wayTo(ways, node, nodeHere);
      found.set(node, way);
    }
    const led = await way;
    return led.ok ? led.value(question) : led;
  };
}

type Way = (question: Question) => Promise<Result<Answer>>;

async function wayTo(
  { sockets, cluster }: FelixWays,
  node: string,
  nodeHere: () => Promise<string | undefined>,
): Promise<Result<Way>> {
  const named = sockets.get(node);
  if (named !== undefined) return ok(bySocket(named));
  if ((await nodeHere()) === node) return ok(bySocket(sockets.get('') ?? ''));
  if (cluster === undefined)
    return err(
      `The datastore is a directory, so node ${node} can only be asked by its socket: give --felix-socket ${node}=PATH.`,
    );
  return byExec(cluster, node);
}

const bySocket =
  (path: string): Way =>
  ({ method, path: asked, body }) =>
    askSocket(path, asked, {
      method,
      timeoutMs: patienceMs,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });

const podPlace = { kind: 'Pod', ...kinds.Pod };
const ours = 'app.kubernetes.io/name=tortie,app.kubernetes.io/component=node';

async function byExec(
  { source, run }: NonNullable<FelixWays['cluster']>,
  node: string,
): Promise<Result<Way>> {
  const pods = await source.list(podPlace, { labels: ours, fields: `spec.nodeName=${node}` });
  if (!pods.ok) return err(pods.error.sentence);
  const running = pods.value.filter((pod) => textAt(pod, 'status', 'phase') === 'Running');
  const [pod] = running;
  if (pod === undefined)
    return err(`No pod of Tortie runs on node ${node} (labels ${ours}), so its kernel cannot be asked.`);
  const where = { namespace: namespaceOf(pod), pod: nameOf(pod), container: 'felix' };
  const name = `${where.namespace}/${where.pod}`;
  return ok(async ({ method, path, body }) => {
    const words = ['tortiectl', 'node', 'ask', method, path];
    const ended = await run(where, body === undefined ? words : [...words, JSON.stringify(body)]);
    if (!ended.ok)
      return err(
        `Pod ${name} cannot be made to ask its agent: ${ended.error}. It takes the right to create pods/exec in namespace ${where.namespace}.`,
      );
    return answerIn(ended.value.stdout) ?? err(`Pod ${name}: ${ended.value.stderr.trim() || 'no answer'}`);
  });
}

/** What `tortiectl node ask` printed; undefined: that is not what it printed. */
function answerIn(text: string): Result<Answer> | undefined {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json !== 'object' || json === null || !('status' in json) || !('body' in json))
      return undefined;
    return typeof json.status === 'number' ? ok({ status: json.status, body: json.body }) : undefined;
  } catch {
    return undefined;
  }
}
