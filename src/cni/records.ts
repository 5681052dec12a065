/**
 * What the node agent has given to containers, on disk: one JSON file for each attachment, named after its host interface.
 *
 * A file is written to a temporary name and renamed, so whenever the process dies each file is whole, old or new. It is not
 * synced: what a power failure takes along is of interfaces that it took along too, and a file that it emptied is dropped.
 * A file that cannot be read is set aside as NAME.broken and reported; the CNI server then rebuilds the attachment from
 * what the kernel still has. Owner of the files: the one node agent of the node.
 */
import { rmSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Address,
  formatAddress,
  formatPrefix,
  type Prefix,
  parseAddress,
  parsePrefix,
} from '../lib/net.ts';
import type { Problem } from '../model/problem.ts';
import { isRecord } from './config.ts';
import { writeWhole, writeWholeNow } from './whole.ts';

export interface AttachmentRecord {
  /** Empty if rebuilt from the kernel: then nobody knows it any more. */
  readonly containerId: string;
  readonly ifname: string;
  /** Path; empty if rebuilt from the kernel. */
  readonly netns: string;
  readonly namespace: string;
  readonly pod: string;
  /** Name of the host end. */
  readonly interface: string;
  readonly addresses: readonly Address[];
  /** Of the pod's end; empty if rebuilt from the kernel. */
  readonly mac: string;
  readonly mtu: number;
  /** Name of the network configuration; empty if it is not known. */
  readonly network: string;
  /** Another plugin made the interface and gave the addresses: only its policy is ours. */
  readonly isForeign: boolean;
}

interface Loaded {
  readonly records: readonly AttachmentRecord[];
  /** Where the round through each CIDR stood. */
  readonly lastGiven: ReadonlyMap<Prefix, Address>;
  readonly problems: readonly Problem[];
}

export interface Records {
  /** Reads everything. Call once, first. Rejects if the directory cannot be used at all. */
  load(): Promise<Loaded>;
  /** A later life of the process reads it. Replaces the record of the same interface. */
  put(record: AttachmentRecord): Promise<void>;
  remove(hostInterface: string): Promise<void>;
  putLastGiven(lastGiven: ReadonlyMap<Prefix, Address>): Promise<void>;
}

const cursorName = 'last-given';

/** @param stateDir  e.g. /var/lib/tortie; files are under its `cni` */
export function openRecords(stateDir: string): Records {
  const directory = join(stateDir, 'cni');
  const pathOf = (name: string): string => join(directory, `${name}.json`);
  return {
    load: async () => {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      return loadAll(directory);
    },
    put: async (record) => writeWholeNow(pathOf(record.interface), toJson(record)),
    remove: async (hostInterface) => rmSync(pathOf(hostInterface), { force: true }),
    putLastGiven: (lastGiven) => {
      const pairs = [...lastGiven].map(([cidr, address]) => [formatPrefix(cidr), formatAddress(address)]);
      const text = `${JSON.stringify(Object.fromEntries(pairs), undefined, 2)}\n`;
      return writeWhole(pathOf(cursorName), text, { isSynced: false });
    },
  };
}

const toJson = (record: AttachmentRecord): string =>
  `${JSON.stringify({ ...record, addresses: record.addresses.map(formatAddress) }, undefined, 2)}\n`;

async function loadAll(directory: string): Promise<Loaded> {
  const records: AttachmentRecord[] = [];
  const problems: Problem[] = [];
  let lastGiven: ReadonlyMap<Prefix, Address> = new Map();
  for (const name of (await readdir(directory)).sort()) {
    const path = join(directory, name);
    if (name.endsWith('.tmp')) await rm(path, { force: true }); // of a write that was cut off
    if (!name.endsWith('.json')) continue;
    const text = await readFile(path, 'utf8');
    if (text === '') {
      await rm(path, { force: true });
      continue;
    }
    const value = parseJson(text);
    if (name === `${cursorName}.json`) {
      lastGiven = parseCursor(value);
      continue;
    }
    const record = parseRecord(value);
    if (record !== undefined && `${record.interface}.json` === name) records.push(record);
    else problems.push(await setAside(path));
  }
  return { records, lastGiven, problems };
}

async function setAside(path: string): Promise<Problem> {
  await rename(path, `${path}.broken`);
  return {
    where: path,
    what: 'The record of a pod interface cannot be read; it is kept as .broken and rebuilt from what the kernel has.',
    fix: 'Nothing to do if the pod still has its network; else delete the pod so that it is made anew. Check the disk.',
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parseRecord(value: unknown): AttachmentRecord | undefined {
  if (!isRecord(value)) return undefined;
  const { containerId, ifname, netns, namespace, pod, interface: hostInterface, mac } = value;
  // Records of Tortie 0.1 have neither of the last two.
  const { addresses, mtu, network = '', isForeign = false } = value;
  if (
    typeof containerId !== 'string' ||
    typeof ifname !== 'string' ||
    typeof netns !== 'string' ||
    typeof namespace !== 'string' ||
    typeof pod !== 'string' ||
    typeof hostInterface !== 'string' ||
    typeof mac !== 'string' ||
    typeof mtu !== 'number' ||
    typeof network !== 'string' ||
    typeof isForeign !== 'boolean' ||
    !Array.isArray(addresses)
  ) {
    return undefined;
  }
  const parsed = addresses.flatMap((text: unknown) => {
    const address = typeof text === 'string' ? parseAddress(text) : undefined;
    return address === undefined ? [] : [address];
  });
  if (parsed.length !== addresses.length) return undefined;
  return {
    containerId,
    ifname,
    netns,
    namespace,
    pod,
    interface: hostInterface,
    addresses: parsed,
    mac,
    mtu,
    network,
    isForeign,
  };
}

/** Worth nothing if damaged: then the round begins anew. */
function parseCursor(value: unknown): ReadonlyMap<Prefix, Address> {
  const lastGiven = new Map<Prefix, Address>();
  for (const [cidrText, addressText] of Object.entries(isRecord(value) ? value : {})) {
    const cidr = parsePrefix(cidrText);
    const address = typeof addressText === 'string' ? parseAddress(addressText) : undefined;
    if (cidr !== undefined && address !== undefined) lastGiven.set(cidr, address);
  }
  return lastGiven;
}
