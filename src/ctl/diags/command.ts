/** `tortiectl diags`: what helps to find a fault, in one archive, without secrets (`scrub.ts`). */
import { chmod, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { askSocket } from '../../host/socket.ts';
import { tortieVersion } from '../../host/version.ts';
import { allKinds, apiKindOf, kinds } from '../../store/kinds.ts';
import { eventPlace } from '../cluster/events.ts';
import { textAt } from '../cluster/json.ts';
import { openSource } from '../cluster/open.ts';
import type { Global } from '../command.ts';
import { placeOf } from '../objects/names.ts';
import type { DiagsOptions } from '../options.ts';
import { complain } from '../output.ts';
import { run } from '../run.ts';
import { scrub, scrubEvent, scrubLog } from './scrub.ts';

interface Bundle {
  readonly add: (path: string, text: string) => Promise<void>;
  /** Something that could not be had, in a sentence. */
  readonly lack: (sentence: string) => void;
}

export async function diags(options: DiagsOptions & Global): Promise<number> {
  const stamp = new Date()
    .toISOString()
    .replace(/\.\d+Z$/, '')
    .replaceAll(/[-:]/g, '')
    .replace('T', '-');
  const name = `tortie-diags-${stamp}`;
  const archive = resolve(options.file ?? `${name}.tar.gz`);
  const directory = await mkdtemp(join(tmpdir(), 'tortie-diags-'));
  try {
    const lacking: string[] = [];
    const bundle: Bundle = {
      add: async (path, text) => {
        const file = join(directory, name, path);
        await mkdir(join(file, '..'), { recursive: true });
        await writeFile(file, text);
      },
      lack: (sentence) => void lacking.push(sentence),
    };
    await gather(bundle, options);
    await bundle.add('LACKING.txt', lacking.length === 0 ? 'Nothing.\n' : `${lacking.join('\n')}\n`);
    const tar = await pack(directory, name, archive);
    if (tar !== undefined) return complain({ code: 2, sentence: tar });
    process.stdout.write(`Diags saved to ${archive}\n`);
    if (lacking.length > 0)
      process.stderr.write(
        `${lacking.length} ${lacking.length === 1 ? 'thing' : 'things'} could not be had: see LACKING.txt in the archive.\n`,
      );
    return 0;
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Fails: a sentence. The archive is its owner's alone. */
async function pack(directory: string, name: string, archive: string): Promise<string | undefined> {
  try {
    await (await open(archive, 'w', 0o600)).close();
    await chmod(archive, 0o600);
  } catch (error) {
    return `${archive} cannot be written: ${error instanceof Error ? error.message : String(error)}. Name another with --file.`;
  }
  const { code, stderr } = await run('tar', ['-czf', archive, '-C', directory, name]);
  return code === 0 ? undefined : `${archive} cannot be written: ${stderr.trim()}. Is tar installed?`;
}

async function gather(bundle: Bundle, options: DiagsOptions & Global): Promise<void> {
  await bundle.add(
    'version.txt',
    `tortiectl ${tortieVersion()}, node ${process.version}, ${new Date().toISOString()}\n`,
  );
  await Promise.all([gatherCluster(bundle, options), gatherSockets(bundle, options), gatherKernel(bundle)]);
  for (const log of options.log ?? []) await gatherLog(bundle, log);
}

async function gatherCluster(bundle: Bundle, options: Global): Promise<void> {
  const source = await openSource(options);
  if (!source.ok) return bundle.lack(source.error);
  const { stringify } = await import('yaml');
  for (const kind of allKinds) {
    const listed = await source.value.list(placeOf(kind));
    if (!listed.ok) {
      bundle.lack(listed.error.sentence);
      // A server that is away is so for every kind.
      if (listed.error.kind === 'away') return;
    } else await bundle.add(`objects/${kind}.yaml`, stringify(listed.value.map((item) => scrub(kind, item))));
  }
  const events = await source.value.list(eventPlace);
  if (!events.ok) return bundle.lack(events.error.sentence);
  // What happened to other objects is their owners' business.
  const ours = events.value.filter(
    (event) => aboutOurs.has(textAt(event, 'involvedObject', 'kind')) || isFromUs(event),
  );
  await bundle.add('events.yaml', stringify(ours.map(scrubEvent)));
}

const aboutOurs: ReadonlySet<string> = new Set(
  allKinds.filter((kind) => kinds[kind].custom || kind === 'Node').map(apiKindOf),
);
const isFromUs = (event: unknown): boolean =>
  /^tortie/.test(textAt(event, 'source', 'component') || textAt(event, 'reportingComponent'));

async function gatherSockets(bundle: Bundle, { bgpSocket, felixSocket }: DiagsOptions): Promise<void> {
  const asked = [
    [bgpSocket, '/status', 'bgp/status.json'],
    [bgpSocket, '/routes', 'bgp/routes.json'],
    [felixSocket, '/status', 'felix/status.json'],
  ] as const;
  for (const [socket, path, file] of asked) {
    const answer = await askSocket(socket, path);
    if (answer.ok) await bundle.add(file, `${JSON.stringify(answer.value.body, undefined, 2)}\n`);
    else bundle.lack(answer.error);
  }
}

/** None of these can print a secret: our own table, addresses, routes, and parameters named one by one. */
const commands: readonly (readonly [file: string, command: string, ...args: string[]])[] = [
  ['kernel/nft-tortie.txt', 'nft', 'list', 'table', 'inet', 'tortie'],
  ['kernel/nft-chains.txt', 'nft', 'list', 'chains'],
  ['kernel/links.txt', 'ip', '-d', 'link', 'show'],
  ['kernel/addresses.txt', 'ip', 'address', 'show'],
  ['kernel/routes.txt', 'ip', '-d', 'route', 'show', 'table', 'all'],
  ['kernel/routes6.txt', 'ip', '-6', '-d', 'route', 'show', 'table', 'all'],
  ['kernel/rules.txt', 'ip', 'rule', 'show'],
  ['kernel/rules6.txt', 'ip', '-6', 'rule', 'show'],
  ['kernel/neighbours.txt', 'ip', 'neighbour', 'show'],
  ['kernel/uname.txt', 'uname', '-srvm'],
  ['kernel/ip-version.txt', 'ip', '-V'],
  ['kernel/nft-version.txt', 'nft', '--version'],
];

const sysctls = [
  ...[
    'net/ipv4/ip_forward',
    'net/ipv6/conf/all/forwarding',
    'net/ipv4/conf/all/rp_filter',
    'net/ipv4/conf/default/rp_filter',
  ],
  ...[
    'net/ipv4/fib_multipath_hash_policy',
    'net/netfilter/nf_conntrack_max',
    'net/netfilter/nf_conntrack_count',
    'net/core/rmem_max',
    'net/core/wmem_max',
  ],
];

async function gatherKernel(bundle: Bundle): Promise<void> {
  for (const [file, command, ...args] of commands) {
    const { code, stdout, stderr } = await run(command, args);
    if (code === 0) await bundle.add(file, stdout);
    else bundle.lack(`"${[command, ...args].join(' ')}" fails: ${stderr.trim().split('\n')[0] ?? ''}`);
  }
  const values = await Promise.all(
    sysctls.map(async (path) => {
      const value = await readFile(`/proc/sys/${path}`, 'utf8').catch(() => '(not there)');
      return `${path.replaceAll('/', '.')} = ${value.trim()}\n`;
    }),
  );
  await bundle.add('kernel/sysctls.txt', values.join(''));
}

const logOctets = 5 * 1024 * 1024;

async function gatherLog(bundle: Bundle, path: string): Promise<void> {
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined) return bundle.lack(`The log ${path} cannot be read.`);
  const { text, leftOut } = scrubLog(bytes.subarray(-logOctets).toString('utf8'));
  await bundle.add(`logs/${basename(path)}`, text);
  if (leftOut > 0) bundle.lack(`${leftOut} lines of ${path} are not records of Tortie and were left out.`);
}
