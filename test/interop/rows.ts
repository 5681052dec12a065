/**
 * The rows of the interop table: what is tried with each foreign speaker. A cell is `run`, or the reason in `cannot` for
 * which there is nothing to try.
 */
import { expect } from 'vitest';
import { askSocket } from '../../src/host/socket.ts';
import type { PeerDetail } from '../../src/model/status.ts';
import { eventually } from '../support/eventually.ts';
import { bgpPeer } from '../support/rack.ts';
import { updateHex } from '../support/wire.ts';
import { from } from './eyes.ts';
import type { Announced, DaemonName, Learned } from './foreign.ts';
import {
  addresses,
  createWorld,
  foreignAsn,
  ipv4Hex,
  ownAsn,
  ownPrefix,
  type Scene,
  soon,
  type Third,
  thirdAnnounces,
  thirds,
  u32Hex,
  type World,
} from './world.ts';

export interface Row {
  /** As the table says it. */
  readonly title: string;
  /** The RFC, as the table says it. */
  readonly rfc: string;
  readonly cannot?: Partial<Readonly<Record<DaemonName, string>>>;
  run(daemon: DaemonName): Promise<void>;
}

const theirPrefix = { 4: '10.244.9.0/24', 6: 'fd00:244:9::/64' } as const;
const thirdPrefix = '198.51.100.0/24';

async function within(daemon: DaemonName, scene: Scene, act: (world: World) => Promise<void>): Promise<void> {
  const world = await createWorld(daemon, scene);
  let isFine = false;
  try {
    await act(world);
    isFine = true;
  } finally {
    // What went wrong first is what is said.
    await world.close().catch((error) => {
      if (isFine) throw error;
    });
  }
}

const session = (over: 4 | 6, dials: 'we' | 'they'): Row => ({
  title: `IPv${over} session, ${dials === 'we' ? 'we dial' : 'they dial'}`,
  rfc: 'RFC 4271',
  run: (daemon) => within(daemon, { over, dials }, (world) => world.up()),
});

const marks = {
  importV4: [{ action: 'Accept' }],
  importV6: [{ action: 'Accept' }],
  ...Object.fromEntries(
    ['exportV4', 'exportV6'].map((list) => [
      list,
      [
        {
          action: 'Accept',
          operations: [
            { addCommunity: { value: '64512:100' } },
            { addCommunity: { value: '64512:1:100' } },
            { setMED: { value: 77 } },
            { prependASPath: { prefix: [64999] } },
          ],
        },
      ],
    ]),
  ),
};

const theirs = (family: 4 | 6): Announced => ({
  prefix: theirPrefix[family],
  community: '65000:9',
  large: '65000:1:9',
  med: 55,
});

const told =
  (family: 4 | 6, nextHop: string, check: (path: Learned) => void) => (paths: readonly Learned[]) => {
    expect(paths).toHaveLength(1);
    const [path] = paths;
    if (path === undefined) return;
    expect(path).toMatchObject({ nextHop, asPath: [ownAsn, 64999], med: 77 });
    expect(family).toBe(nextHop.includes(':') ? 6 : 4);
    check(path);
  };

const routes = (family: 4 | 6): Row => ({
  title: `IPv${family} routes both ways: AS path, next hop, MED, communities`,
  rfc: family === 4 ? 'RFC 4271, RFC 1997' : 'RFC 4760, RFC 2545',
  run: (daemon) =>
    within(daemon, { over: family, filter: marks, announces: [theirs(family)] }, async (world) => {
      await world.up();
      await world.learns(
        ownPrefix[family],
        told(family, addresses.node[family], (path) => expect(path.communities).toEqual(['64512:100'])),
      );
      await world.hears(theirPrefix[family], ([route]) => {
        expect(route).toMatchObject({ nextHop: addresses.foreign[family], asPath: '65000', med: 55 });
        expect(JSON.stringify(route)).toContain('65000:9');
      });
      await eventually(
        async () => {
          expect(await world.node.kernel()).toContain(
            `${theirPrefix[family]} via ${addresses.foreign[family]}`,
          );
        },
        { within: soon },
      );
    }),
});

