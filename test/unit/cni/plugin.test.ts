/** The plugin as a container runtime runs it, against an agent that is played here. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { supportedVersions, versionReply } from '../../../src/cni/spec.ts';

const room = new URL('../../../src/cni/', import.meta.url).pathname;
const directory = mkdtempSync(join(tmpdir(), 'tortie-plugin-'));
const socket = join(directory, 'felix.sock');
const config = JSON.stringify({ cniVersion: '0.4.0', name: 'pods', type: 'tortie' });

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}
let seen: Seen | undefined;
let reply: { readonly status: number; readonly text: string } = { status: 200, text: '{}' };
let server: Server | undefined;

beforeAll(async () => {
  execFileSync(join(room, 'build.sh'));
  server = createServer(async (incoming, outgoing) => {
    let body = '';
    for await (const chunk of incoming) body += String(chunk);
    seen = { method: incoming.method, url: incoming.url, headers: incoming.headers, body };
    outgoing.writeHead(reply.status, { 'content-length': Buffer.byteLength(reply.text) });
    outgoing.end(reply.status === 204 ? undefined : reply.text);
  });
  await new Promise<void>((resolve) => server?.listen(socket, resolve));
});
afterAll(() => {
  server?.close();
  rmSync(directory, { recursive: true });
});

interface Ran {
  readonly code: number;
  readonly stdout: string;
}

function run(environment: Readonly<Record<string, string>>, stdin: string): Promise<Ran> {
  return new Promise((resolve) => {
    const env = { TORTIE_CNI_SOCKET: socket, ...environment };
    const child = execFile(join(room, 'tortie'), { env }, (error, stdout) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout });
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(stdin);
  });
}

describe('the plugin', () => {
  test('hands environment and stdin to the agent and its answer to stdout', async () => {
    reply = { status: 200, text: '{"cniVersion":"0.4.0"}' };
    const ran = await run({ CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'abc', CNI_IFNAME: 'eth0' }, config);
    expect(ran).toEqual({ code: 0, stdout: '{"cniVersion":"0.4.0"}' });
    expect(seen).toMatchObject({
      method: 'POST',
      url: '/cni',
      body: config,
      headers: { 'cni-command': 'ADD', 'cni-containerid': 'abc', 'cni-ifname': 'eth0' },
    });
    expect(seen?.headers).not.toHaveProperty('cni-netns');
  });

  test('prints nothing when there is nothing to say', async () => {
    reply = { status: 204, text: '' };
    expect(await run({ CNI_COMMAND: 'DEL' }, config)).toEqual({ code: 0, stdout: '' });
  });

  test('fails with what the agent answered', async () => {
    reply = { status: 500, text: '{"code":102}' };
    expect(await run({ CNI_COMMAND: 'ADD' }, config)).toEqual({ code: 1, stdout: '{"code":102}' });
  });

  test('hands on an answer of several pipe lengths whole', async () => {
    reply = { status: 200, text: JSON.stringify({ big: 'x'.repeat(500_000) }) };
    expect((await run({ CNI_COMMAND: 'ADD' }, config)).stdout).toBe(reply.text);
  });

  test('without an agent says so, where, and what to do, in the version of the call', async () => {
    const ran = await run({ CNI_COMMAND: 'ADD', TORTIE_CNI_SOCKET: `${directory}/no"ne` }, config);
    expect(ran.code).toBe(1);
    expect(JSON.parse(ran.stdout)).toEqual({
      cniVersion: '0.4.0',
      code: 11,
      msg: `tortie felix does not answer at ${directory}/no?ne. See that the node agent (tortie felix) runs on this node; the runtime tries again by itself.`,
    });
  });

  test('answers VERSION without an agent, with the versions the agent speaks', async () => {
    const ran = await run({ CNI_COMMAND: 'VERSION', TORTIE_CNI_SOCKET: '/nowhere' }, '{}');
    expect(ran.code).toBe(0);
    expect(JSON.parse(ran.stdout)).toEqual({ ...versionReply, supportedVersions: [...supportedVersions] });
  });

  test.each(['K8S_POD_NAME=a\r\nCNI-Command: DEL', 'a\nb', 'a\x7fb'])(
    'refuses a variable that would write a header of its own: %j',
    async (value) => {
      seen = undefined;
      const ran = await run({ CNI_COMMAND: 'ADD', CNI_ARGS: value }, config);
      expect([ran.code, JSON.parse(ran.stdout)]).toEqual([
        1,
        { cniVersion: '0.4.0', code: 4, msg: 'CNI_ARGS holds a control character.' },
      ]);
      expect(seen).toBeUndefined();
    },
  );

  test('refuses a configuration larger than it may be', async () => {
    const ran = await run({ CNI_COMMAND: 'ADD' }, ' '.repeat(600 * 1024));
    expect(JSON.parse(ran.stdout)).toEqual({
      cniVersion: '1.1.0',
      code: 7,
      msg: 'the network configuration on stdin is larger than 512 KiB.',
    });
  });
});
