/**
 * Requests to the API server: `credentials.ts` finds server and credentials, node:http(s) does the talking.
 *
 * The watch of `@kubernetes/client-node` ends on the first quiet half minute and swallows what it cannot parse, so of it only the
 * configuration is used.
 */
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https';
import { err, ok, type Result } from '../../lib/result.ts';
import { isObject } from '../json.ts';
import { type Meter, noMeter, type Verb } from '../meter.ts';
import type { Failure } from '../reflector.ts';
import type { Credentials } from './account.ts';
import { LineSplitter } from './lines.ts';
import { routeOf } from './paths.ts';

export interface Api {
  /** For people: "https://10.0.0.1:6443". */
  readonly server: string;
  get(path: string, query: Query): Promise<Result<unknown, Failure>>;
  /** RFC 7386 merge patch. */
  patch(path: string, body: unknown): Promise<Result<unknown, Failure>>;
  write(method: 'POST' | 'PUT' | 'DELETE', path: string, body: unknown): Promise<Result<unknown, Failure>>;
  /** Calls `watcher` until its `ended`. Call the result to stop; then it is called no more. */
  watch(path: string, query: Query, watcher: Watcher): () => void;
}

interface Watcher {
  /** The server has said yes. */
  readonly opened: () => void;
  readonly lines: (lines: readonly string[]) => void;
  /** Once and last; no failure if the server closed it in good order. */
  readonly ended: (failure?: Failure) => void;
}

type Query = Readonly<Record<string, string>>;

/** Without a byte for so long a request has failed; a watch only until its first answer. */
const silenceMs = 30_000;
/** A dead connection under a quiet watch is found by TCP: first probe after this, then one a second, ten in all. */
const keepAliveMs = 15_000;
/** So long a connection waits for the next request, which it saves a handshake: less than the server's 90 s, so that it is not closed under one. */
const idleMs = 30_000;

export interface ApiOptions {
  readonly meter?: Meter;
  /** Credentials anew, when the server says 401; absent: those of `config` are all there are. */
  readonly reload?: () => Promise<Credentials | undefined>;
}

interface Question {
  readonly method: string;
  readonly path: string;
  readonly query: Query;
  readonly body?: string;
  readonly type?: string;
}

export function openApi(config: Credentials, { meter = noMeter, reload }: ApiOptions = {}): Result<Api> {
  let credentials = config;
  const cluster = config.getCurrentCluster();
  if (!cluster) return err('the kubeconfig names no current cluster');
  const { server } = cluster;
  const kept = { keepAlive: true, timeout: idleMs };
  const agent = server.startsWith('http:') ? new HttpAgent(kept) : new HttpsAgent(kept);

  const send = async (question: Question): Promise<ClientRequest> => {
    const { method, path, query, body, type } = question;
    const options: RequestOptions = { method, headers: {} };
    await credentials.applyToHTTPSOptions(options);
    const headers = { ...options.headers, accept: 'application/json', ...(type && { 'content-type': type }) };
    const search = new URLSearchParams(query).toString();
    const url = new URL(`${server.replace(/\/$/, '')}${path}${search && `?${search}`}`);
    const open = url.protocol === 'http:' ? httpRequest : httpsRequest;
    const request = open(url, { ...options, headers, ...(cluster.proxyUrl ? {} : { agent }) });
    // Without its length node:http sends the body of a DELETE so that nobody finds its end.
    if (body !== undefined) request.setHeader('content-length', Buffer.byteLength(body));
    request.setTimeout(silenceMs, () => request.destroy(new Error(`no answer for ${silenceMs / 1000} s`)));
    return request;
  };

  /** Connection and credentials may both have grown old unnoticed: what has done nothing is asked once more with new ones. */
  const ask: Ask = async (question, onRequest) => {
    for (let isLast = false; ; isLast = true) {
      const request = await send(question);
      onRequest(request);
      const response = await counted(meter, question, answerTo(request, question.body)).catch(
        (error: unknown) => {
          // Where one connection is dead the others are too.
          for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy();
          if (isLast || !request.reusedSocket || question.method !== 'GET') throw error;
        },
      );
      if (response === undefined) continue;
      const newer = response.statusCode === 401 && !isLast ? await reload?.() : undefined;
      if (newer === undefined) return response;
      credentials = newer;
      response.resume();
    }
  };

  const json = 'application/json';
  return ok({
    server,
    get: (path, query) => exchange(ask, { method: 'GET', path, query }),
    patch: (path, body) =>
      exchange(ask, {
        ...{ method: 'PATCH', path, query: {}, type: 'application/merge-patch+json' },
        body: JSON.stringify(body),
      }),
    write: (method, path, body) =>
      exchange(ask, { method, path, query: {}, type: json, body: JSON.stringify(body) }),
    watch: (path, query, watcher) => stream(ask, { method: 'GET', path, query }, watcher),
  });
}

