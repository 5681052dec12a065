/** What a node looks like before, between and after. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { conflistText, isConfName } from '../../../src/cni/conflist.ts';
import { installConflist, installShim, uninstall } from '../../../src/cni/install.ts';
import { parseCniRequest } from '../../../src/cni/request.ts';
import { binDirBeside, parseChain, setUp } from '../../../src/cni/setup.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tortie-install-'));
});
afterEach(() => rm(root, { recursive: true }));

/** Name, mode and contents of everything in the directory. */
async function look(directory: string): Promise<Readonly<Record<string, string>>> {
  const names = (await readdir(directory)).sort();
  const rows = names.map(async (name) => {
    const path = join(directory, name);
    const { mode } = await stat(path);
    return [name, `${(mode & 0o777).toString(8)} ${await readFile(path, 'base64')}`] as const;
  });
  return Object.fromEntries(await Promise.all(rows));
}

const text = conflistText({ ipam: 'pod-cidrs', chain: ['portmap'], isNewest: false });
const name = '10-tortie.conflist';
const install = (exclusive = false): Promise<unknown> => installConflist(root, name, text, { exclusive });

describe('the configuration list', () => {
  test('is one our own plugin takes, with or without blocks', () => {
    for (const ipam of ['pod-cidrs', 'blocks'] as const) {
      const list = JSON.parse(conflistText({ ipam, mtu: 1400, chain: [], isNewest: true }));
      const stdin = JSON.stringify({ ...list.plugins[0], name: list.name, cniVersion: list.cniVersions[1] });
      const asked = parseCniRequest({ CNI_COMMAND: 'STATUS' }, stdin);
      expect(asked.ok && asked.value.command === 'STATUS' ? asked.value.network : asked).toMatchObject({
        name: 'k8s-pod-network',
        mtu: 1400,
        ...(ipam === 'blocks' ? { ipam: { mode: 'blocks' } } : {}),
      });
    }
  });

  test('offers 1.1.0 only when told that the whole chain speaks it', () => {
    expect(JSON.parse(text).cniVersions).toBeUndefined();
    expect(JSON.parse(text).plugins[1]).toEqual({
      type: 'portmap',
      snat: true,
      capabilities: { portMappings: true },
    });
  });

  test('chains what is there, and refuses a chain that is not', async () => {
    const bin = join(root, 'bin');
    await mkdir(bin);
    const plugin = '#!/bin/sh\necho \'{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}\'\n';
    await writeFile(join(bin, 'bandwidth'), plugin, { mode: 0o755 });
    const options = { binDir: bin, ipam: 'pod-cidrs', confName: name, exclusive: false } as const;
    const found = await setUp({ ...options, confDir: join(root, 'conf') });
    expect(found.ok).toBe(true);
    const list = JSON.parse(await readFile(join(root, 'conf', name), 'utf8'));
    expect(list.plugins.map(({ type }: { readonly type: string }) => type)).toEqual(['tortie', 'bandwidth']);
    expect(list.cniVersions).toEqual(['1.0.0', '1.1.0']);
    expect(await setUp({ ...options, confDir: join(root, 'none'), chain: ['portmap'] })).toEqual({
      ok: false,
      error: `portmap cannot be chained: not in ${bin}. Install the CNI project's plugins there, or leave them out of the chain.`,
    });
    expect(await readdir(root)).not.toContain('none');
  });

  test('is looked for plugins beside where it is', () => {
    expect(binDirBeside('/host/etc/cni/net.d')).toBe('/host/opt/cni/bin');
    expect(binDirBeside('/run/conf')).toBe('/opt/cni/bin');
    expect(parseChain('portmap,dhcp')).toEqual({
      ok: false,
      error: 'A chain is made of portmap and bandwidth, "auto" or "none"; not of "dhcp".',
    });
  });
});

describe('an install', () => {
  beforeEach(async () => {
    await writeFile(join(root, '20-other.conflist'), 'other\n', { mode: 0o600 });
    await writeFile(join(root, '05-first.conf'), 'first\n');
    await writeFile(join(root, 'readme'), 'not a configuration\n');
  });

  test('leaves the files of others, says which come before ours, and can be taken back', async () => {
    const before = await look(root);
    expect(await install()).toEqual({ path: join(root, name), before: ['05-first.conf'] });
    const between = await look(root);
    expect(Object.keys(between)).toEqual(expect.arrayContaining([...Object.keys(before), name]));
    expect(Object.keys(between).filter(isConfName)).toEqual(['05-first.conf', name, '20-other.conflist']);
    await uninstall(root);
    expect(await look(root)).toEqual(before);
  });

  test('that is exclusive is alone, and the others come back byte by byte', async () => {
    const before = await look(root);
    expect(await install(true)).toMatchObject({ before: [] });
    expect(Object.keys(await look(root)).filter(isConfName)).toEqual([name]);
    await uninstall(root);
    expect(await look(root)).toEqual(before);
  });

  test('twice is as once, and nothing is written the second time', async () => {
    const before = await look(root);
    await install(true);
    const once = await look(root);
    const { mtimeMs } = await stat(join(root, name));
    await install(true);
    expect(await look(root)).toEqual(once);
    expect((await stat(join(root, name))).mtimeMs).toBe(mtimeMs);
    await uninstall(root);
    expect(await look(root)).toEqual(before);
  });

  test('over a file of the same name keeps that one, whatever happens in between', async () => {
    await writeFile(join(root, name), 'of somebody\n', { mode: 0o640 });
    const before = await look(root);
    await install();
    await installConflist(root, name, `${text}\n`, { exclusive: false });
    expect(await readFile(join(root, name), 'utf8')).toBe(`${text}\n`);
    await uninstall(root);
    expect(await look(root)).toEqual(before);
  });

  test('that was cut off after its note does not lose what it had noted', async () => {
    await writeFile(join(root, name), 'of somebody\n');
    const before = await look(root);
    const note = { name, saved: [name, '20-other.conflist'], others: [], made: [] };
    await writeFile(join(root, '.tortie-note'), JSON.stringify(note));
    await install(true);
    expect(Object.keys(await look(root)).filter(isConfName)).toEqual([name]);
    await uninstall(root);
    expect(await look(root)).toEqual(before);
  });

  test('under a new name takes the old one away', async () => {
    const before = await look(root);
    await install();
    await installConflist(root, '00-tortie.conflist', text, { exclusive: false });
    expect(Object.keys(await look(root))).not.toContain(name);
    await uninstall(root);
    expect(await look(root)).toEqual(before);
  });

  test('makes directories that are not there, and an uninstall takes them away again', async () => {
    const deep = join(root, 'etc', 'cni', 'net.d');
    await installConflist(deep, name, text, { exclusive: true });
    expect((await readdir(deep)).includes(name)).toBe(true);
    await uninstall(deep);
    expect(await readdir(root)).not.toContain('etc');
  });
});

describe('the plugin', () => {
  test('is copied so that it can be run, over an older one, which comes back', async () => {
    await writeFile(join(root, 'tortie'), 'older\n', { mode: 0o755 });
    const before = await look(root);
    const source = join(root, '..', `${root.split('/').at(-1)}-shim`);
    await writeFile(source, '#!/bin/sh\nexit 0\n');
    try {
      await installShim(root, source);
      await installShim(root, source);
      expect((await stat(join(root, 'tortie'))).mode & 0o777).toBe(0o755);
      expect(await readFile(join(root, 'tortie'), 'utf8')).toContain('exit 0');
      await uninstall(root);
      expect(await look(root)).toEqual(before);
      expect(await uninstall(root)).toEqual([]);
    } finally {
      await rm(source);
    }
  });
});
