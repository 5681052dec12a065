/**
 * An API server as small as the datastore needs: list with pages, watch with bookmarks, writes, status patches; and every way
 * in which a real one disappoints. It never re-orders: neither does a real one.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { stringify } from 'yaml';
import type { Kind, ResourceRef } from '../../src/model/resource.ts';
import { identify } from '../../src/store/dir/documents.ts';
import { isObject, type JsonObject } from '../../src/store/json.ts';
import { infoOf } from '../../src/store/kinds.ts';
import { type Route, routeOf } from '../../src/store/kubernetes/paths.ts';
import { mergePatch } from '../../src/store/merge-patch.ts';
import type { Manifest, ObjectRef, WrittenKind } from '../../src/store/objects.ts';
import { rightIdentityOf } from '../../src/store/right.ts';
import type { Json } from '../../src/store/store.ts';
import { created, isInScope, keyOfObject, replaced, withStatus } from '../../src/store/written.ts';

interface Change {
  readonly version: number;
  readonly kind: WrittenKind;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: JsonObject;
  readonly before: JsonObject | undefined;
}

interface Watch extends Scope {
  readonly response: ServerResponse;
}

/** What the next requests meet, each once unless said otherwise. */
interface Faults {
  /** Answer this, for so many requests whose URL holds `url`. */
  readonly refuse: { times: number; status: number; url: string; retryAfter?: number }[];
  /** Until cleared: the server has no history, so every watch is too late. */
  gone: boolean;
  /** Until cleared: watches open and then stay silent. */
  stall: boolean;
  /** So many writes are done and not answered. */
  lose: number;
  /** Send bodies in pieces of so many bytes; 0: whole. */
  piece: number;
}

