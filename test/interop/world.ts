/**
 * Our node and somebody else's speaker on one subnet, and neighbours made of a socket where a cell needs a third:
 *
 *     node1: tortie bgp, 172.30.0.11 ── br0 ── tor: the foreign speaker, 172.30.0.1
 *                                        └──── third1, third2: 172.30.0.101 and .102
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { eventually } from '../support/eventually.ts';
import {
  bgpConfiguration,
  bgpPeer,
  createRack,
  isUp,
  nodeManifest,
  type Rack,
  type RackNode,
} from '../support/rack.ts';
import { dialRaw, keepaliveHex, openHex, type RawPeer } from '../support/raw-peer.ts';
import { updateHex } from '../support/wire.ts';
import { startBird } from './bird.ts';
import { startExabgp } from './exabgp.ts';
import { type Eyes, from, watchTcp } from './eyes.ts';
import type {
  Announced,
  DaemonName,
  Foreign,
  Learned,
  NeighbourWish,
  StartForeign,
  Wish,
} from './foreign.ts';
import { startFrr } from './frr.ts';
import { startGobgp } from './gobgp.ts';
import { startOpenbgpd } from './openbgpd.ts';

const starters: Readonly<Record<DaemonName, StartForeign>> = {
  bird: startBird,
  frr: startFrr,
  gobgp: startGobgp,
  openbgpd: startOpenbgpd,
  exabgp: startExabgp,
};

export const ownAsn = 64512;
export const foreignAsn = 65000;
export const addresses = {
  node: { 4: '172.30.0.11', 6: 'fd00:30::11' },
  foreign: { 4: '172.30.0.1', 6: 'fd00:30::1' },
} as const;
/** What our node announces. */
export const ownPrefix = { 4: '10.244.1.0/24', 6: 'fd00:244:1::/64' } as const;

/** A machine of CI is slow. */
export const soon = 60_000;

export interface Scene {
  /** Address family of the session; IPv4 by default. */
  readonly over?: 4 | 6;
  readonly isInternal?: true;
  /** Both by default. */
  readonly dials?: 'we' | 'they';
  readonly families?: readonly (4 | 6)[];
  /** More of the foreign speaker's side of the session with us. */
  readonly theirs?: Partial<NeighbourWish>;
  /** More of our BGPPeer.spec. */
  readonly ours?: object;
  readonly filter?: object;
  readonly configuration?: object;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly announces?: readonly Announced[];
  /** Our node has no IPv4 address to name as a next hop. */
  readonly withoutIpv4?: true;
  /** More neighbours of the foreign speaker. */
  readonly others?: readonly NeighbourWish[];
  readonly manifests?: readonly { kind: string; metadata: { name: string } }[];
}

export interface World {
  readonly rack: Rack;
  readonly node: RackNode;
  readonly foreign: Foreign;
  /** Of the session: ours and theirs. */
  readonly us: string;
  readonly them: string;
  /** What reached the foreign speaker's host, and ours. */
  readonly sent: Eyes;
  readonly received: Eyes;
  /** Both ends say the session is up. */
  up(): Promise<void>;
  /** What the foreign speaker learned of a prefix from anybody, once `check` holds. */
  learns(prefix: string, check: (paths: readonly Learned[]) => void): Promise<void>;
  /** What our node received of a prefix from it, once `check` holds. */
  hears(prefix: string, check: (routes: readonly object[]) => void): Promise<void>;
  /** Changes our BGPPeer. */
  change(spec: object): void;
  close(): Promise<void>;
}

const accepting = {
  importV4: [{ action: 'Accept' }],
  importV6: [{ action: 'Accept' }],
  exportV4: [{ action: 'Accept' }],
  exportV6: [{ action: 'Accept' }],
};

let count = 0;