const bothFamilies: Row = {
  title: 'IPv4 and IPv6 routes over one session',
  rfc: 'RFC 4760',
  run: (daemon) =>
    within(daemon, { families: [4, 6], announces: [theirs(4), theirs(6)] }, async (world) => {
      await world.up();
      for (const family of [4, 6] as const) {
        await world.learns(ownPrefix[family], (paths) =>
          expect(paths.map(({ nextHop }) => nextHop)).toEqual([addresses.node[family]]),
        );
        await world.hears(theirPrefix[family], ([route]) =>
          expect(route).toMatchObject({ nextHop: addresses.foreign[family] }),
        );
      }
    }),
};

const withdrawal: Row = {
  title: 'Withdrawal: what we take back is gone there',
  rfc: 'RFC 4271 §3.1',
  run: (daemon) =>
    within(daemon, {}, async (world) => {
      await world.up();
      await world.learns(ownPrefix[4], (paths) => expect(paths).toHaveLength(1));
      world.rack.put({
        apiVersion: 'projectcalico.org/v3',
        kind: 'BGPFilter',
        metadata: { name: 'cell' },
        spec: { exportV4: [{ action: 'Reject' }] },
      } as never);
      await world.learns(ownPrefix[4], (paths) => expect(paths).toHaveLength(0));
      expect(await world.foreign.isUp(world.us)).toBe(true);
    }),
};

const largeCommunities: Row = {
  title: 'Large communities both ways',
  rfc: 'RFC 8092',
  run: (daemon) =>
    within(daemon, { filter: marks, announces: [theirs(4)] }, async (world) => {
      await world.up();
      await world.learns(
        ownPrefix[4],
        told(4, addresses.node[4], (path) => expect(path.large).toEqual(['64512:1:100'])),
      );
      await world.hears(theirPrefix[4], ([route]) =>
        expect((route as { communities: readonly string[] }).communities).toContain('65000:1:9'),
      );
    }),
};

/** What our node counts of the session, by kind of message. */
async function counts(world: World): Promise<PeerDetail['messages']> {
  return (await detail(world)).messages;
}

async function detail({ rack, them }: World): Promise<PeerDetail> {
  const answer = await askSocket(`${rack.directory}/node1.sock`, `/peers?name=${them}`);
  expect(answer).toMatchObject({ ok: true, value: { status: 200 } });
  return (answer as { value: { body: PeerDetail } }).value.body;
}

const weRefresh: Row = {
  title: 'Route refresh: we ask, they tell all again',
  rfc: 'RFC 2918',
  cannot: {
    exabgp: 'it takes the request and tells nothing again: what to say is up to its process',
    openbgpd:
      '7.7 takes the request and tells nothing ("route refresh: AID IPv4 unicast not negotiated", which it was)',
  },
  run: (daemon) =>
    within(daemon, { announces: [theirs(4)] }, async (world) => {
      await world.up();
      await world.hears(theirPrefix[4], (found) => expect(found).toHaveLength(1));
      const before = await counts(world);
      const answer = await askSocket(
        `${world.rack.directory}/node1.sock`,
        `/reset?peer=${world.them}&how=in`,
        { method: 'POST' },
      );
      expect(answer).toMatchObject({ ok: true, value: { status: 200 } });
      await eventually(
        async () => {
          const after = await counts(world);
          expect(after.sent.routeRefresh).toBeGreaterThan(before.sent.routeRefresh);
          expect(after.received.update).toBeGreaterThan(before.received.update);
        },
        { within: soon },
      );
      expect(await world.foreign.isUp(world.us)).toBe(true);
      await world.hears(theirPrefix[4], (found) => expect(found).toHaveLength(1));
    }),
};

