/**
 * A real kube-apiserver on a real etcd: the files they are started with, their command lines, and kubeconfigs to them.
 * `setup.sh` beside this file finds or builds the server. Who starts them gives them a network namespace of their own.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';

/** A link to it, which setup.sh makes. */
export const serverProgram = new URL(
  '../../../node_modules/.cache/tortie-cluster/kube-apiserver',
  import.meta.url,
).pathname;
export const serverSetup = new URL('setup.sh', import.meta.url).pathname;
export const serverPort = 6443;

/** admin may do everything, our own what is granted to them; the server knows no stranger. */
const tokens = {
  admin: 'token-of-admin',
  tortie: 'token-of-tortie',
  'tortie-bgp': 'token-of-bgp',
  'tortie-felix': 'token-of-felix',
  'tortie-controller': 'token-of-controller',
  stranger: 'token-of-nobody',
} as const;
export type User = keyof typeof tokens;

/** What the server is reached and recognised by. */
export interface Access {
  /** Host or address and port, e.g. "172.30.0.2:6443". */
  readonly server: string;
  /** In PEM; it is its own authority. */
  readonly certificate: string;
}

export const tokenOf = (user: User): string => tokens[user];
export const certificateIn = (directory: string): string => readFileSync(join(directory, 'tls.crt'), 'utf8');

/**
 * Writes keys and tokens into `directory`, once; nothing of it is for any other use than a cluster that is thrown away.
 * @param addresses  that clients use; the certificate is made out to them
 */
export function prepareServer(directory: string, addresses: readonly string[]): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const at = (file: string): string => join(directory, file);
  const known = Object.entries(tokens).filter(([user]) => user !== 'stranger');
  const users = known.map(
    ([user, token], index) => `${token},${user},${index + 1}${user === 'admin' ? ',system:masters' : ''}`,
  );
  writeFileSync(at('tokens.csv'), `${users.join('\n')}\n`, { mode: 0o600 });
  const openssl = (...argv: readonly string[]): void =>
    void execFileSync('openssl', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const names = `subjectAltName=${addresses.map((address) => `IP:${address}`).join(',')}`;
  openssl(
    ...['req', '-x509', ...curve, '-days', '30', '-subj', '/CN=kube-apiserver', '-addext', names],
    ...['-keyout', at('tls.key'), '-out', at('tls.crt')],
  );
  // What service account tokens are signed with.
  openssl('genrsa', '-out', at('accounts.key'), '2048');
}

/** On loopback of the namespace it is started in. */
export const etcdCommand = (directory: string): readonly string[] => [
  ...['etcd', '--data-dir', join(directory, 'etcd'), '--log-level', 'error'],
  ...['--listen-client-urls=http://127.0.0.1:2379', '--advertise-client-urls=http://127.0.0.1:2379'],
  '--listen-peer-urls=http://127.0.0.1:2380',
  // As kubeadm does: without it a quiet kind has no bookmarks for ten minutes.
  '--experimental-watch-progress-notify-interval=5s',
];

/** @param more  further flags, e.g. of an audit log */
export function serverCommand(directory: string, more: readonly string[] = []): readonly string[] {
  const at = (file: string): string => join(directory, file);
  return [
    serverProgram,
    '--etcd-servers=http://127.0.0.1:2379',
    `--secure-port=${serverPort}`,
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
    // Otherwise a server asked to stop waits a minute for its watchers.
    '--shutdown-watch-termination-grace-period=2s',
    ...more,
  ];
}

/** Whole in itself, so that it can be copied. */
export const kubeconfigFor = (user: User, { server, certificate }: Access): string =>
  stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'tortie',
    clusters: [
      {
        name: 'tortie',
        cluster: {
          server: `https://${server}`,
          'certificate-authority-data': Buffer.from(certificate).toString('base64'),
        },
      },
    ],
    users: [{ name: user, user: { token: tokens[user] } }],
    contexts: [{ name: 'tortie', context: { cluster: 'tortie', user } }],
  });
