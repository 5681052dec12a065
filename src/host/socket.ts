/**
 * HTTP and JSON over a Unix socket: how the CLI, the lab and the CNI plugin ask a daemon.
 *
 * The socket is 0600: who may connect is root's to say. A request is "METHOD /path"; there is no other routing.
 */

import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createConnection } from 'node:net';
import { dirname } from 'node:path';
import type { Result } from '../lib/result.ts';
import { err, ok } from '../lib/result.ts';
import { http } from './http.ts';

export interface Ask {
  readonly query: URLSearchParams;
  /** Lower-case names; a header given twice is joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** An answer that is long, and is made while it is read. */
export interface Streamed {
  readonly status: 200;
  readonly type: 'application/x-ndjson' | 'application/octet-stream';
  /** Text goes out as UTF-8. Asked for the next only when the reader has taken the last; others get their turn between. */
  readonly chunks: Iterable<Uint8Array | string>;
}

/** Keyed "GET /status". */
export type Endpoints = Readonly<
  Record<string, (ask: Ask) => Answer | Streamed | Promise<Answer | Streamed>>
>;

const bodyLimit = 1024 * 1024;
/** Of an answer that is held whole; what may be longer is streamed. */
const answerLimit = 64 * 1024 * 1024;

/**
 * Starts serving. A socket file that nobody answers on is a dead process's and is replaced.
 * Fails: with a sentence if somebody answers, or the path cannot be used.
 */
export async function serveSocket(
  path: string,
  endpoints: Endpoints,
): Promise<Result<{ close(): Promise<void> }>> {
  if (await answers(path)) {
    return err(
      `${path} is in use: another tortie answers there. Stop it, or give this one its own --socket.`,
    );
  }
  try {
    mkdirSync(dirname(path), { recursive: true });
    rmSync(path, { force: true });
  } catch (error) {
    return err(
      `${path} cannot be used: ${(error as Error).message}. Give a path this user may write with --socket.`,
    );
  }
  const server = http.createServer((incoming, outgoing) => void respond(endpoints, incoming, outgoing));
  return new Promise((resolve) => {
    server.once('error', (error) => resolve(err(`${path} cannot be listened on: ${error.message}.`)));
    server.listen(path, () => {
      chmodSync(path, 0o600);
      resolve(ok({ close: () => closeServer(server) }));
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createConnection(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

async function respond(
  endpoints: Endpoints,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const answer = await answerTo(endpoints, incoming).catch(
    (error: unknown): Answer => ({ status: 500, body: { error: String(error) } }),
  );
  if ('chunks' in answer) {
    await stream(answer, outgoing);
    return;
  }
  const text = JSON.stringify(answer.body);
  outgoing.writeHead(answer.status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  outgoing.end(text);
}

/** Others get their turn after so long. */
const sliceMs = 3;
/** Octets gathered into one write. */
const writeOctets = 64 * 1024;

/** A reader that goes away ends it; what fails half-way breaks the connection, so that nobody takes it for the whole. */
async function stream({ status, type, chunks }: Streamed, outgoing: ServerResponse): Promise<void> {
  outgoing.writeHead(status, { 'content-type': type });
  try {
    for await (const bytes of paced(chunks)) {
      if (outgoing.destroyed) return;
      if (outgoing.write(bytes)) continue;
      await new Promise<void>((resolve) => {
        outgoing.once('drain', resolve);
        outgoing.once('close', resolve);
      });
    }
    outgoing.end();
  } catch (error) {
    outgoing.destroy(error as Error);
  }
}

/** Gathers small chunks, and pauses so that a long answer holds up nobody. */
async function* paced(chunks: Iterable<Uint8Array | string>): AsyncGenerator<Uint8Array> {
  let gathered: Uint8Array[] = [];
  let octets = 0;
  let until = performance.now() + sliceMs;
  for (const chunk of chunks) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : chunk;
    gathered.push(bytes);
    octets += bytes.byteLength;
    if (performance.now() > until) {
      await new Promise((resolve) => setImmediate(resolve));
      until = performance.now() + sliceMs;
    }
    if (octets < writeOctets) continue;
    yield Buffer.concat(gathered);
    gathered = [];
    octets = 0;
  }
  yield Buffer.concat(gathered);
}

async function answerTo(endpoints: Endpoints, incoming: IncomingMessage): Promise<Answer | Streamed> {
  const url = new URL(incoming.url ?? '/', 'http://tortie');
  const endpoint = endpoints[`${incoming.method} ${url.pathname}`];
  if (endpoint === undefined) {
    return { status: 404, body: { error: `${incoming.method} ${url.pathname} is not served here.` } };
  }
  const body = await readBody(incoming);
  if (body === undefined)
    return { status: 413, body: { error: `The request is larger than ${bodyLimit} octets.` } };
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return endpoint({ query: url.searchParams, headers, body });
}

async function readBody(incoming: IncomingMessage, most = bodyLimit): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.byteLength;
    if (length > most) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** A connection that is kept may have been closed by the daemon just now. */
const oneTime = false;

/**
 * Asks a daemon. Fails: with a sentence naming the socket, if nobody answers within `timeoutMs` or not with JSON.
 * @param path  of the request, query included, e.g. "/routes?received=Mesh_10_0_0_2"
 */
export function askSocket(
  socketPath: string,
  path: string,
  options: { readonly method?: 'GET' | 'POST'; readonly timeoutMs?: number; readonly body?: string } = {},
): Promise<Result<Answer>> {
  const { method = 'GET', timeoutMs = 5000, body: asked } = options;
  return new Promise((resolve) => {
    const asking = http.request(
      { agent: oneTime, socketPath, path, method, timeout: timeoutMs },
      (incoming) => {
        readBody(incoming, answerLimit).then(
          (body) => resolve(parseAnswer(socketPath, incoming.statusCode ?? 0, body)),
          (error: unknown) => resolve(err(`${socketPath} stopped answering: ${String(error)}.`)),
        );
      },
    );
    asking.once('timeout', () => asking.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    asking.once('error', (error) => resolve(err(`${socketPath} does not answer: ${error.message}.`)));
    asking.end(asked);
  });
}

function parseAnswer(socketPath: string, status: number, body: string | undefined): Result<Answer> {
  try {
    return ok({ status, body: JSON.parse(body ?? '') as unknown });
  } catch {
    return err(`${socketPath} answered with something that is not JSON.`);
  }
}

/**
 * Asks for an answer that is streamed, and hands over its octets as they come; the next when `onBytes` has resolved.
 * Fails: as `askSocket`; with the daemon's own words and its status if the answer is another.
 */
export function readSocket(
  socketPath: string,
  path: string,
  onBytes: (bytes: Uint8Array) => Promise<void> | void,
  timeoutMs = 15_000,
): Promise<Result<Answer>> {
  return new Promise((resolve) => {
    const asking = http.request(
      { agent: oneTime, socketPath, path, method: 'GET', timeout: timeoutMs },
      (incoming) => {
        const { statusCode = 0 } = incoming;
        const take = async (): Promise<Result<Answer>> => {
          if (statusCode !== 200) return parseAnswer(socketPath, statusCode, await readBody(incoming));
          for await (const bytes of incoming as AsyncIterable<Buffer>) await onBytes(bytes);
          return ok({ status: statusCode, body: undefined });
        };
        take().then(resolve, (error: unknown) =>
          resolve(err(`${socketPath} stopped answering: ${String(error)}.`)),
        );
      },
    );
    asking.once('timeout', () => asking.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    asking.once('error', (error) => resolve(err(`${socketPath} does not answer: ${error.message}.`)));
    asking.end();
  });
}