const theyRefresh: Row = {
  title: 'Route refresh: they ask, we tell all again',
  rfc: 'RFC 2918, RFC 7313',
  cannot: { gobgp: 'it keeps all it received and never asks' },
  run: (daemon) =>
    within(daemon, {}, async (world) => {
      await world.up();
      await world.learns(ownPrefix[4], (paths) => expect(paths).toHaveLength(1));
      const before = await counts(world);
      await world.foreign.refresh(world.us);
      await eventually(
        async () => {
          const after = await counts(world);
          expect(after.received.routeRefresh).toBeGreaterThan(before.received.routeRefresh);
          expect(after.sent.update).toBeGreaterThan(before.sent.update);
        },
        { within: soon },
      );
      await world.up();
      await world.learns(ownPrefix[4], (paths) => expect(paths).toHaveLength(1));
    }),
};

const gone = '10.244.10.0/24';

const theyRestart: Row = {
  title:
    'Graceful restart: they are killed, we forward on; what they no longer announce goes after End-of-RIB',
  rfc: 'RFC 4724 §4.2',
  cannot: {
    openbgpd: 'its capability only promises End-of-RIB; it asks nobody to keep its routes',
  },
  run: (daemon) =>
    within(
      daemon,
      { theirs: { restartTime: 60 }, announces: [theirs(4), { prefix: gone }] },
      async (world) => {
        const via = (prefix: string): string => `${prefix} via ${world.them}`;
        const kernelHas = (lines: readonly string[], not: readonly string[] = []): Promise<void> =>
          eventually(
            async () => {
              const kernel = await world.node.kernel();
              for (const line of lines) expect(kernel).toContain(line);
              for (const line of not) expect(kernel).not.toContain(line);
            },
            { within: soon },
          );
        await world.up();
        await kernelHas([via(theirPrefix[4]), via(gone)]);
        await world.foreign.die();
        await world.node.peer(
          world.them,
          (peer) => peer.state !== 'Established' && (peer.keptRoutes ?? 0) > 0,
          soon,
        );
        await kernelHas([via(theirPrefix[4]), via(gone)]);
        await world.foreign.revive([theirs(4)]);
        await world.up();
        await kernelHas([via(theirPrefix[4])], [via(gone)]);
      },
    ),
};

const weRestart: Row = {
  title: 'Graceful restart: we are killed, they keep our routes until we are back',
  rfc: 'RFC 4724 §4.1',
  cannot: { exabgp: 'it has no table to keep routes in' },
  run: (daemon) =>
    within(daemon, { theirs: { restartTime: 60 } }, async (world) => {
      await world.up();
      await world.learns(ownPrefix[4], (paths) => expect(paths).toHaveLength(1));
      await world.node.stop('SIGKILL');
      await eventually(
        async () => {
          expect(await world.foreign.isUp(world.us)).toBe(false);
        },
        { within: soon },
      );
      expect(await world.foreign.learned(ownPrefix[4])).toHaveLength(1);
      await world.node.start('--namespace', 'tortie');
      await world.up();
      await world.learns(ownPrefix[4], (paths) => expect(paths).toHaveLength(1));
    }),
};

const thirdPeer = (third: Third, isInternal = false): object =>
  bgpPeer(`third${third.number}`, third.address, isInternal ? ownAsn : third.asn, { filters: ['cell'] });

const [client] = thirds;

const longLivedAt = {
  theirs: { restartTime: 3, longLived: 60 },
  ours: { restartMode: 'LongLivedGracefulRestart', maxRestartTime: '3s', longLivedStaleTime: '60s' },
} as const;
/** LLGR_STALE, as each prints it. */
const marked = /65535:6\b|65535, ?6\b|llgr.stale/i;
const noneLongLived = {
  openbgpd: '7.7 does not have it',
  exabgp: '4.2 does not have it',
} as const;