type Ask = (question: Question, onRequest: (request: ClientRequest) => void) => Promise<IncomingMessage>;

const verbs: Readonly<Record<string, Verb>> = {
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Tells the meter of an answer and of its bytes, as they come. */
async function counted(
  meter: Meter,
  question: Question,
  answer: Promise<IncomingMessage>,
): Promise<IncomingMessage> {
  const { method, path, query } = question;
  const route = routeOf(path);
  const kind = route?.kind ?? 'other';
  const reading = query['watch'] !== undefined ? 'watch' : route?.name === undefined ? 'list' : 'get';
  const verb = verbs[method] ?? reading;
  try {
    const response = await answer;
    meter.requested(verb, kind, response.statusCode ?? 0);
    response.on('data', (chunk: Uint8Array) => meter.received(kind, chunk.length));
    response.pause();
    return response;
  } catch (error) {
    meter.requested(verb, kind, 0);
    throw error;
  }
}

async function exchange(ask: Ask, question: Question): Promise<Result<unknown, Failure>> {
  let sent = false;
  try {
    const response = await ask(question, (request) =>
      request.once('socket', (socket) => {
        if (socket.connecting) socket.once('connect', () => (sent = true));
        else sent = true;
      }),
    );
    const text = await textOf(response);
    const json = parseJson(text);
    if (isSuccess(response))
      return json === undefined ? err({ message: 'the answer is not JSON', sent }) : ok(json);
    return err(failureOf(response, json));
  } catch (error) {
    return err({ message: messageOf(error), sent });
  }
}

function answerTo(request: ClientRequest, body?: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    request.on('error', reject);
    request.end(body);
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response) chunks.push(chunk);
  if (!response.complete) throw new Error('the answer ended half-way');
  return Buffer.concat(chunks).toString('utf8');
}

function stream(ask: Ask, question: Question, watcher: Watcher): () => void {
  let over = false;
  let request: ClientRequest | undefined;
  const end = (failure?: Failure): void => {
    if (over) return;
    over = true;
    request?.destroy();
    watcher.ended(failure);
  };
  const read = async (response: IncomingMessage): Promise<void> => {
    if (!isSuccess(response)) return end(failureOf(response, parseJson(await textOf(response))));
    request?.setTimeout(0);
    watcher.opened();
    const splitter = new LineSplitter();
    for await (const chunk of response) {
      const lines = splitter.push(chunk);
      if (over) return;
      if (lines === undefined) return end({ message: 'the answer has a line of more than 32 MiB' });
      if (lines.length > 0) watcher.lines(lines);
    }
    end(response.complete ? undefined : { message: brokenOff });
  };
  const run = async (): Promise<void> => {
    const response = await ask(question, (asked) => {
      request = asked;
      if (over) asked.destroy();
      asked.on('socket', (socket) => socket.setKeepAlive(true, keepAliveMs));
    });
    await read(response);
  };
  run().catch((error: unknown) => end({ message: messageOf(error) }));
  return () => {
    over = true;
    request?.destroy();
  };
}

const isSuccess = ({ statusCode = 0 }: IncomingMessage): boolean => statusCode >= 200 && statusCode < 300;

function failureOf(response: IncomingMessage, json: unknown): Failure {
  const status = response.statusCode ?? 0;
  const { message, reason } = isObject(json) ? json : {};
  const said = typeof message === 'string' ? `: ${message}` : '';
  const retryAfter = Number(response.headers['retry-after']);
  return {
    status,
    message: `the API server answered ${status} ${response.statusMessage ?? ''}${said}`.trim(),
    ...(typeof reason === 'string' && { reason }),
    ...(retryAfter > 0 ? { retryAfterMs: retryAfter * 1000 } : {}),
  };
}

/** Undefined if it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const brokenOff = 'the connection broke';

/** Node hides the reasons of a connection that failed on every address in an AggregateError without a message. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  // What node:http says of an answer whose sender is gone.
  if (error instanceof Error && error.message === 'aborted') return brokenOff;
  return error instanceof Error ? error.message : String(error);
}
