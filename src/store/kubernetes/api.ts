/**
 * Requests to the API server: `@kubernetes/client-node` finds server and credentials, node:http(s) does the talking.
 *
 * Its own watch ends on the first quiet half minute and swallows what it cannot parse, so only the configuration is used.
 */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { err, ok, type Result } from '../../lib/result.ts';
import { isObject } from '../json.ts';
import type { Failure } from '../reflector.ts';
import { LineSplitter } from './lines.ts';

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

export function openApi(config: KubeConfig): Result<Api> {
  const cluster = config.getCurrentCluster();
  if (!cluster) return err('the kubeconfig names no current cluster');
  const { server } = cluster;
  const send = async (method: string, path: string, query: Query, type?: string): Promise<ClientRequest> => {
    const options: RequestOptions = { method, headers: {} };
    await config.applyToHTTPSOptions(options);
    const headers = { ...options.headers, accept: 'application/json', ...(type && { 'content-type': type }) };
    const search = new URLSearchParams(query).toString();
    const url = new URL(`${server.replace(/\/$/, '')}${path}${search && `?${search}`}`);
    const open = url.protocol === 'http:' ? httpRequest : httpsRequest;
    const request = open(url, { ...options, headers });
    request.setTimeout(silenceMs, () => request.destroy(new Error(`no answer for ${silenceMs / 1000} s`)));
    return request;
  };
  return ok({
    server,
    get: (path, query) => exchange(send('GET', path, query)),
    patch: (path, body) =>
      exchange(send('PATCH', path, {}, 'application/merge-patch+json'), JSON.stringify(body)),
    write: (method, path, body) => exchange(send(method, path, {}, 'application/json'), JSON.stringify(body)),
    watch: (path, query, watcher) => stream(send('GET', path, query), watcher),
  });
}

async function exchange(sending: Promise<ClientRequest>, body?: string): Promise<Result<unknown, Failure>> {
  let sent = false;
  try {
    const request = await sending;
    request.once('socket', (socket) => {
      if (socket.connecting) socket.once('connect', () => (sent = true));
      else sent = true;
    });
    const response = await answerTo(request, body);
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
    // Without its length node:http sends the body of a DELETE so that nobody finds its end.
    if (body !== undefined) request.setHeader('content-length', Buffer.byteLength(body));
    request.once('response', resolve);
    request.once('error', reject);
    request.end(body);
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response) chunks.push(chunk);
  if (!response.complete) throw new Error('the answer ended half-way');
  return Buffer.concat(chunks).toString('utf8');
}

function stream(sending: Promise<ClientRequest>, watcher: Watcher): () => void {
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
    request = await sending;
    if (over) return void request.destroy();
    request.on('error', (error) => end({ message: messageOf(error) }));
    request.on('socket', (socket) => socket.setKeepAlive(true, keepAliveMs));
    await read(await answerTo(request));
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