const theyStayAway: Row = {
  title:
    'Long-lived graceful restart: they stay away beyond the restart time, and their route is the last resort',
  rfc: 'RFC 9494 §4.2',
  cannot: noneLongLived,
  run: (daemon) =>
    within(daemon, { ...longLivedAt, announces: [theirs(4)] }, async (world) => {
      const used = async (): Promise<string> =>
        JSON.stringify((await world.node.routes()).filter(({ prefix }) => prefix === theirPrefix[4]));
      const kernelHas = async (): Promise<void> =>
        expect(await world.node.kernel()).toContain(`${theirPrefix[4]} via ${world.them}`);
      await world.up();
      await eventually(kernelHas, { within: soon });
      expect(await used()).not.toMatch(marked);
      await world.foreign.die();
      await eventually(async () => expect(await used()).toMatch(marked), { within: soon });
      await kernelHas();
      await world.foreign.revive([theirs(4)]);
      await world.up();
      await eventually(async () => expect(await used()).not.toMatch(marked), { within: soon });
      await kernelHas();
    }),
};

const weStayAway: Row = {
  title:
    'Long-lived graceful restart: we stay away beyond the restart time, and they keep our route as the last resort',
  rfc: 'RFC 9494 §4.2',
  cannot: noneLongLived,
  run: (daemon) =>
    within(daemon, longLivedAt, async (world) => {
      const isMarked = (is: boolean) => (paths: readonly Learned[]) => {
        expect(paths).toHaveLength(1);
        expect(marked.test(JSON.stringify(paths))).toBe(is);
      };
      await world.up();
      await world.learns(ownPrefix[4], isMarked(false));
      await world.node.stop('SIGKILL');
      await world.learns(ownPrefix[4], isMarked(true));
      await world.node.start('--namespace', 'tortie');
      await world.up();
      await world.learns(ownPrefix[4], isMarked(false));
    }),
};

/** Of one attribute set, and so many that they fill more than one message of 4096 octets. */
const many = Array.from({ length: 1800 }, (_, index) => `100.${64 + (index >> 8)}.${index & 255}.0/24`);
const manyHex = (part: readonly string[]): string =>
  part.map((prefix) => `18${ipv4Hex(prefix.replace('/24', '')).slice(0, 6)}`).join('');
/** Attributes that fill one by themselves: not all put many prefixes into one message. */
const longSet = Array.from({ length: 1200 }, (_, index) => `65000:${index + 1}`);
const noneLong = {
  gobgp: '3.10 does not have it',
  openbgpd: '7.7 does not have it',
} as const;

/** Messages longer than RFC 4271 allows. */
const longOnes = (eyes: World['sent'], sender: string): readonly number[] =>
  eyes.lengths(sender).filter((length) => length > 4096);

const weSayLong: Row = {
  title: 'Extended messages: they take an UPDATE of ours that is longer than 4096 octets',
  rfc: 'RFC 8654',
  cannot: noneLong,
  run: (daemon) =>
    within(
      daemon,
      { theirs: { extendedMessages: true }, manifests: [thirdPeer(client)] as never },
      async (world) => {
        await world.up();
        const third = await thirdAnnounces(world.rack, client, world.us);
        for (const part of [many.slice(0, 900), many.slice(900)])
          third.say(
            updateHex({
              attributes: `40010100 40020a0202${u32Hex(client.asn)}00000065 400304${ipv4Hex(client.address)}`,
              nlri: manyHex(part),
            }),
          );
        await world.learns(many[0] as string, (paths) => expect(paths).toHaveLength(1));
        await world.learns(many.at(-1) as string, (paths) => expect(paths).toHaveLength(1));
        // Whatever was on the way when the session came up, all of it is told at once to who asks again.
        await world.foreign.refresh(world.us);
        await eventually(() => expect(longOnes(world.sent, world.us).length).toBeGreaterThan(0), {
          within: soon,
        });
        expect(await world.foreign.isUp(world.us)).toBe(true);
      },
    ),
};

const theySayLong: Row = {
  title: 'Extended messages: we take an UPDATE of theirs that is longer than 4096 octets',
  rfc: 'RFC 8654',
  cannot: noneLong,
  run: (daemon) =>
    within(
      daemon,
      {
        theirs: { extendedMessages: true },
        announces: [{ prefix: theirPrefix[4], communities: longSet }, ...many.map((prefix) => ({ prefix }))],
      },
      async (world) => {
        const all = many.length + 1;
        await world.up();
        await world.node.peer(world.them, ({ prefixesReceived }) => prefixesReceived >= all, soon);
        expect(longOnes(world.received, world.them).length).toBeGreaterThan(0);
        expect(await world.foreign.isUp(world.us)).toBe(true);
      },
    ),
};

