/**
 * Loaded before a program under test (`node --import`): it watches what the program does to the world, call by call, and kills it
 * with SIGKILL just before one of them, or half-way through what another program is handed.
 *
 * It stands at the lowest place there is: netlink messages at the native addon, programs at `spawn`, files at `node:fs`. What only
 * reads is not counted. Each step is a line in the file DIE_LOG. From the start, or from SIGUSR2 on, the file DIE_AT says before
 * which one it dies: by its number from there on, from 1, or by its name (the first of it, or "nft batch 3"); nothing: never.
 *
 * From then on, too, the rules of the policy whose name is in the file DIE_SPOIL are spoiled, so that kernel or iptables refuse them,
 * but for what stands in the place of a refused chain. To nftables the chain says whose they are, to iptables the comment.
 */
import process from 'node:child_process';
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import self from 'node:process';
import { type Native, native } from '../../src/kernel/native.ts';

const {
  DIE_LOG: log = '',
  DIE_AT: wish = '',
  DIE_SPOIL: spoil = '',
  DIE_FROM_START: isFromStart = '',
  DIE_DISK: disk = '/nowhere',
} = self.env;
const { appendFileSync, existsSync, readFileSync } = fs;

let steps = 0;
let target = '';
let spoiled = '';
const named = new Map<string, number>();

const said = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8').trim() : '');

function arm(): void {
  steps = 0;
  named.clear();
  target = said(wish);
  spoiled = said(spoil);
}

/** True if it is to die here; that is in the log then. */
function isDue(name: string): boolean {
  steps += 1;
  const times = (named.get(name) ?? 0) + 1;
  named.set(name, times);
  const due = [String(steps), name, `${name} ${times}`].includes(target);
  appendFileSync(log, `${due ? '† ' : ''}${name}\n`);
  return due;
}

function die(): void {
  self.kill(self.pid, 'SIGKILL');
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
}

const step = (name: string): void => {
  if (isDue(name)) die();
};

const AF_NETLINK = 16;
const ROUTE = 0;
const NETFILTER = 12;
/** By message type, four kinds a row: new, del, get, set. */
const routeObjects = ['link', 'address', 'route', 'neighbour', 'rule', 'qdisc', 'class', 'filter'];
const routeVerbs = ['new', 'delete', undefined, 'set'];
const BATCH_BEGIN = 0x10;
const ctVerbs: Readonly<Record<number, string>> = { 256: 'new', 258: 'delete' };
const protocols = new Map<number, number>();

/** Of the first message; undefined: it only asks. */
function nameOf(protocol: number | undefined, bytes: Uint8Array): string | undefined {
  if (bytes.byteLength < 16) return undefined;
  const type = new DataView(bytes.buffer, bytes.byteOffset).getUint16(4, true);
  if (protocol === NETFILTER) {
    if (type === BATCH_BEGIN) return 'nft batch';
    return ctVerbs[type] === undefined ? undefined : `conntrack ${ctVerbs[type]}`;
  }
  const object = protocol === ROUTE ? routeObjects[(type - 16) >> 2] : undefined;
  const verb = routeVerbs[type & 3];
  return object === undefined || verb === undefined ? undefined : `${object} ${verb}`;
}

const NEW_RULE = 0x0a06;
const NO_SUCH_TYPE = 0x7f;
const CHAIN = 2;
const standIn = 'refused this chain';

/** Makes of each rule in a spoiled chain a message that the kernel does not know. */
function spoilBatch(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 16 <= bytes.byteLength; ) {
    const length = view.getUint32(at, true);
    const text = Buffer.from(bytes.subarray(at, at + length)).toString('latin1');
    if (view.getUint16(at + 4, true) === NEW_RULE && !text.includes(standIn)) {
      if (chainOf(view, at + 20, at + length).includes(spoiled)) view.setUint8(at + 4, NO_SUCH_TYPE);
    }
    at += Math.max(16, (length + 3) & ~3);
  }
}

function chainOf(view: DataView, from: number, to: number): string {
  for (let at = from; at + 4 <= to; ) {
    const length = view.getUint16(at, true);
    if (view.getUint16(at + 2, true) === CHAIN)
      return Buffer.from(view.buffer, view.byteOffset + at + 4, length - 5).toString('latin1');
    at += Math.max(4, (length + 3) & ~3);
  }
  return '';
}