export async function createWorld(daemon: DaemonName, scene: Scene): Promise<World> {
  count += 1;
  const rack = createRack(`i${daemon.slice(0, 3)}${count}`, 1);
  const { over = 4, isInternal, dials } = scene;
  const us = addresses.node[over];
  const them = addresses.foreign[over];
  const node = rack.node(1);
  const asn = isInternal ? ownAsn : foreignAsn;
  const wish: Wish = {
    asn,
    own: { v4: addresses.foreign[4], v6: addresses.foreign[6] },
    neighbours: [
      {
        address: us,
        asn: ownAsn,
        families: scene.families ?? [over],
        ...(dials === 'we' && { isPassive: true }),
        ...scene.theirs,
      },
      ...(scene.others ?? []),
    ],
    announces: scene.announces ?? [],
  };
  const spec = (more: object): { kind: string; metadata: { name: string } } =>
    bgpPeer('foreign', them, asn, {
      filters: ['cell'],
      ...(dials && { connectMode: dials === 'we' ? 'Active' : 'Passive' }),
      ...scene.ours,
      ...more,
    });
  const manifest = (
    scene.withoutIpv4 ? nodeManifest(node.name, [addresses.node[6]], node.cidrs) : node.manifest
  ) as { kind: string; metadata: { name: string } };
  rack.put(
    {
      ...manifest,
      metadata: { ...manifest.metadata, ...(scene.annotations && { annotations: scene.annotations }) },
    } as typeof manifest,
    bgpConfiguration({ nodeToNodeMeshEnabled: false, ...scene.configuration }),
    {
      apiVersion: 'projectcalico.org/v3',
      kind: 'BGPFilter',
      metadata: { name: 'cell' },
      spec: scene.filter ?? accepting,
    } as never,
    spec({}),
    ...((scene.manifests ?? []) as never[]),
  );
  const sent = watchTcp(rack.ground.netns('tor'), join(rack.directory, 'sent.pcap'));
  const received = watchTcp(rack.ground.netns('node1'), join(rack.directory, 'received.pcap'));
  const directory = join(rack.directory, 'foreign');
  mkdirSync(directory);
  const close = async (): Promise<void> => {
    sent.close();
    received.close();
    await rack.close();
  };
  try {
    const foreign = await starters[daemon](
      {
        directory,
        start: (argv, env) => rack.ground.start('tor', argv, env === undefined ? {} : { env }),
        exec: (command) => rack.ground.exec('tor', command),
      },
      wish,
    );
    await node.start('--namespace', 'tortie');
    return {
      rack,
      node,
      foreign,
      us,
      them,
      sent,
      received,
      up: async () => {
        await node.peer(them, isUp, soon).catch((error) => {
          throw new Error(`${error}\n${node.log()}\n${foreign.output()}`);
        });
        await eventually(
          async () => {
            if (!(await foreign.isUp(us))) throw new Error(await foreign.says(us));
          },
          { within: soon },
        );
      },
      learns: (prefix, check) =>
        eventually(
          async () => {
            const paths = await foreign.learned(prefix);
            try {
              check(paths);
            } catch (error) {
              throw new Error(`${error}\n${JSON.stringify(paths)}\n${node.log()}`);
            }
          },
          { within: soon },
        ),
      hears: (prefix, check) =>
        eventually(
          async () => {
            const routes = (await node.routes(`?received=${them}`)).filter((one) => one.prefix === prefix);
            try {
              check(routes);
            } catch (error) {
              throw new Error(`${error}\n${JSON.stringify(routes)}\n${node.log()}`);
            }
          },
          { within: soon },
        ),
      change: (more) => rack.put(spec(more) as never),
      close: async () => {
        await node.stop();
        try {
          wellFormed(sent, us, scene.theirs?.extendedMessages === true);
        } finally {
          await close();
        }
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** tshark finds nothing to say of what we sent. @param isLong  but that messages are longer than RFC 4271 allows: 4.0 does not know RFC 8654 */
function wellFormed(sent: Eyes, us: string, isLong: boolean): void {
  const unless = isLong ? ' && !bgp.length.invalid' : '';
  const faults = `bgp && ${from(us)} && (_ws.malformed || _ws.expert.severity >= "Warning")${unless}`;
  expect(sent.read(faults)).toEqual([]);
}

export const ipv4Hex = (text: string): string =>
  text
    .split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join('');
export const u32Hex = (value: number): string => value.toString(16).padStart(8, '0');

export interface Third {
  readonly address: string;
  readonly asn: number;
  readonly number: number;
}

export const thirds: readonly [Third, Third] = [
  { address: '172.30.0.101', asn: 65101, number: 101 },
  { address: '172.30.0.102', asn: 65102, number: 102 },
];

/**
 * A third speaker dials `to` from its own host, and announces 198.51.100.0/24 with its own AS in front and a second one
 * behind it, so that paths differ; inside one AS without.
 */
export async function thirdAnnounces(
  rack: Rack,
  { address, asn, number }: Third,
  to: string,
  isInternal = false,
): Promise<RawPeer> {
  const host = `third${number}`;
  rack.host(host, number);
  const own = isInternal ? ownAsn : asn;
  const peer = await eventually(
    async () => {
      const one = await dialRaw(`/run/netns/${rack.ground.netns(host)}`, address, to);
      one.say(openHex({ asn: u32Hex(own), id: ipv4Hex(address) }));
      try {
        await one.hears(1);
      } catch (error) {
        one.hangUp();
        throw error;
      }
      return one;
    },
    { within: soon },
  );
  peer.say(keepaliveHex);
  await peer.hears(4);
  const path = isInternal ? '400200' : `40020a0202${u32Hex(own)}${u32Hex(number)}`;
  const localPref = isInternal ? '40050400000064' : '';
  peer.say(
    updateHex({
      attributes: `40010100 ${path} 400304${ipv4Hex(address)} ${localPref}`,
      nlri: '18c63364',
    }),
  );
  return peer;
}