/** BoRR and EoRR of one side, in order. */
const marksOf = (eyes: World['sent'], sender: string): readonly string[] =>
  eyes
    .read(`bgp.type == 5 && ${from(sender)}`, 'bgp.route_refresh.subtype')
    .flatMap((line) => line.split(','));

const noMarks = {
  gobgp: '3.10 does not have it',
} as const;

const weMark: Row = {
  title: 'Enhanced route refresh: they ask, and we say where it begins and ends',
  rfc: 'RFC 7313',
  cannot: noMarks,
  run: (daemon) =>
    within(daemon, { theirs: { marksRefresh: true } }, async (world) => {
      await world.up();
      await world.learns(ownPrefix[4], (paths) => expect(paths).toHaveLength(1));
      await world.foreign.refresh(world.us);
      await eventually(() => expect(marksOf(world.sent, world.us)).toEqual(['1', '2']), { within: soon });
      expect(await world.foreign.isUp(world.us)).toBe(true);
      await world.learns(ownPrefix[4], (paths) => expect(paths).toHaveLength(1));
    }),
};

const theyMark: Row = {
  title: 'Enhanced route refresh: we ask, they say where it begins and ends, and what they told stays',
  rfc: 'RFC 7313',
  cannot: { ...noMarks, exabgp: weRefresh.cannot?.exabgp ?? '', openbgpd: weRefresh.cannot?.openbgpd ?? '' },
  run: (daemon) =>
    within(daemon, { announces: [theirs(4)] }, async (world) => {
      await world.up();
      await world.hears(theirPrefix[4], (found) => expect(found).toHaveLength(1));
      await askSocket(`${world.rack.directory}/node1.sock`, `/reset?peer=${world.them}&how=in`, {
        method: 'POST',
      });
      await eventually(() => expect(marksOf(world.received, world.them)).toEqual(['1', '2']), {
        within: soon,
      });
      await world.hears(theirPrefix[4], (found) => expect(found).toHaveLength(1));
      expect(await world.foreign.isUp(world.us)).toBe(true);
    }),
};

const signed = (over: 4 | 6): Row => ({
  title: `Signed sessions over IPv${over}`,
  rfc: 'RFC 2385',
  run: (daemon) =>
    within(
      daemon,
      {
        over,
        theirs: { password: 'a-shared-secret' },
        ours: { password: { secretKeyRef: { name: 'passwords', key: 'foreign' } } },
        manifests: [
          {
            apiVersion: 'v1',
            kind: 'Secret',
            metadata: { name: 'passwords', namespace: 'tortie' },
            data: { foreign: Buffer.from('a-shared-secret').toString('base64') },
          } as never,
        ],
      },
      async (world) => {
        await world.up();
        // Option 19 in every segment, or it is no signed session.
        expect(world.sent.read(`bgp && ${from(world.us)} && !tcp.options.md5`)).toEqual([]);
        expect(world.received.read(`bgp && ${from(world.them)} && !tcp.options.md5`)).toEqual([]);
      },
    ),
});

const gtsm = (over: 4 | 6): Row => ({
  title: `GTSM over IPv${over}: both check the TTL`,
  rfc: 'RFC 5082',
  run: (daemon) =>
    within(daemon, { over, theirs: { ttlSecurity: true }, ours: { ttlSecurity: 1 } }, async (world) => {
      await world.up();
      await world.learns(ownPrefix[over], (paths) => expect(paths).toHaveLength(1));
    }),
});