const isSpoiled = (line: string): boolean =>
  line.startsWith('-A tortie') && line.includes(spoiled) && !line.includes(standIn);

const spoilScript = (script: string): string =>
  script
    .split('\n')
    .map((line) => (isSpoiled(line) ? `${line} --spoiled` : line))
    .join('\n');

const { socket, send, sendElsewhere } = native();
const told = (fd: number, bytes: Uint8Array): void => {
  const name = nameOf(protocols.get(fd), bytes);
  if (name !== undefined) step(name);
  if (name === 'nft batch' && spoiled !== '') spoilBatch(bytes);
};
const hooked: Pick<Native, 'socket' | 'send' | 'sendElsewhere'> = {
  socket: (domain, type, protocol) => {
    const fd = socket(domain, type, protocol);
    protocols.set(fd, domain === AF_NETLINK ? protocol : -1);
    return fd;
  },
  send: (fd, bytes, flags, ...to) => {
    told(fd, bytes);
    return send(fd, bytes, flags, ...to);
  },
  sendElsewhere: (fd, bytes, flags) => {
    told(fd, bytes);
    return sendElsewhere(fd, bytes, flags);
  },
};
Object.assign(native(), hooked);

/** Where a script for a program may break off, by what it would do next: a name, and what it has been told by then. */
function* breaksIn(program: string, script: string): Generator<readonly [name: string, before: string]> {
  const lines = script.split('\n');
  const until = (line: number): string => lines.slice(0, line).join('\n') + (line === 0 ? '' : '\n');
  let begun = 0;
  const isRun = (line: number): boolean =>
    program === 'ipset'
      ? lines[line]?.split(' ')[0] !== lines[line - 1]?.split(' ')[0]
      : lines[line]?.startsWith('*') === true;
  for (const [index, line] of lines.entries()) {
    if (line === '' || !isRun(index)) continue;
    begun = index;
    let end = index + 1;
    while (end < lines.length && lines[end] !== '' && !isRun(end)) end += 1;
    const what = line.replace('*', '').split(' ')[0] ?? '';
    yield [`${program} ${what}`, until(begun)];
    if (end - begun > 2) yield [`${program} ${what} half-way`, until((begun + end) >> 1)];
  }
  yield [`${program} at the end`, script];
}

const writers = /^(ip6?tables)-(?:nft|legacy)-restore$|^(ipset)$|^(nft)$/;
const { spawn } = process;

function watched(program: string, args: readonly string[]): string | undefined {
  const [, restore, sets, nft] = writers.exec(program) ?? [];
  if (sets !== undefined) return args.includes('restore') ? sets : undefined;
  return restore ?? (args.includes('-f') ? nft : undefined);
}

Object.assign(process, {
  spawn: (program: string, args: readonly string[], options: object) => {
    const child = spawn(program, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
    const name = watched(program, args);
    if (name === undefined) return child;
    const end = child.stdin.end.bind(child.stdin);
    Object.assign(child.stdin, {
      end: (written: string) => {
        const script = spoiled === '' || !name.includes('tables') ? written : spoilScript(written);
        for (const [at, before] of breaksIn(name, script)) {
          if (!isDue(at)) continue;
          if (before === '') die();
          child.stdin.write(before, die);
          return child.stdin;
        }
        return end(script);
      },
    });
    return child;
  },
});

const { writeFileSync, renameSync, rmSync } = fs;
const { rm } = promises;
const isOurs = (path: unknown): boolean => String(path).startsWith(disk);
Object.assign(fs, {
  writeFileSync: (path: string, ...rest: [string]) => {
    if (path.startsWith('/proc/sys/')) step(`sysctl ${path.split('/').at(-1)}`);
    if (isOurs(path)) step('record write');
    writeFileSync(path, ...rest);
  },
  renameSync: (from: string, to: string) => {
    if (isOurs(to)) step('record rename');
    renameSync(from, to);
  },
  rmSync: (path: string, ...rest: [object]) => {
    if (isOurs(path)) step('record remove');
    rmSync(path, ...rest);
  },
});
Object.assign(promises, {
  rm: async (path: string, ...rest: [object]) => {
    if (isOurs(path)) step('record remove');
    await rm(path, ...rest);
  },
});
syncBuiltinESMExports();

if (isFromStart !== '') arm();
self.on('SIGUSR2', arm);
