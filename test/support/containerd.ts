/**
 * A real containerd and runc for one node of a test cluster, asked through CRI as kubelet does. It has a root, state, socket and
 * configuration of its own; its sandbox image is a static `pause` made here, without any registry.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { at } from '../../src/lab/tor/tor.ts';
import { eventually } from './eventually.ts';

const client = new URL('../../node_modules/.cache/tortie-cluster/cri', import.meta.url).pathname;
const plugin = new URL('../../src/cni/tortie', import.meta.url).pathname;
/** Of Debian's containernetworking-plugins. */
const loopback = '/usr/lib/cni/loopback';
const image = 'tortie.test/pause:1';
/** Where every containerd of a machine puts its shims' sockets. */
const shims = '/run/containerd';
const cgroups = '/sys/fs/cgroup';
const cgroup = 'tortie-test';

export interface Sandbox {
  readonly id: string;
  readonly config: object;
  readonly addresses: readonly string[];
  /** Path of its network namespace. */
  readonly netns: string;
}

export interface Containerd {
  readonly version: string;
  /** "RunPodSandbox" with the request's JSON; rejects with what containerd said. */
  cri(method: string, request: object): Promise<unknown>;
  run(namespace: string, pod: string, uid: string): Promise<Sandbox>;
  stop(sandbox: Sandbox): Promise<void>;
  remove(sandbox: Sandbox): Promise<void>;
  log(): string;
  end(): Promise<void>;
}

/** @param netns  path of the node's network namespace. @param agent  socket of the node agent, for the CNI plugin */
export async function startContainerd(netns: string, agent: string): Promise<Containerd> {
  const directory = mkdtempSync(join(tmpdir(), 'tortie-cd-'));
  const inside = (...parts: readonly string[]): string => join(directory, ...parts);
  const undo = [mountShims(), mountCgroups()];
  mkdirSync(inside('conf'));
  mkdirSync(inside('bin'));
  copyFileSync(plugin, inside('bin', 'tortie'));
  chmodSync(inside('bin', 'tortie'), 0o755);
  // containerd 1.6 brings loopback up by a plugin, which it takes from the same place as every other.
  symlinkSync(loopback, inside('bin', 'loopback'));
  writeFileSync(
    inside('conf', '10-tortie.conflist'),
    JSON.stringify({ cniVersion: '1.0.0', name: 'k8s-pod-network', plugins: [{ type: 'tortie' }] }),
  );
  writeFileSync(inside('config.toml'), configuration(inside));
  const child = spawn('nsenter', [`--net=${netns}`, '--', 'containerd', '-c', inside('config.toml')], {
    env: {
      ...process.env,
      PATH: `${process.env['PATH']}:/usr/sbin:/sbin`,
      TORTIE_CNI_SOCKET: agent,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });

  const cri = (method: string, request: object): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const asked = spawn(client, [inside('containerd.sock'), `RuntimeService/${method}`]);
      let [answer, wrong] = ['', ''];
      asked.stdout.on('data', (chunk: Buffer) => (answer += chunk.toString()));
      asked.stderr.on('data', (chunk: Buffer) => (wrong += chunk.toString()));
      asked.once('error', reject);
      asked.once('close', (code) =>
        code === 0 ? resolve(JSON.parse(answer)) : reject(new Error(`${method}: ${wrong.trim()}`)),
      );
      asked.stdin.end(JSON.stringify(request));
    });

  /** As kubelet does it: a sandbox that failed keeps its name until it is removed, so each attempt has a number of its own. */
  let attempts = 0;
  const configOf = (namespace: string, name: string, uid: string) => ({
    metadata: { name, uid, namespace, attempt: attempts++ },
    hostname: name,
    logDirectory: inside('logs', name),
    linux: { cgroupParent: `/${cgroup}` },
  });
  const stop = async ({ id }: Pick<Sandbox, 'id'>): Promise<void> =>
    void (await cri('StopPodSandbox', { podSandboxId: id }));
  const remove = async ({ id }: Pick<Sandbox, 'id'>): Promise<void> =>
    void (await cri('RemovePodSandbox', { podSandboxId: id }));

  const made: Containerd = {
    version: execFileSync('containerd', ['--version'], { encoding: 'utf8' }).split(' ')[2] ?? '',
    cri,
    stop,
    remove,
    log: () => said,
    run: async (namespace, pod, uid) => {
      const config = configOf(namespace, pod, uid);
      const id = String(at(await cri('RunPodSandbox', { config }), 'podSandboxId'));
      const seen = await cri('PodSandboxStatus', { podSandboxId: id, verbose: true });
      const network = at(seen, 'status', 'network');
      const more = at(network, 'additionalIps');
      const addresses = [network, ...(Array.isArray(more) ? more : [])].map((one) => String(at(one, 'ip')));
      const info: unknown = JSON.parse(String(at(seen, 'info', 'info')));
      const namespaces = at(info, 'runtimeSpec', 'linux', 'namespaces');
      const own = (Array.isArray(namespaces) ? namespaces : []).find((one) => at(one, 'type') === 'network');
      return { id, config, addresses, netns: String(at(own, 'path')) };
    },
    end: async () => {
      const left = at(await cri('ListPodSandbox', {}).catch(() => ({})), 'items');
      for (const one of Array.isArray(left) ? left : []) {
        await stop({ id: String(at(one, 'id')) }).catch(() => undefined);
        await remove({ id: String(at(one, 'id')) }).catch(() => undefined);
      }
      child.kill('SIGTERM');
      await ended;
      for (const one of undo) one();
      rmSync(directory, { recursive: true });
    },
  };
  await eventually(
    async () => {
      if (child.exitCode !== null) throw new Error(`containerd ended:\n${said}`);
      await cri('Version', {});
    },
    { within: 60_000, every: 200 },
  );
  const imported = [
    '-a',
    inside('containerd.sock'),
    '-n',
    'k8s.io',
    'image',
    'import',
    '--snapshotter',
    'native',
  ];
  execFileSync('ctr', [...imported, makeImage(inside)], { stdio: ['ignore', 'ignore', 'pipe'] });
  return made;
}