const sendPaths: Row = {
  title: 'Add-path: they learn both paths of ours',
  rfc: 'RFC 7911',
  run: (daemon) =>
    within(
      daemon,
      {
        theirs: { addPath: true },
        ours: { addPath: { send: 'All' } },
        manifests: thirds.map((third) => thirdPeer(third)) as never,
      },
      async (world) => {
        await world.up();
        for (const third of thirds) await thirdAnnounces(world.rack, third, world.us);
        await world.learns(thirdPrefix, (paths) =>
          expect(paths.map(({ asPath }) => asPath.join(' ')).sort()).toEqual([
            `${ownAsn} 65101 101`,
            `${ownAsn} 65102 102`,
          ]),
        );
      },
    ),
};

const receivePaths: Row = {
  title: 'Add-path: we learn both paths of theirs',
  rfc: 'RFC 7911',
  run: (daemon) =>
    within(
      daemon,
      {
        theirs: { addPath: true },
        ours: { addPath: { receive: true } },
        ...(daemon === 'exabgp'
          ? {
              announces: thirds.map(({ address, number }) => ({
                prefix: thirdPrefix,
                pathId: number,
                nextHop: address,
              })),
            }
          : {
              others: thirds.map(({ address, asn }) => ({
                address,
                asn,
                isPassive: true as const,
                families: [4] as const,
              })),
            }),
      },
      async (world) => {
        await world.up();
        if (daemon !== 'exabgp')
          for (const third of thirds) await thirdAnnounces(world.rack, third, world.them);
        await world.hears(thirdPrefix, (found) => {
          const hops = (found as readonly { nextHop: string; asPath: string }[]).map((one) =>
            daemon === 'exabgp' ? one.nextHop : one.asPath,
          );
          expect(hops.sort()).toEqual(
            daemon === 'exabgp'
              ? thirds.map(({ address }) => address)
              : [`${foreignAsn} 65101 101`, `${foreignAsn} 65102 102`],
          );
        });
      },
    ),
};

const weReflect: Row = {
  title: 'Reflection: we reflect to them, with originator and cluster list',
  rfc: 'RFC 4456',
  run: (daemon) =>
    within(
      daemon,
      {
        isInternal: true,
        annotations: { 'projectcalico.org/RouteReflectorClusterID': '244.0.0.1' },
        manifests: [thirdPeer(client, true)] as never,
      },
      async (world) => {
        await world.up();
        await thirdAnnounces(world.rack, client, world.us, true);
        await world.learns(thirdPrefix, (paths) => {
          expect(paths).toHaveLength(1);
          expect(paths[0]).toMatchObject({ nextHop: client.address, asPath: [] });
          expect(paths[0]?.text).toContain(client.address);
          expect(paths[0]?.text).toContain('244.0.0.1');
        });
      },
    ),
};

const theyReflect: Row = {
  title: 'Reflection: they reflect to us',
  rfc: 'RFC 4456',
  cannot: { exabgp: 'it passes nothing on' },
  run: (daemon) =>
    within(
      daemon,
      {
        isInternal: true,
        theirs: { isClient: true },
        others: [{ address: client.address, asn: ownAsn, isPassive: true, families: [4], isClient: true }],
      },
      async (world) => {
        await world.up();
        await thirdAnnounces(world.rack, client, world.them, true);
        await world.hears(thirdPrefix, ([route]) =>
          expect(route).toMatchObject({ nextHop: client.address, asPath: '' }),
        );
        await eventually(
          async () => {
            expect(await world.node.kernel()).toContain(`${thirdPrefix} via ${client.address}`);
          },
          { within: soon },
        );
      },
    ),
};

