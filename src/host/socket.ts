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

/** Keyed "GET /status". */
export type Endpoints = Readonly<Record<string, (ask: Ask) => Answer | Promise<Answer>>>;

const bodyLimit = 1024 * 1024;

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
  const text = JSON.stringify(answer.body);
  outgoing.writeHead(answer.status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  outgoing.end(text);
}

async function answerTo(endpoints: Endpoints, incoming: IncomingMessage): Promise<Answer> {
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

async function readBody(incoming: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.byteLength;
    if (length > bodyLimit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * Asks a daemon. Fails: with a sentence naming the socket, if nobody answers within `timeoutMs` or not with JSON.
 * @param path  of the request, query included, e.g. "/routes?received=Mesh_10_0_0_2"
 */
export function askSocket(
  socketPath: string,
  path: string,
  options: { readonly method?: 'GET' | 'POST'; readonly timeoutMs?: number } = {},
): Promise<Result<Answer>> {
  const { method = 'GET', timeoutMs = 5000 } = options;
  return new Promise((resolve) => {
    const asking = http.request({ socketPath, path, method, timeout: timeoutMs }, (incoming) => {
      readBody(incoming).then(
        (body) => resolve(parseAnswer(socketPath, incoming.statusCode ?? 0, body)),
        (error: unknown) => resolve(err(`${socketPath} stopped answering: ${String(error)}.`)),
      );
    });
    asking.once('timeout', () => asking.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    asking.once('error', (error) => resolve(err(`${socketPath} does not answer: ${error.message}.`)));
    asking.end();
  });
}

function parseAnswer(socketPath: string, status: number, body: string | undefined): Result<Answer> {
  try {
    return ok({ status, body: JSON.parse(body ?? '') as unknown });
  } catch {
    return err(`${socketPath} answered with something that is not JSON.`);
  }
}