export class StubApi {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #objects = new Map<string, { readonly kind: WrittenKind; readonly object: JsonObject }>();
  readonly #watches = new Set<Watch>();
  readonly #missing = new Set<WrittenKind>();
  #history: Change[] = [];
  #version = 1;
  #oldest = 1;
  #down = false;
  readonly faults: Faults = { refuse: [], gone: false, stall: false, lose: 0, piece: 0 };
  /** The one that is taken. */
  token = 'secret';
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
    return this.kubeconfigOf({ token: 'secret' });
  }

  kubeconfigOf(user: Readonly<Record<string, string>>): string {
    const { port } = this.#server.address() as AddressInfo;
    return stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'stub',
      clusters: [
        { name: 'stub', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } },
      ],
      users: [{ name: 'stub', user }],
      contexts: [{ name: 'stub', context: { cluster: 'stub', user: 'stub' } }],
    });
  }

  put(manifest: JsonObject): void {
    const ref = identify(manifest);
    if (ref === undefined) throw new Error(`no kind or name: ${JSON.stringify(manifest)}`);
    const before = this.#objects.get(keyOfObject(ref))?.object;
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
    this.#keep(ref, bare);
  }

  remove(ref: ResourceRef): void {
    this.#drop(ref);
  }

  #keep(ref: ObjectRef, manifest: JsonObject): JsonObject {
    const before = this.#objects.get(keyOfObject(ref))?.object;
    this.#version += 1;
    const object = withVersion(manifest, String(this.#version));
    this.#objects.set(keyOfObject(ref), { kind: ref.kind, object });
    this.#publish({ kind: ref.kind, type: before === undefined ? 'ADDED' : 'MODIFIED', object, before });
    return object;
  }

  #drop(ref: ObjectRef): void {
    const before = this.#objects.get(keyOfObject(ref))?.object;
    if (before === undefined) return;
    this.#objects.delete(keyOfObject(ref));
    this.#version += 1;
    const object = withVersion(before, String(this.#version));
    this.#publish({ kind: ref.kind, type: 'DELETED', object, before });
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

  #publish(told: Omit<Change, 'version'>): void {
    const change = { ...told, version: this.#version };
    this.#history.push(change);
    if (this.faults.stall) return;
    for (const watch of this.#watches) this.#tell(watch, change);
  }

  #send(response: ServerResponse, event: unknown): void {
    this.#say(response, `${JSON.stringify(event)}\n`);
  }

  /** In pieces that end anywhere, in the middle of a character too. */
  #say(response: ServerResponse, text: string): void {
    const bytes = Buffer.from(text);
    const piece = this.faults.piece || bytes.length;
    for (let at = 0; at < bytes.length; at += piece) response.write(bytes.subarray(at, at + piece));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://stub');
    this.requests.push(`${request.method} ${request.url}`);
    if (request.headers.authorization !== `Bearer ${this.token}`)
      return answer(response, 401, status(401, 'who are you?'));
    const fault = this.faults.refuse.find(({ times, url: part }) => times > 0 && request.url?.includes(part));
    if (fault !== undefined) {
      fault.times -= 1;
      if (fault.retryAfter !== undefined) response.setHeader('retry-after', fault.retryAfter);
      return answer(response, fault.status, status(fault.status, 'as the test wants it'));
    }
    const route = routeOf(url.pathname);
    if (route === undefined || this.#missing.has(route.kind)) return answer(response, 404, {});
    if (request.method !== 'GET') return this.#write(request, route, response);
    const { searchParams: query } = url;
    const [fields, labels] = [pairsIn(query.get('fieldSelector')), pairsIn(query.get('labelSelector'))];
    const scope = { ...route, fields, labels };
    if (route.name !== undefined)
      this.#answerObject(response, this.#objects.get(keyOfObject(refIn(route)))?.object);
    else if (url.searchParams.has('watch')) this.#watch(scope, url.searchParams, response);
    else this.#list(scope, url.searchParams, response);
  }

  #answerObject(response: ServerResponse, object: JsonObject | undefined): void {
    if (object === undefined) answer(response, 404, status(404, 'it is not there', 'NotFound'));
    else answer(response, 200, object);
  }

  #list(scope: Scope, query: URLSearchParams, response: ServerResponse): void {
    const [pageVersion, from] = (query.get('continue') ?? `${this.#version}:0`).split(':').map(Number) as [
      number,
      number,
    ];
    if (pageVersion < this.#oldest) {
      answer(response, 410, status(410, 'the continue token is too old', 'Expired'));
      return;
    }
    const limit = Number(query.get('limit') ?? 0) || Number.POSITIVE_INFINITY;
    const all = [...this.#objects.values()].filter(({ kind, object }) => isIn(scope, kind, object));
    const items = all
      .slice(from, from + limit)
      .map(({ object: { kind: _, apiVersion: __, ...item } }) => item);
    const more = from + limit < all.length ? { continue: `${pageVersion}:${from + limit}` } : {};
    answer(response, 200, {
      apiVersion: infoOf(scope.kind).apiVersion,
      kind: `${scope.kind}List`,
      metadata: { resourceVersion: String(pageVersion), ...more },
      items,
    });
  }

  #watch(scope: Scope, query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion'));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (from < this.#oldest || this.faults.gone) {
      this.#send(response, { type: 'ERROR', object: status(410, 'too old resource version', 'Expired') });
      response.end();
      return;
    }
    const watch = { ...scope, response };
    this.#watches.add(watch);
    response.on('close', () => this.#watches.delete(watch));
    response.on('error', () => undefined);
    if (this.faults.stall) return;
    for (const change of this.#history) if (change.version > from) this.#tell(watch, change);
  }

  /** An object that leaves what is watched is deleted as far as the watcher can see. */
  #tell(watch: Watch, { kind, type, object, before }: Change): void {
    const is = isIn(watch, kind, object);
    const was = before !== undefined && isIn(watch, kind, before);
    if (type === 'DELETED' ? was : is)
      this.#send(watch.response, { type: is && !was ? 'ADDED' : type, object });
    else if (was && !is) this.#send(watch.response, { type: 'DELETED', object });
  }

  async #write(request: IncomingMessage, route: Route, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const lost = this.faults.lose > 0;
    const [code, done] = this.#change(request.method ?? '', route, body as Manifest);
    if (lost) {
      this.faults.lose -= 1;
      response.destroy();
    } else answer(response, code, done);
  }

  /** Does what was asked, or says why not. */
  #change(method: string, route: Route, body: Manifest): readonly [code: number, answer: JsonObject] {
    const metadata = (isObject(body['metadata']) ? body['metadata'] : {}) as Manifest;
    const ref = refIn({ ...route, name: route.name ?? String(metadata['name']) });
    const before = this.#objects.get(keyOfObject(ref))?.object as Manifest | undefined;
    const next = String(this.#version + 1);
    const right = rightIdentityOf(body);
    if ((method === 'POST' || method === 'PUT') && !right.ok)
      return [422, status(422, right.error.what, 'Invalid')];
    if (method === 'POST') {
      if (before !== undefined) return [409, status(409, 'it is there already', 'AlreadyExists')];
      return [201, this.#keep(ref, created(body, ref, next, `uid-${next}`, new Date()).manifest)];
    }
    if (before === undefined) return [404, status(404, 'it is not there', 'NotFound')];
    if (method === 'PATCH')
      return [
        200,
        this.#keep(ref, { ...before, status: mergePatch(before['status'], body['status']) as Json }),
      ];
    const based = method === 'DELETE' ? body['preconditions'] : metadata;
    if (!isBasedOn(before, based)) return [409, status(409, 'it was changed meanwhile', 'Conflict')];
    if (method === 'DELETE') {
      this.#drop(ref);
      return [200, before];
    }
    const after = route.isStatus
      ? withStatus(before, body['status'], ref, next)
      : replaced(before, body, ref, next);
    return [200, this.#keep(ref, after.manifest)];
  }
}

/** @param based  an object with the version that a change is based on, or without */
const isBasedOn = (before: JsonObject, based: unknown): boolean => {
  const version = isObject(based) ? based['resourceVersion'] : undefined;
  return typeof version !== 'string' || version === (before['metadata'] as Manifest)['resourceVersion'];
};

/** What a list or a watch asks for. */
interface Scope {
  readonly kind: WrittenKind;
  readonly namespace?: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

const refIn = ({ kind, namespace, name = '' }: Route): ObjectRef => ({
  kind,
  name,
  ...(namespace === undefined ? {} : { namespace }),
});

const pairsIn = (text: string | null): Scope['fields'] =>
  Object.fromEntries(
    (text ?? '')
      .split(',')
      .filter(Boolean)
      .map((pair) => pair.split('=') as [string, string]),
  );

const isIn = ({ kind, namespace, fields, labels }: Scope, of: WrittenKind, object: JsonObject): boolean =>
  kind === of && isInScope(object as Manifest, { ...(namespace && { namespace }), fields, labels });

function withVersion(object: JsonObject, resourceVersion: string): JsonObject {
  const metadata = isObject(object['metadata']) ? object['metadata'] : {};
  return { ...object, metadata: { ...metadata, resourceVersion } };
}

const status = (code: number, message: string, reason?: string) => ({
  kind: 'Status',
  apiVersion: 'v1',
  code,
  message,
  ...(reason === undefined ? {} : { reason }),
});

function answer(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}
