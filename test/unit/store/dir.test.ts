/** The directory datastore with everything people and tools do to files. */
import { rmSync, writeFileSync } from 'node:fs';
import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { type Clock, realClock } from '../../../src/host/clock.ts';
import { millis, parseAddress } from '../../../src/lib/net.ts';
import { formatProblem } from '../../../src/model/problem.ts';
import { DirectoryWatchers } from '../../../src/store/dir/watchers.ts';
import { openDirStore } from '../../../src/store/dir.ts';
import { allKinds } from '../../../src/store/kinds.ts';
import type { Store } from '../../../src/store/store.ts';
import { eventually } from '../../support/eventually.ts';
import { type Follower, follow } from '../../support/follower.ts';
import { peerManifest, podManifest } from '../../support/manifests.ts';

let root: string;
let store: Store;
let follower: Follower | undefined;
const soon = { within: 15_000 };

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tortie-dir-'));
  store = openDirStore(root, { clock: realClock });
  follower = undefined;
});
afterEach(async () => {
  follower?.stop();
  await rm(root, { recursive: true, force: true });
});

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}

async function synced(): Promise<Follower> {
  const one = follow(store, allKinds);
  follower = one;
  await eventually(() => expect(one.inSync).toBe(true), soon);
  return one;
}

const pod = (name: string, ip?: string): string => stringify(podManifest(name, ip));
const problemsOf = (one: Follower): readonly string[] => one.problems.map(formatProblem);
const keysAre = (one: Follower, ...keys: string[]) =>
  eventually(() => expect(one.keys()).toEqual(keys), soon);

describe('what is read', () => {
  test('YAML, YML and JSON files of all folders, with any number of documents, lists and comments', async () => {
    await write('a.yaml', `# nothing yet\n---\n${pod('a')}---\n${pod('b')}---\n# the end\n`);
    await write('deep/er/c.yml', pod('c'));
    await write('d.json', JSON.stringify(podManifest('d'), null, '\t'));
    await write(
      'list.yaml',
      stringify({ apiVersion: 'v1', kind: 'List', items: [podManifest('e'), podManifest('f')] }),
    );
    await write('empty.yaml', '');
    const one = await synced();
    expect(one.keys()).toEqual([...'abcdef'].map((name) => `Pod/default/${name}`));
    expect(one.problems).toEqual([]);
  });

  test('other files, and files and folders with a leading dot, are passed over', async () => {
    await write('README.md', 'apiVersion: v1');
    await write('.hidden.yaml', pod('x'));
    await write('.git/a.yaml', pod('x'));
    await write('a.yaml~', pod('x'));
    const one = await synced();
    expect(one.keys()).toEqual([]);
    expect(one.problems).toEqual([]);
  });

  test('anchors, aliases and merge keys mean what kubectl takes them for', async () => {
    await write(
      'a.yaml',
      'x-labels: &l {app: web}\napiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {<<: *l, tier: front}}\n',
    );
    const one = await synced();
    expect(one.get('Namespace/a')).toMatchObject({ meta: { labels: { app: 'web', tier: 'front' } } });
  });
});