const extendedNextHop: Row = {
  title: 'IPv4 routes with IPv6 next hops, both ways',
  rfc: 'RFC 8950',
  cannot: {
    openbgpd: '7.7 does not have it',
  },
  run: (daemon) =>
    within(
      daemon,
      {
        over: 6,
        families: [4],
        theirs: { extendedNextHop: true },
        ours: { families: ['IPv4', 'IPv6'] },
        withoutIpv4: true,
        announces: [{ prefix: theirPrefix[4], nextHop: addresses.foreign[6] }],
      },
      async (world) => {
        await world.up();
        await world.learns(ownPrefix[4], (paths) =>
          expect(paths.map(({ nextHop }) => nextHop)).toEqual([addresses.node[6]]),
        );
        await world.hears(theirPrefix[4], ([route]) =>
          expect(route).toMatchObject({ nextHop: addresses.foreign[6] }),
        );
        await eventually(
          async () => {
            expect(await world.node.ip('route show proto 80')).toContain(
              `${theirPrefix[4]} via inet6 ${addresses.foreign[6]}`,
            );
          },
          { within: soon },
        );
      },
    ),
};

const roles: Row = {
  title: 'Roles: a provider and its customer; what we tell is marked Only to Customer',
  rfc: 'RFC 9234',
  cannot: { gobgp: '3.10 does not have it', exabgp: '4.2 does not have it' },
  run: (daemon) =>
    within(
      daemon,
      { theirs: { role: 'customer' }, ours: { role: 'provider', roleStrict: true } },
      async (world) => {
        await world.up();
        await world.learns(ownPrefix[4], (paths) => expect(paths).toHaveLength(1));
        expect(
          world.sent.read(`bgp.update.path_attribute.type_code == 35 && ${from(world.us)}`).length,
        ).toBeGreaterThan(0);
      },
    ),
};

const bfd: Row = {
  title: 'BFD: a cut link ends the session long before the hold time',
  rfc: 'RFC 5880, RFC 5882',
  cannot: {
    gobgp: 'it has no BFD',
    openbgpd: 'its portable version has no BFD',
    exabgp: 'it has no BFD',
  },
  run: (daemon) =>
    within(
      daemon,
      {
        theirs: { bfd: true },
        ours: {
          holdTime: '240s',
          bfd: { minimumSendInterval: '100ms', minimumRecvInterval: '100ms', multiplier: 3 },
        },
      },
      async (world) => {
        await world.up();
        await eventually(
          async () => {
            expect((await detail(world)).bfd?.state).toBe('Up');
          },
          { within: soon },
        );
        await world.rack.ground.exec('tor', 'ip link set to-node1 nomaster');
        await world.node.peer(
          world.them,
          (peer) => peer.state !== 'Established' && /BFD/.test(peer.lastError ?? ''),
          soon,
        );
      },
    ),
};

const theyShutDown: Row = {
  title: 'Shutdown communication: we show theirs',
  rfc: 'RFC 9003',
  cannot: { exabgp: '4.2 sends no text of the user with its shutdown' },
  run: (daemon) =>
    within(daemon, {}, async (world) => {
      await world.up();
      await world.foreign.shutDown(world.us, 'maintenance-42');
      await world.node.peer(world.them, ({ lastError }) => /maintenance-42/.test(lastError ?? ''), soon);
    }),
};

const weShutDown: Row = {
  title: 'Shutdown communication: they show ours',
  rfc: 'RFC 9003',
  cannot: { exabgp: '4.2.21 does not read a NOTIFICATION ("can not decode update message of type 3")' },
  run: (daemon) =>
    within(daemon, {}, async (world) => {
      await world.up();
      await world.node.stop('SIGTERM');
      await eventually(
        async () => {
          expect(await world.foreign.says(world.us)).toMatch(/tortie bgp was asked to stop/);
        },
        { within: soon },
      );
    }),
};

export const rows: readonly Row[] = [
  session(4, 'we'),
  session(4, 'they'),
  session(6, 'we'),
  session(6, 'they'),
  routes(4),
  routes(6),
  bothFamilies,
  withdrawal,
  largeCommunities,
  weRefresh,
  theyRefresh,
  weMark,
  theyMark,
  theyRestart,
  weRestart,
  theyStayAway,
  weStayAway,
  weSayLong,
  theySayLong,
  signed(4),
  signed(6),
  gtsm(4),
  gtsm(6),
  sendPaths,
  receivePaths,
  weReflect,
  theyReflect,
  extendedNextHop,
  roles,
  bfd,
  theyShutDown,
  weShutDown,
];
