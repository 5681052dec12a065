import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRegistry, serveMetrics } from '../../../src/host/metrics.ts';
import { askSocket, type Endpoints, serveSocket } from '../../../src/host/socket.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tortie-socket-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const endpoints: Endpoints = {
  'GET /status': ({ query }) => ({ status: 200, body: { node: query.get('node') } }),
  'GET /broken': () => {
    throw new Error('out of cheese');
  },
};

async function serving(path: string): Promise<() => Promise<void>> {
  const server = await serveSocket(path, endpoints);
  if (!server.ok) throw new Error(server.error);
  return server.value.close;
}

test('a question is answered with JSON, and only the owner may ask', async () => {
  const path = join(directory, 'deep', 'bgp.sock');
  const close = await serving(path);
  expect(await askSocket(path, '/status?node=n1')).toEqual({
    ok: true,
    value: { status: 200, body: { node: 'n1' } },
  });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  await close();
});

test('an unknown path is a 404 that says so, and a failing endpoint a 500 with the reason', async () => {
  const path = join(directory, 's');
  const close = await serving(path);
  expect(await askSocket(path, '/nothing')).toEqual({
    ok: true,
    value: { status: 404, body: { error: 'GET /nothing is not served here.' } },
  });
  const broken = await askSocket(path, '/broken');
  expect(broken.ok && broken.value).toEqual({ status: 500, body: { error: 'Error: out of cheese' } });
  await close();
});

test('a socket left by a dead process is replaced, one that answers is not', async () => {
  const path = join(directory, 's');
  writeFileSync(path, '');
  const close = await serving(path);
  const second = await serveSocket(path, endpoints);
  expect(second).toEqual({
    ok: false,
    error: `${path} is in use: another tortie answers there. Stop it, or give this one its own --socket.`,
  });
  await close();
});

test('nobody listening, and an answer that is no JSON, are sentences and not exceptions', async () => {
  const path = join(directory, 's');
  const nobody = await askSocket(path, '/status');
  expect(nobody.ok ? '' : nobody.error).toContain(`${path} does not answer`);
  const garbage = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhey'));
  await new Promise<void>((resolve) => garbage.listen(path, resolve));
  const answer = await askSocket(path, '/status');
  expect(answer).toEqual({ ok: false, error: `${path} answered with something that is not JSON.` });
  garbage.close();
});

test('health says ok, or 503 and why; metrics are in Prometheus text', async () => {
  let why: string | undefined = 'policy is not in the kernel yet';
  const server = await serveMetrics('127.0.0.1:19191', createRegistry(), {
    live: () => undefined,
    ready: () => why,
  });
  if (!server.ok) throw new Error(server.error);
  const get = async (path: string): Promise<[number, string]> => {
    const reply = await fetch(`http://127.0.0.1:19191${path}`);
    return [reply.status, await reply.text()];
  };
  expect(await get('/livez')).toEqual([200, 'ok\n']);
  expect(await get('/readyz')).toEqual([503, 'policy is not in the kernel yet\n']);
  why = undefined;
  expect(await get('/readyz')).toEqual([200, 'ok\n']);
  expect((await get('/metrics'))[1]).toContain('# TYPE process_cpu_user_seconds_total counter');
  const taken = await serveMetrics('127.0.0.1:19191', createRegistry(), {
    live: () => why,
    ready: () => why,
  });
  expect(taken.ok ? '' : taken.error).toContain('127.0.0.1:19191 cannot be listened on');
  expect(await serveMetrics('nonsense', createRegistry(), { live: () => why, ready: () => why })).toEqual({
    ok: false,
    error: '"nonsense" is not ADDR:PORT. Write for example 127.0.0.1:9091.',
  });
  server.value.close();
});