describe('changes', () => {
  test('files that come, change, move and go are followed', async () => {
    const one = await synced();
    await write('a.yaml', pod('a', '10.1.0.2'));
    await keysAre(one, 'Pod/default/a');
    await write('a.yaml', `${pod('a', '10.1.0.3')}---\n${pod('b')}`);
    await keysAre(one, 'Pod/default/a', 'Pod/default/b');
    expect(one.get('Pod/default/a')).toMatchObject({ ips: [parseAddress('10.1.0.3')] });
    await mkdir(join(root, 'sub'));
    await rename(join(root, 'a.yaml'), join(root, 'sub/z.yaml'));
    await write('sub/more/c.yaml', pod('c'));
    await keysAre(one, 'Pod/default/a', 'Pod/default/b', 'Pod/default/c');
    await rm(join(root, 'sub'), { recursive: true });
    await keysAre(one);
  });

  test('moving an object to another file does not make it vanish in between', async () => {
    await write('a.yaml', pod('a'));
    const one = await synced();
    await rename(join(root, 'a.yaml'), join(root, 'b.yaml'));
    await write('marker.yaml', pod('marker'));
    await keysAre(one, 'Pod/default/a', 'Pod/default/marker');
    expect(one.batches.flatMap(({ changes }) => changes).filter(({ kind }) => kind === 'delete')).toEqual([]);
  });

  test('an editor that removes and creates the file does not make its objects vanish in between', async () => {
    await write('a.yaml', pod('a', '10.1.0.2'));
    const one = await synced();
    for (let round = 0; round < 5; round++) {
      // In one go: on a busy machine any wait between the two may last as long as it takes to count as gone.
      rmSync(join(root, 'a.yaml'));
      writeFileSync(join(root, 'a.yaml'), pod('a', `10.1.0.${round + 3}`));
    }
    await eventually(
      () => expect(one.get('Pod/default/a')).toMatchObject({ ips: [parseAddress('10.1.0.7')] }),
      soon,
    );
    expect(one.batches.flatMap(({ changes }) => changes).filter(({ kind }) => kind === 'delete')).toEqual([]);
  });

  test('a file written slowly, bit by bit, is read when it is whole', async () => {
    const one = await synced();
    const text = `${pod('a')}---\n${pod('b')}---\n${stringify(peerManifest('tor', 64513))}`;
    for (let at = 0; at < text.length; at += 40) {
      await appendFile(join(root, 'slow.yaml'), text.slice(at, at + 40));
      await new Promise((resolve) => setTimeout(resolve, 5)); // the slow writer of the test's name
    }
    await keysAre(one, 'BGPPeer/tor', 'Pod/default/a', 'Pod/default/b');
    expect(one.problems).toEqual([]);
  });

  test('a thousand files at once become few batches', async () => {
    const one = await synced();
    await Promise.all(Array.from({ length: 1000 }, (_, n) => write(`pod-${n}.yaml`, pod(`pod-${n}`))));
    await eventually(() => expect(one.keys()).toHaveLength(1000), { within: 25_000 });
    expect(one.batches.length).toBeLessThan(50);
  });

  test('a directory that appears later is a problem until then', async () => {
    store = openDirStore(join(root, 'later'), { clock: realClock });
    const one = follow(store, allKinds);
    follower = one;
    await eventually(() => expect(one.problems).toHaveLength(1), soon);
    expect(problemsOf(one)[0]).toBe(
      `${join(root, 'later')}: is not a directory that exists, so there are no resources to read. Create it, or name another in --datastore dir:PATH.`,
    );
    expect(one.inSync).toBe(false);
    await write('later/a.yaml', pod('a'));
    await keysAre(one, 'Pod/default/a');
    expect(one.inSync).toBe(true);
    expect(one.problems).toEqual([]);
  });
});

describe('without events', () => {
  test('the periodic look finds a change behind a link, in a folder nobody watches', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'tortie-elsewhere-'));
    await writeFile(join(elsewhere, 'a.yaml'), pod('a', '10.1.0.2'));
    await symlink(join(elsewhere, 'a.yaml'), join(root, 'a.yaml'));
    // Timers run fifty times faster here, so the seconds between two looks pass quickly.
    const hurried: Clock = {
      now: realClock.now,
      after: (after, run) => realClock.after(millis(after / 50), run),
    };
    store = openDirStore(root, { clock: hurried });
    const one = await synced();
    await writeFile(join(elsewhere, 'a.yaml'), pod('a', '10.1.0.3'));
    await eventually(
      () => expect(one.get('Pod/default/a')).toMatchObject({ ips: [parseAddress('10.1.0.3')] }),
      soon,
    );
    await rm(elsewhere, { recursive: true });
  });

  test('a folder the system refuses to watch is named, one that was replaced is watched anew', async () => {
    const log: string[] = [];
    const refusing = new DirectoryWatchers(
      root,
      () => undefined,
      (path) => log.push(path),
    );
    expect(refusing.follow([{ path: 'not there', identity: '1:1' }])).toBe(false);
    expect(log).toEqual([join(root, 'not there')]);
    expect(refusing.follow([{ path: '', identity: '1:2' }])).toBe(true);
    expect(refusing.follow([{ path: '', identity: '1:2' }])).toBe(false);
    expect(refusing.follow([{ path: '', identity: '1:3' }])).toBe(true);
    refusing.close();
  });
});

