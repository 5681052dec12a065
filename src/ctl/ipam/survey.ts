/** Everything IPAM is about, read once with the rights of the one who asks. */

import type { Settings } from '../../ledger/ledger.ts';
import type { Prefix } from '../../lib/net.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { type BlockAffinity, defaultIpamSettings, type IpamBlock } from '../../model/ipam.ts';
import { type IpPool, type Kind, keyOf, type Node, type Pod, type Resource } from '../../model/resource.ts';
import type { Service } from '../../model/service.ts';
import { identify } from '../../store/dir/documents.ts';
import type { Objects } from '../../store/objects.ts';
import { formatPath } from '../../store/schema/flaw.ts';
import { readManifest } from '../../store/schema/manifest.ts';
import { openWriter } from '../cluster/writer.ts';
import type { Global } from '../command.ts';
import { complain, type Failure } from '../output.ts';

export interface Survey {
  readonly pools: readonly IpPool[];
  readonly blocks: readonly IpamBlock[];
  readonly affinities: readonly BlockAffinity[];
  readonly reserved: readonly Prefix[];
  readonly settings: Settings;
  readonly nodes: readonly Node[];
  readonly pods: readonly Pod[];
  readonly services: readonly Service[];
  /** Objects that cannot be read; sentences. */
  readonly unreadable: readonly string[];
}

const kinds = [
  'IPPool',
  'IPAMBlock',
  'BlockAffinity',
  'IPReservation',
  'IPAMConfiguration',
  'Node',
  'Pod',
  'Service',
] as const satisfies readonly Kind[];

/** @param lacking  kinds that are not needed */
export async function survey(
  objects: Objects,
  lacking: readonly Kind[] = [],
): Promise<Result<Survey, Failure>> {
  const found: Resource[] = [];
  const unreadable: string[] = [];
  for (const kind of kinds.filter((one) => !lacking.includes(one))) {
    const listed = await objects.list(kind);
    if (!listed.ok) return err({ code: 2, sentence: listed.error.what });
    for (const { manifest } of listed.value) {
      const read = readManifest(manifest);
      if (read.ok) found.push(read.value);
      else {
        const ref = identify(manifest);
        const flaws = read.error.map(({ path, what }) => `${formatPath(path)} ${what}`).join(' ');
        unreadable.push(`${ref === undefined ? kind : keyOf(ref)} cannot be read: ${flaws}`);
      }
    }
  }
  return ok(sorted(found, unreadable));
}

function sorted(found: readonly Resource[], unreadable: readonly string[]): Survey {
  const all = <K extends Kind>(kind: K): readonly Extract<Resource, { kind: K }>[] => {
    const isOfKind = (one: Resource): one is Extract<Resource, { kind: K }> => one.kind === kind;
    return found.filter(isOfKind);
  };
  return {
    pools: all('IPPool'),
    blocks: all('IPAMBlock'),
    affinities: all('BlockAffinity'),
    reserved: all('IPReservation').flatMap(({ reservedCidrs }) => reservedCidrs),
    settings: all('IPAMConfiguration').find(({ meta }) => meta.name === 'default') ?? defaultIpamSettings,
    nodes: all('Node'),
    pods: all('Pod'),
    services: all('Service'),
    unreadable,
  };
}

/** Opens the cluster for `run`; what goes wrong on the way is said on stderr. */
export async function withObjects(
  options: Global,
  run: (objects: Objects) => Promise<Result<number, Failure>>,
): Promise<number> {
  const objects = await openWriter(options);
  if (!objects.ok) return complain({ code: 2, sentence: objects.error });
  const code = await run(objects.value);
  return code.ok ? code.value : complain(code.error);
}
