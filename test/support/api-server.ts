/**
 * A real kube-apiserver on a real etcd, in a namespace of the test's own, as `test/cluster/setup.sh` found or built it.
 *
 * The test reaches it over a link of its own, so that it can go on changing things while its clients are cut off.
 * Every request is in the audit log: what a client asked for is read there.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Json } from '../../src/store/store.ts';
import { type AuditEntry, auditFlags, auditPolicy, readAudit } from './audit.ts';
import { eventually } from './eventually.ts';
import type { Playground, Running } from './namespaces.ts';

const binary = new URL('../../node_modules/.cache/tortie-cluster/kube-apiserver', import.meta.url).pathname;
const port = 6443;
/** Between the test itself and the API server's namespace. */
const door = { test: '10.97.0.2', server: '10.97.0.1' } as const;

/** admin may do everything, tortie what a test grants it; the server knows no stranger. */
const tokens = { admin: 'token-of-admin', tortie: 'token-of-tortie', stranger: 'token-of-nobody' } as const;
type User = keyof typeof tokens;

export interface Answer {
  readonly status: number;
  readonly body: Json;
}

export interface ApiServer {
  /** In PEM; it is its own authority. */
  readonly certificate: string;
  /** Path of a kubeconfig of this user, to the server at one of its addresses. */
  kubeconfig(user: User, address: string): string;
  /** As admin, over the test's own link. */
  request(method: string, path: string, body?: Json, type?: string): Promise<Answer>;
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
  writeFileSync(at('tokens.csv'), `${tokens.admin},admin,1,system:masters\n${tokens.tortie},tortie,2\n`);
  writeFileSync(at('audit.yaml'), auditPolicy);
  makeKeys(at, [door.server, '127.0.0.1', ...addresses]);
  const certificate = readFileSync(at('tls.crt'), 'utf8');
  const running: { server?: Running; etcd?: Running } = {};

  const request: ApiServer['request'] = (method, path, body, type = 'application/json') =>
    new Promise((resolve, reject) => {
      const asked = httpsRequest(
        {
          ...{ host: door.server, port, path, method, ca: certificate, agent: false, timeout: 10_000 },
          headers: { authorization: `Bearer ${tokens.admin}`, 'content-type': type },
        },
        (response) => {
          const chunks: Uint8Array[] = [];
          response.on('data', (chunk: Uint8Array) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8');
            const isJson = /json/.test(response.headers['content-type'] ?? '');
            resolve({ status: response.statusCode ?? 0, body: isJson ? (JSON.parse(text) as Json) : text });
          });
        },
      );
      asked.on('timeout', () => asked.destroy(new Error(`${method} ${path}: no answer`)));
      asked.on('error', reject);
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });

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
      writeFileSync(path, stringify(kubeconfigOf(user, address, at('tls.crt'))));
      return path;
    },
    start: async () => {
      running.etcd ??= ground.start(name, etcd(at('etcd')));
      running.server ??= ground.start(name, server(at));
      await eventually(isReady, { within: 45_000, every: 100 });
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

/** A certificate that is its own authority, and the key that service account tokens are signed with. */
function makeKeys(at: (file: string) => string, addresses: readonly string[]): void {
  const openssl = (...argv: readonly string[]): void =>
    void execFileSync('openssl', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const names = `subjectAltName=${addresses.map((address) => `IP:${address}`).join(',')}`;
  openssl(
    ...['req', '-x509', ...curve, '-days', '2', '-subj', '/CN=kube-apiserver', '-addext', names],
    ...['-keyout', at('tls.key'), '-out', at('tls.crt')],
  );
  openssl('genrsa', '-out', at('accounts.key'), '2048');
}

const etcd = (data: string): readonly string[] => [
  ...['etcd', '--data-dir', data, '--log-level', 'error'],
  ...['--listen-client-urls=http://127.0.0.1:2379', '--advertise-client-urls=http://127.0.0.1:2379'],
  '--listen-peer-urls=http://127.0.0.1:2380',
  // As kubeadm does: without it a quiet kind has no bookmarks for ten minutes.
  '--experimental-watch-progress-notify-interval=5s',
];

const server = (at: (file: string) => string): readonly string[] => [
  binary,
  '--etcd-servers=http://127.0.0.1:2379',
  `--secure-port=${port}`,
  '--bind-address=0.0.0.0',
  '--advertise-address=127.0.0.1',
  '--endpoint-reconciler-type=none',
  `--cert-dir=${at('pki')}`,
  `--tls-cert-file=${at('tls.crt')}`,
  `--tls-private-key-file=${at('tls.key')}`,
  '--service-account-issuer=https://kubernetes.default.svc',
  `--service-account-key-file=${at('accounts.key')}`,
  `--service-account-signing-key-file=${at('accounts.key')}`,
  `--token-auth-file=${at('tokens.csv')}`,
  '--authorization-mode=RBAC',
  '--service-cluster-ip-range=10.96.0.0/16',
  // No controller makes the accounts that pods would run as.
  '--disable-admission-plugins=ServiceAccount',
  `--audit-policy-file=${at('audit.yaml')}`,
  `--audit-log-path=${at('audit.log')}`,
  // Otherwise a server asked to stop waits a minute for its watchers.
  '--shutdown-watch-termination-grace-period=2s',
  ...auditFlags,
];

const kubeconfigOf = (user: User, address: string, certificate: string) => ({
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'test',
  clusters: [
    { name: 'test', cluster: { server: `https://${address}:${port}`, 'certificate-authority': certificate } },
  ],
  users: [{ name: user, user: { token: tokens[user] } }],
  contexts: [{ name: 'test', context: { cluster: 'test', user } }],
});