describe('what is wrong', () => {
  test('a field is reported with file, line, document, object and field, while the rest applies', async () => {
    await write(
      'cluster.yaml',
      [
        pod('a').trimEnd(),
        '---',
        'apiVersion: projectcalico.org/v3',
        'kind: BGPPeer',
        'metadata:',
        '  name: tor',
        'spec:',
        '  peerIP: 10.0.0.300',
        '  asNumbr: 64513',
        '---',
        pod('b'),
      ].join('\n'),
    );
    const one = await synced();
    expect(one.keys()).toEqual(['Pod/default/a', 'Pod/default/b']);
    const first = pod('a').trimEnd().split('\n').length + 1;
    expect(problemsOf(one)).toEqual([
      expect.stringMatching(
        `^cluster.yaml:${first + 6} \\(document 2\\) BGPPeer/tor spec.peerIP: must be an IP address, but is the text "10.0.0.300"`,
      ),
      `cluster.yaml:${first + 7} (document 2) BGPPeer/tor spec.asNumbr: is not a field of this object. Did you mean asNumber?`,
    ]);
  });

  test('a flaw inside a List has the line of its item', async () => {
    await write(
      'l.yaml',
      'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: 5\n',
    );
    const one = await synced();
    expect(problemsOf(one)[0]).toMatch(/^l\.yaml:7 metadata\.name: must be a text, but is 5\./);
  });

  test('a syntax error is reported with its line, and the other documents apply', async () => {
    await write('a.yaml', `${pod('a')}---\nkind: [Pod\n---\n${pod('b')}`);
    const one = await synced();
    expect(one.keys()).toEqual(['Pod/default/a', 'Pod/default/b']);
    expect(problemsOf(one)).toHaveLength(1);
    expect(problemsOf(one)[0]).toMatch(/^a\.yaml:1[0-9] \(document 2\): is not YAML: .* Correct the text\.$/);
  });

  test('a file that stops being YAML keeps what it gave, also through a restart of the writer, until it is mended', async () => {
    await write('a.yaml', `${pod('a')}---\n${pod('b')}`);
    const one = await synced();
    await write('a.yaml', `${pod('a')}---\n${pod('b')}\nmore: [`);
    await eventually(() => expect(one.problems).toHaveLength(1), soon);
    expect(one.keys()).toEqual(['Pod/default/a', 'Pod/default/b']);
    await write('a.yaml', pod('a'));
    await keysAre(one, 'Pod/default/a');
    expect(one.problems).toEqual([]);
  });

  test('a document with the same key twice is refused, since the writer cannot have meant both', async () => {
    await write('a.yaml', 'apiVersion: v1\nkind: Namespace\nkind: Pod\nmetadata: {name: a}\n');
    const one = await synced();
    expect(problemsOf(one)[0]).toMatch(/^a\.yaml:\d: is not YAML: Map keys must be unique\./);
  });

  test('the same object in two files is reported with both, and the first by path counts, whichever came first', async () => {
    await write('b.yaml', pod('a', '10.1.0.2'));
    const one = await synced();
    await write('a.yaml', pod('a', '10.1.0.9'));
    await eventually(
      () => expect(one.get('Pod/default/a')).toMatchObject({ ips: [parseAddress('10.1.0.9')] }),
      soon,
    );
    expect(problemsOf(one)).toEqual([
      'b.yaml:1 Pod/default/a: is also in a.yaml:1, which is the one that counts. Remove one of the two.',
    ]);
    await rm(join(root, 'a.yaml'));
    await eventually(
      () => expect(one.get('Pod/default/a')).toMatchObject({ ips: [parseAddress('10.1.0.2')] }),
      soon,
    );
    expect(one.problems).toEqual([]);
  });

  test('a kind Tortie does not read is reported', async () => {
    await write('a.yaml', 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n');
    const one = await synced();
    expect(problemsOf(one)[0]).toMatch(
      /^a\.yaml:2 kind: "Deployment" of apps\/v1 is not a kind Tortie reads\. Remove this object/,
    );
  });

  test('text that is no manifest at all is reported, not fatal', async () => {
    await write('words.yaml', 'just some words\n');
    await write('list.yaml', '- a\n- b\n');
    await write('bytes.yaml', '\u0000\u0001{{{');
    await write(
      'bomb.yaml',
      `a: &a [1]\nb: &b [${'*a,'.repeat(9)}]\nc: &c [${'*b,'.repeat(99)}]\nd: [${'*c,'.repeat(99)}]\n`,
    );
    await write('good.yaml', pod('a'));
    const one = await synced();
    expect(one.keys()).toEqual(['Pod/default/a']);
    expect(new Set(one.problems.map(({ where }) => where.split(':')[0]))).toEqual(
      new Set(['words.yaml', 'list.yaml', 'bytes.yaml', 'bomb.yaml']),
    );
  });
});

describe('symbolic links', () => {
  test('the way Kubernetes mounts a ConfigMap works, and so does its swap', async () => {
    await write('..2024_1/a.yaml', pod('a', '10.1.0.2'));
    await symlink('..2024_1', join(root, '..data'));
    await symlink('..data/a.yaml', join(root, 'a.yaml'));
    const one = await synced();
    expect(one.keys()).toEqual(['Pod/default/a']);
    await write('..2024_2/a.yaml', pod('a', '10.1.0.3'));
    await symlink('..2024_2', join(root, '..data_tmp'));
    await rename(join(root, '..data_tmp'), join(root, '..data'));
    await eventually(
      () => expect(one.get('Pod/default/a')).toMatchObject({ ips: [parseAddress('10.1.0.3')] }),
      soon,
    );
  });

  test('a link to a folder is followed, one that leads round in a circle or nowhere does no harm', async () => {
    await write('real/a.yaml', pod('a'));
    await symlink('..', join(root, 'real/up'));
    await symlink('nowhere', join(root, 'dangling.yaml'));
    await symlink('loop.yaml', join(root, 'loop.yaml'));
    const elsewhere = await mkdtemp(join(tmpdir(), 'tortie-elsewhere-'));
    await writeFile(join(elsewhere, 'b.yaml'), pod('b'));
    await symlink(elsewhere, join(root, 'linked'));
    const one = await synced();
    expect(one.keys()).toEqual(['Pod/default/a', 'Pod/default/b']);
    await rm(elsewhere, { recursive: true });
  });
});

describe('status', () => {
  const ref = { kind: 'Pod', namespace: 'default', name: 'a' } as const;

  test('it is a document of its own, named by kind, namespace and name, and leaves no drafts', async () => {
    await write('a.yaml', pod('a'));
    await store.putStatus(ref, { phase: 'Running', podIPs: [{ ip: '10.1.0.2' }] });
    const path = join(root, '.status/Pod/default/a.yaml');
    expect(parse(await readFile(path, 'utf8'))).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'a', namespace: 'default' },
      status: { phase: 'Running', podIPs: [{ ip: '10.1.0.2' }] },
    });
    expect(await readdir(dirname(path))).toEqual(['a.yaml']);
    await write('n.yaml', 'apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n');
    await store.putStatus({ kind: 'Node', name: 'n1' }, { addresses: [] });
    expect(await readdir(join(root, '.status/Node/_'))).toEqual(['n1.yaml']);
  });

  test('it is laid over the status in the manifest, field by field', async () => {
    await write('a.yaml', pod('a', '10.1.0.2'));
    await store.putStatus(ref, { phase: 'Failed' });
    const one = await synced();
    expect(one.get('Pod/default/a')).toMatchObject({ finished: true, ips: [parseAddress('10.1.0.2')] });
  });

  test('that of an object which vanished is ignored and stays', async () => {
    await write('.status/Pod/default/gone.yaml', `${pod('gone', '10.1.0.2')}`);
    const one = await synced();
    expect(one.keys()).toEqual([]);
    expect(one.problems).toEqual([]);
    expect(await readdir(join(root, '.status/Pod/default'))).toEqual(['gone.yaml']);
  });

  test('that cannot be read is a problem of its file, and the object stays as it was', async () => {
    await write('a.yaml', pod('a'));
    await write('.status/Pod/default/a.yaml', pod('a', '10.1.0.2'));
    const one = await synced();
    await write('.status/Pod/default/a.yaml', pod('a', '10.1.0.999'));
    await eventually(() => expect(one.problems).toHaveLength(1), soon);
    expect(problemsOf(one)[0]).toMatch(
      /^\.status\/Pod\/default\/a\.yaml Pod\/a status\.podIPs\[0\]\.ip: must be/,
    );
    expect(one.get('Pod/default/a')).toMatchObject({ ips: [parseAddress('10.1.0.2')] });
    await write('.status/Pod/default/a.yaml', 'status: [');
    await eventually(() => expect(problemsOf(one)[1]).toMatch(/a\.yaml:1: is not YAML/), soon);
    expect(one.get('Pod/default/a')).toMatchObject({ ips: [parseAddress('10.1.0.2')] });
  });

  test('many written at once, to one object and to others, all arrive', async () => {
    await Promise.all(Array.from({ length: 20 }, (_, n) => write(`${n}.yaml`, pod(`p${n}`))));
    await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        store.putStatus(
          { kind: 'Pod', namespace: 'default', name: `p${n % 20}` },
          n < 20 ? { podIP: `10.1.0.${n + 1}` } : { phase: 'Failed' },
        ),
      ),
    );
    const one = await synced();
    for (let n = 0; n < 20; n++)
      expect(one.get(`Pod/default/p${n}`)).toMatchObject({
        finished: true,
        ips: [parseAddress(`10.1.0.${n + 1}`)],
      });
  });

  test('a failing disk is answered with a sentence', async () => {
    await write('a.yaml', pod('a'));
    await writeFile(join(root, '.status'), 'in the way');
    await expect(store.putStatus(ref, { phase: 'Running' })).rejects.toThrow(
      /^the status of Pod\/default\/a could not be written below .*\.$/,
    );
  });
});
