/**
 * A real kube-apiserver on a real etcd, in a namespace of the test's own, as `test/cluster/setup.sh` found or built it.
 *
 * The test reaches it over a link of its own, so that it can go on changing things while its clients are cut off.
 * Every request is in the audit log: what a client asked for is read there.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Answer, asAdmin } from '../../src/lab/api/client.ts';
import {
  certificateIn,
  etcdCommand,
  kubeconfigFor,
  prepareServer,
  serverCommand,
  serverPort,
  type User,
} from '../../src/lab/api/server.ts';
import type { Json } from '../../src/store/store.ts';
import { type AuditEntry, auditFlags, auditPolicy, readAudit } from './audit.ts';
import { eventually } from './eventually.ts';
import type { Playground, Running } from './namespaces.ts';

/** Between the test itself and the API server's namespace. */
const door = { test: '10.97.0.2', server: '10.97.0.1' } as const;

export interface ApiServer {
  /** In PEM; it is its own authority. */
  readonly certificate: string;
  /** Path of a kubeconfig of this user, to the server at one of its addresses, or at "ADDRESS:PORT". */
  kubeconfig(user: User, address: string): string;
  /** As admin, over the test's own link. */
  request(method: string, path: string, body?: Json, type?: string, accept?: string): Promise<Answer>;
  /** Starts what does not run, and waits until it is ready. */
  start(): Promise<void>;
  /** SIGKILL unless told otherwise; resolves when it is gone. */
  kill(what: 'server' | 'etcd', signal?: 'SIGTERM'): Promise<void>;
  /** Etcd, restarted or not, forgets all history up to now. */
  compact(): void;
  /** What was asked of it so far, oldest first. */
  audit(): readonly AuditEntry[];
  /** What the server itself said. */
  log(): string;
  /** The namespace and what runs in it is the playground's to remove. */
  close(): Promise<void>;
}

/**
 * @param name  of its namespace in the playground, with whatever links it has
 * @param addresses  that clients use; the certificate is made out to them
 */
export function createApiServer(ground: Playground, name: string, addresses: readonly string[]): ApiServer {
  const directory = mkdtempSync(join(tmpdir(), 'tortie-api-'));
  const at = (file: string): string => join(directory, file);
  const netns = ground.netns(name);
  openPath(netns, netns, door);
  prepareServer(directory, [door.server, '127.0.0.1', ...addresses]);
  writeFileSync(at('audit.yaml'), auditPolicy);
  const certificate = certificateIn(directory);
  const running: { server?: Running; etcd?: Running } = {};
  const request = asAdmin({ server: `${door.server}:${serverPort}`, certificate });

  const log = (): string => running.server?.output() ?? '';
  const isReady = async (): Promise<void> => {
    if (running.server?.process.exitCode !== null) throw new Error(`kube-apiserver ended:\n${log()}`);
    const { status, body } = await request('GET', '/readyz');
    if (status !== 200) throw new Error(`not ready: ${JSON.stringify(body)}\n${log().slice(-2000)}`);
  };

  return {
    certificate,
    request,
    log,
    kubeconfig: (user, address) => {
      const path = at(`kubeconfig-${user}-${address}`);
      const server = address.includes(':') ? address : `${address}:${serverPort}`;
      writeFileSync(path, kubeconfigFor(user, { server, certificate }));
      return path;
    },
    start: async () => {
      running.etcd ??= ground.start(name, etcdCommand(directory));
      running.server ??= ground.start(name, serverCommand(directory, audited(at)));
      await eventually(isReady, { within: 90_000, every: 100 });
    },
    kill: async (what, signal) => {
      await running[what]?.end(signal ?? 'SIGKILL');
      delete running[what];
    },
    compact: () => {
      const etcdctl = (...argv: readonly string[]): string =>
        execFileSync('nsenter', [`--net=/run/netns/${netns}`, 'etcdctl', ...argv], {
          encoding: 'utf8',
          env: { ...process.env, ETCDCTL_API: '3' },
          stdio: ['ignore', 'pipe', 'pipe'],
        });
      const [status] = JSON.parse(etcdctl('endpoint', 'status', '--write-out=json')) as readonly {
        readonly Status: { readonly header: { readonly revision: number } };
      }[];
      etcdctl('compact', String(status?.Status.header.revision));
    },
    audit: () => readAudit(at('audit.log')),
    close: async () => {
      for (const one of Object.values(running)) await one.end('SIGKILL');
      execFileSync('ip', ['link', 'del', netns]);
      rmSync(directory, { recursive: true });
    },
  };
}

/** A link `iface` between this process's namespace and the server's. */
export function openPath(
  netns: string,
  iface: string,
  { test, server: address }: { readonly test: string; readonly server: string },
): void {
  const ip = (...argv: readonly string[]): void => void execFileSync('ip', argv);
  ip('link', 'add', iface, 'type', 'veth', 'peer', 'name', `to-${iface}`, 'netns', netns);
  ip('address', 'add', `${test}/30`, 'dev', iface);
  ip('link', 'set', iface, 'up');
  ip('-n', netns, 'address', 'add', `${address}/30`, 'dev', `to-${iface}`);
  ip('-n', netns, 'link', 'set', `to-${iface}`, 'up');
}

const audited = (at: (file: string) => string): readonly string[] => [
  `--audit-policy-file=${at('audit.yaml')}`,
  `--audit-log-path=${at('audit.log')}`,
  ...auditFlags,
];
