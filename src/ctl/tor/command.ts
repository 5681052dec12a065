/** `tortiectl bgp tor-config`: what a router needs to be told for our sessions with it, ready to paste. */
import { containsAddress, formatAddress, type Prefix, parsePrefix } from '../../lib/net.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import type { Kind, Resource } from '../../model/resource.ts';
import { readManifest } from '../../store/schema/manifest.ts';
import { openWriter } from '../cluster/writer.ts';
import type { Global } from '../command.ts';
import type { TorOptions } from '../options.ts';
import { complain, type Failure } from '../output.ts';
import { bird } from './bird.ts';
import { eos } from './eos.ts';
import { frr } from './frr.ts';
import { junos } from './junos.ts';
import { nxos } from './nxos.ts';
import { type TorInputs, type TorSide, torSides } from './side.ts';

export const vendors = { frr, bird, eos, nxos, junos } as const;

export async function torConfig(options: TorOptions & Global): Promise<number> {
  const inputs = await read(options);
  if (!inputs.ok) return complain(inputs.error);
  const side = pick(torSides(inputs.value), options.peer);
  if (!side.ok) return complain(side.error);
  const ranged = withRange(side.value, options.range);
  if (!ranged.ok) return complain({ code: 2, sentence: ranged.error });
  process.stdout.write(`${vendors[options.vendor](ranged.value).join('\n')}\n`);
  return 0;
}

function pick(sides: readonly TorSide[], peer: string | undefined): Result<TorSide, Failure> {
  const known = sides.map(({ address }) => formatAddress(address)).join(', ');
  if (sides.length === 0)
    return err({ code: 1, sentence: 'No BGPPeer names a router outside the cluster by peerIP.' });
  const found = sides.filter(
    ({ address, groups }) =>
      peer === undefined ||
      formatAddress(address) === peer ||
      groups.some(({ resource }) => resource === peer),
  );
  const [first, second] = found;
  if (first === undefined)
    return err({ code: 1, sentence: `No BGPPeer names the router ${peer}. They name: ${known}.` });
  if (second !== undefined) return err({ code: 2, sentence: `Say which router with --peer: ${known}.` });
  return ok(first);
}

function withRange(side: TorSide, text: string | undefined): Result<TorSide> {
  if (text === undefined) return ok(side);
  const range: Prefix | undefined = parsePrefix(text);
  if (range === undefined) return err(`"${text}" is not a prefix. Write for example 172.30.0.0/24.`);
  if (side.groups.length > 1)
    return err('Several BGPPeers name this router, and a range can be for one only. Leave out --range.');
  const nodes = side.groups.flatMap((group) => group.nodes);
  const outside = nodes.find(({ address }) => !containsAddress(range, address));
  if (outside !== undefined)
    return err(
      `Node/${outside.name} dials from ${formatAddress(outside.address)}, which is not inside ${text}.`,
    );
  const other = nodes.find(({ asn }) => asn !== nodes[0]?.asn);
  if (other !== undefined)
    return err(
      `Node/${other.name} has AS ${other.asn}, others another: a range is for one AS. Leave out --range.`,
    );
  return ok({ ...side, range });
}

const kinds = ['Node', 'BGPPeer', 'BGPConfiguration', 'IPPool'] as const satisfies readonly Kind[];

/** What cannot be read is as good as absent to the speakers too: `tortiectl validate` says so. */
async function read(options: Global): Promise<Result<TorInputs, Failure>> {
  const objects = await openWriter(options);
  if (!objects.ok) return err({ code: 2, sentence: objects.error });
  const found: Resource[] = [];
  for (const kind of kinds) {
    const listed = await objects.value.list(kind);
    if (!listed.ok) return err({ code: 2, sentence: listed.error.what });
    for (const { manifest } of listed.value) {
      const one = readManifest(manifest);
      if (one.ok) found.push(one.value);
      else
        process.stderr.write(
          `tortiectl: a ${kind} cannot be read and is left out; "tortiectl validate" says why.\n`,
        );
    }
  }
  return ok({
    nodes: found.filter((one) => one.kind === 'Node'),
    peers: found.filter((one) => one.kind === 'BGPPeer'),
    configurations: found.filter((one) => one.kind === 'BGPConfiguration'),
    pools: found.filter((one) => one.kind === 'IPPool'),
  });
}
