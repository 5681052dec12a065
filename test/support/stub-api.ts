/**
 * An API server as small as the datastore needs: list with pages, watch with bookmarks, status patches; and every way
 * in which a real one disappoints. It never re-orders: neither does a real one.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { stringify } from 'yaml';
import { type Kind, keyOf, type ResourceRef } from '../../src/model/resource.ts';
import { identify } from '../../src/store/dir/documents.ts';
import { allKinds, kinds } from '../../src/store/kinds.ts';
import { collectionPath, statusPath } from '../../src/store/kubernetes/paths.ts';
import { mergePatch } from '../../src/store/merge-patch.ts';
import { isObject, type Json } from '../../src/store/schema/manifest.ts';

interface Change {
  readonly version: number;
  readonly kind: Kind;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: Json;
}

interface Watch {
  readonly kind: Kind;
  readonly response: ServerResponse;
}

/** What the next requests meet, each once unless said otherwise. */
interface Faults {
  /** Answer this, for so many requests whose URL holds `url`. */
  readonly refuse: { times: number; status: number; url: string; retryAfter?: number }[];
  /** Until cleared: watches open and then stay silent. */
  stall: boolean;
  /** Send bodies in pieces of so many bytes; 0: whole. */
  piece: number;
}

export class StubApi {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #objects = new Map<string, { readonly kind: Kind; readonly object: Json }>();
  readonly #watches = new Set<Watch>();
  readonly #missing = new Set<Kind>();
  #history: Change[] = [];
  #version = 1;
  #oldest = 1;
  #down = false;
  readonly faults: Faults = { refuse: [], stall: false, piece: 0 };
  /** "GET /api/v1/pods?limit=500", in order of arrival. */
  readonly requests: string[] = [];

  constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on('connection', (socket) => {
      if (this.#down) {
        socket.destroy();
        return;
      }
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => undefined);
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  async close(): Promise<void> {
    this.#cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** A kubeconfig that leads here. */
  get kubeconfig(): string {
    const { port } = this.#server.address() as AddressInfo;
    return stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'stub',
      clusters: [
        { name: 'stub', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } },
      ],
      users: [{ name: 'stub', user: { token: 'secret' } }],
      contexts: [{ name: 'stub', context: { cluster: 'stub', user: 'stub' } }],
    });
  }

  put(manifest: Json): void {
    const ref = identify(manifest);
    if (ref === undefined) throw new Error(`no kind or name: ${JSON.stringify(manifest)}`);
    const key = keyOf(ref);
    const before = this.#objects.get(key)?.object;
    const metadata = isObject(manifest['metadata']) ? manifest['metadata'] : {};
    const bare = {
      ...manifest,
      metadata: { ...metadata, ...(ref.namespace && { namespace: ref.namespace }) },
    };
    if (
      before !== undefined &&
      JSON.stringify(withVersion(bare, '')) === JSON.stringify(withVersion(before, ''))
    )
      return;
    this.#version += 1;
    const object = withVersion(bare, String(this.#version));
    this.#objects.set(key, { kind: ref.kind, object });
    this.#publish(ref.kind, before === undefined ? 'ADDED' : 'MODIFIED', object);
  }

  remove(ref: ResourceRef): void {
    const held = this.#objects.get(keyOf(ref));
    if (held === undefined) return;
    this.#objects.delete(keyOf(ref));
    this.#version += 1;
    this.#publish(ref.kind, 'DELETED', withVersion(held.object, String(this.#version)));
  }

  /** Every connection breaks and none is taken, until it is up again. */
  down(isDown: boolean): void {
    this.#down = isDown;
    if (isDown) this.#cut();
  }

  /** The CRD of `kind` is not installed. */
  uninstall(kind: Kind, isMissing: boolean): void {
    if (isMissing) this.#missing.add(kind);
    else this.#missing.delete(kind);
    for (const watch of this.#watches) if (watch.kind === kind) watch.response.end();
  }

  get watchCount(): number {
    return this.#watches.size;
  }

  /** Closes every watch as the server does at the end of its time. */
  endWatches(): void {
    for (const { response } of this.#watches) response.end();
    this.#watches.clear();
  }

  /** Breaks every watch in the middle of a line. */
  breakWatches(): void {
    for (const { response } of this.#watches) {
      response.write('{"type":"MODIFIED","object":{"kind":"Po');
      setImmediate(() => response.destroy());
    }
    this.#watches.clear();
  }

  /** Forgets all history: open watches are told 410, later ones from an old version are refused. */
  forget(): void {
    this.#version += 1;
    this.#oldest = this.#version;
    this.#history = [];
    for (const { response } of this.#watches) {
      this.#send(response, { type: 'ERROR', object: status(410, 'too old resource version') });
      response.end();
    }
    this.#watches.clear();
  }

  bookmark(): void {
    for (const { kind, response } of this.#watches)
      this.#send(response, {
        type: 'BOOKMARK',
        object: { kind, metadata: { resourceVersion: String(this.#version) } },
      });
  }

  /** Sends a line to every watch, whatever it is. */
  say(line: string): void {
    for (const { response } of this.#watches) response.write(`${line}\n`);
  }

  #cut(): void {
    this.#watches.clear();
    for (const socket of this.#sockets) socket.destroy();
  }

  #publish(kind: Kind, type: Change['type'], object: Json): void {
    this.#history.push({ version: this.#version, kind, type, object });
    if (this.faults.stall) return;
    for (const watch of this.#watches) if (watch.kind === kind) this.#send(watch.response, { type, object });
  }

  #send(response: ServerResponse, event: unknown): void {
    this.#write(response, `${JSON.stringify(event)}\n`);
  }

  /** In pieces that end anywhere, in the middle of a character too. */
  #write(response: ServerResponse, text: string): void {
    const bytes = Buffer.from(text);
    const piece = this.faults.piece || bytes.length;
    for (let at = 0; at < bytes.length; at += piece) response.write(bytes.subarray(at, at + piece));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://stub');
    this.requests.push(`${request.method} ${request.url}`);
    if (request.headers.authorization !== 'Bearer secret')
      return answer(response, 401, status(401, 'who are you?'));
    const fault = this.faults.refuse.find(({ times, url: part }) => times > 0 && request.url?.includes(part));
    if (fault !== undefined) {
      fault.times -= 1;
      if (fault.retryAfter !== undefined) response.setHeader('retry-after', fault.retryAfter);
      return answer(response, fault.status, status(fault.status, 'as the test wants it'));
    }
    if (request.method === 'PATCH') return this.#patch(url, await bodyOf(request), response);
    const kind = allKinds.find((candidate) => collectionPath(candidate) === url.pathname);
    if (kind === undefined || this.#missing.has(kind)) return answer(response, 404, status(404, 'not found'));
    if (url.searchParams.has('watch')) this.#watch(kind, url.searchParams, response);
    else this.#list(kind, url.searchParams, response);
  }

  #list(kind: Kind, query: URLSearchParams, response: ServerResponse): void {
    const [pageVersion, from] = (query.get('continue') ?? `${this.#version}:0`).split(':').map(Number) as [
      number,
      number,
    ];
    if (pageVersion < this.#oldest) {
      answer(response, 410, status(410, 'the continue token is too old'));
      return;
    }
    const limit = Number(query.get('limit') ?? 0) || Number.POSITIVE_INFINITY;
    const all = [...this.#objects.values()].filter((held) => held.kind === kind);
    const items = all
      .slice(from, from + limit)
      .map(({ object: { kind: _, apiVersion: __, ...item } }) => item);
    const more = from + limit < all.length ? { continue: `${pageVersion}:${from + limit}` } : {};
    answer(response, 200, {
      apiVersion: kinds[kind].apiVersion,
      kind: `${kind}List`,
      metadata: { resourceVersion: String(pageVersion), ...more },
      items,
    });
  }

  #watch(kind: Kind, query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion'));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (from < this.#oldest) {
      this.#send(response, { type: 'ERROR', object: status(410, 'too old resource version') });
      response.end();
      return;
    }
    const watch = { kind, response };
    this.#watches.add(watch);
    response.on('close', () => this.#watches.delete(watch));
    response.on('error', () => undefined);
    if (this.faults.stall) return;
    for (const { kind: changed, version, type, object } of this.#history)
      if (changed === kind && version > from) this.#send(response, { type, object });
  }

  #patch(url: URL, body: unknown, response: ServerResponse): void {
    for (const { object } of this.#objects.values()) {
      const ref = identify(object);
      if (ref === undefined || statusPath(ref) !== url.pathname) continue;
      const patch = isObject(body) ? body['status'] : undefined;
      const patched = { ...object, status: mergePatch(object['status'], patch) };
      this.put(patched);
      answer(response, 200, patched);
      return;
    }
    answer(response, 404, status(404, 'not found'));
  }
}

function withVersion(object: Json, resourceVersion: string): Json {
  const metadata = isObject(object['metadata']) ? object['metadata'] : {};
  return { ...object, metadata: { ...metadata, resourceVersion } };
}

const status = (code: number, message: string) => ({ kind: 'Status', apiVersion: 'v1', code, message });

function answer(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}
