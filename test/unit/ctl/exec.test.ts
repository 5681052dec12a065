/** A command in a container, by the API server's WebSocket: what it said, how it ended, and what is said when it did not. */
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openExec } from '../../../src/ctl/cluster/exec.ts';

/** RFC 6455 §5.2: one unmasked binary frame; its first octet is the channel, by the subprotocol v4.channel.k8s.io. */
function frame(channel: number, text: string): Buffer {
  const payload = Buffer.concat([Buffer.from([channel]), Buffer.from(text)]);
  const head = Buffer.alloc(4);
  head.writeUInt8(0x82, 0);
  head.writeUInt8(126, 1);
  head.writeUInt16BE(payload.byteLength, 2);
  return Buffer.concat([head, payload]);
}

const asked: URL[] = [];
let server: Server;
let config: KubeConfig;
/** What the container does. */
let play: (socket: Socket) => void;

beforeAll(async () => {
  server = createServer((_, response) => response.writeHead(403).end());
  server.on('upgrade', (request, socket: Socket) => {
    const url = new URL(request.url ?? '', 'http://server');
    asked.push(url);
    if (url.pathname.includes('forbidden')) {
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
      return;
    }
    // RFC 6455 §4.2.2
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    const [protocol] = String(request.headers['sec-websocket-protocol']).split(',');
    socket.on('error', () => undefined);
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\nsec-websocket-protocol: ${protocol?.trim()}\r\n\r\n`,
    );
    play(socket);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: 'c', server: `http://127.0.0.1:${port}`, skipTLSVerify: true },
    { name: 'u' },
  );
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const where = { namespace: 'kube-system', pod: 'tortie-node-x', container: 'felix' };

test('it says what the container said, and its exit code', async () => {
  play = (socket) => {
    socket.write(frame(1, '{"status"'));
    socket.write(frame(2, 'a warning'));
    socket.write(frame(1, ':200}'));
    socket.write(frame(3, '{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}'));
  };
  const run = await openExec(config);
  expect(await run(where, ['tortiectl', 'node', 'ask'])).toEqual({
    ok: true,
    value: { code: 7, stdout: '{"status":200}', stderr: 'a warning' },
  });
  const [url] = asked;
  expect(url?.pathname).toBe('/api/v1/namespaces/kube-system/pods/tortie-node-x/exec');
  expect(url?.searchParams.getAll('command')).toEqual(['tortiectl', 'node', 'ask']);
  expect(url?.searchParams.get('container')).toBe('felix');
}, 30_000);

test('an end without a word of how is no answer', async () => {
  play = (socket) => socket.end(frame(1, 'half'));
  const run = await openExec(config);
  expect(await run(where, ['x'])).toEqual({ ok: false, error: 'the connection was closed' });
}, 30_000);

test('a refusal is told with its reason', async () => {
  const run = await openExec(config);
  const ended = await run({ ...where, pod: 'forbidden' }, ['x']);
  expect(ended.ok ? '' : ended.error).toContain('403');
}, 30_000);