/** The native snapshotter, no AppArmor, no lower OOM score than our own: what works wherever this test may run. Debian 12's containerd wants version 2. */
const configuration = (inside: (...parts: readonly string[]) => string): string => `
version = 2
root = "${inside('root')}"
state = "${inside('state')}"
[grpc]
  address = "${inside('containerd.sock')}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${image}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${inside('bin')}"
    conf_dir = "${inside('conf')}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    SystemdCgroup = false
    Root = "${inside('runc')}"
`;

/** A docker archive: one layer with one static program that waits for ever. @returns its path */
function makeImage(inside: (...parts: readonly string[]) => string): string {
  mkdirSync(inside('image', 'rootfs'), { recursive: true });
  const program = inside('image', 'rootfs', 'pause');
  execFileSync('gcc', ['-static', '-Os', '-x', 'c', '-o', program, '-'], {
    input: '#include <unistd.h>\nint main(void) { for (;;) pause(); }\n',
  });
  const tar = (archive: string, from: string, ...names: readonly string[]): void =>
    void execFileSync('tar', ['-C', from, '--owner=0', '--group=0', '-cf', archive, ...names]);
  tar(inside('image', 'layer.tar'), inside('image', 'rootfs'), 'pause');
  const layer = createHash('sha256')
    .update(readFileSync(inside('image', 'layer.tar')))
    .digest('hex');
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const config = {
    ...{ architecture, os: 'linux', config: { Entrypoint: ['/pause'] } },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer}`] },
  };
  writeFileSync(inside('image', 'config.json'), JSON.stringify(config));
  const manifest = [{ Config: 'config.json', RepoTags: [image], Layers: ['layer.tar'] }];
  writeFileSync(inside('image', 'manifest.json'), JSON.stringify(manifest));
  tar(inside('image.tar'), inside('image'), 'manifest.json', 'config.json', 'layer.tar');
  return inside('image.tar');
}

const mount = (...argv: readonly string[]): void => void execFileSync('mount', argv, { stdio: 'pipe' });
const unmount = (path: string): void => void execFileSync('umount', ['-R', '-l', path], { stdio: 'pipe' });

/** Seen in this mount namespace only. @returns how to undo it */
function mountShims(): () => void {
  const made = !existsSync(shims);
  mkdirSync(shims, { recursive: true });
  mount('-t', 'tmpfs', 'tmpfs', shims);
  return () => {
    if (!existsSync(shims)) return; // another run of this test took the directory away, and our mount with it
    unmount(shims);
    if (made) rmdirSync(shims);
  };
}

/** The test's own /sys has no cgroups below it; the same hierarchies as the machine's are mounted there. */
function mountCgroups(): () => void {
  const lines = readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n');
  const controllers = lines.map((line) => line.split(':')[1] ?? '').filter((one) => one !== '');
  if (controllers.length === 0) {
    mount('-t', 'cgroup2', 'cgroup2', cgroups);
    return () => leave(['.']);
  }
  mount('-t', 'tmpfs', 'tmpfs', cgroups);
  const names = controllers.map((controller) => controller.replace('name=', ''));
  for (const [index, name] of names.entries()) {
    const path = join(cgroups, name);
    mkdirSync(path);
    mount('-t', 'cgroup', '-o', name === controllers[index] ? name : `none,name=${name}`, 'cgroup', path);
  }
  return () => leave(names);
}

/** Our group is removed from every hierarchy, for those are the machine's own. */
function leave(hierarchies: readonly string[]): void {
  for (const hierarchy of hierarchies) {
    const path = join(cgroups, hierarchy, cgroup);
    if (existsSync(path)) execFileSync('find', [path, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', '+']);
  }
  unmount(cgroups);
}
