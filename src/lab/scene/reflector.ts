/**
 * A route reflector and fifty clients: every client hears the block of each other one, from whom it is, by which cluster.
 *
 *     rr (tortie bgp) 172.30.0.11 ── clients 172.30.1.1 … 172.30.1.50
 *
 * Each client is a BIRD of its own, bound to its address; one BIRD would hold but one session with one neighbour. To the reflector
 * they are fifty nodes of the cluster.
 */
import { durationText } from '../report.ts';
import { type Ground, now, startMs } from './ground.ts';
import { bgpConfiguration, bgpPeer, ipPool, node, nodeAsn } from './manifests.ts';
import { type Router, startBird } from './router.ts';
import { birdNeeds, type Facts, type Scene, type Stage } from './scene.ts';

const count = 50;
const reflectorAddress = '172.30.0.11';
const cluster = '244.0.0.1';
const numbers = Array.from({ length: count }, (_, index) => index + 1);
const addressOf = (client: number): string => `172.30.1.${client}`;
const blockOf = (client: number): string => `10.65.${client}.0/26`;
/** The one that leaves. */
const leaver = 7;

const wire = (ground: Ground): Promise<void> =>
  ground.wire([
    {
      name: 'rr',
      ip: [
        'link add eth0 type veth peer name eth0 netns {clients}',
        `address add ${reflectorAddress}/16 dev eth0`,
        'link set eth0 up',
      ],
    },
    {
      name: 'clients',
      ip: [...numbers.map((client) => `address add ${addressOf(client)}/16 dev eth0`), 'link set eth0 up'],
    },
  ]);

const manifests = [
  bgpConfiguration({}),
  ipPool('pods', '10.65.0.0/16'),
  node('rr', reflectorAddress, '10.65.0.0/26', {
    annotations: { 'projectcalico.org/RouteReflectorClusterID': cluster },
    labels: { reflector: '' },
  }),
  ...numbers.map((client) => node(`client${client}`, addressOf(client), blockOf(client))),
  bgpPeer('reflectors', {
    nodeSelector: '!has(reflector)',
    peerSelector: 'has(reflector)',
    connectRetry: '1s',
  }),
];

const birdOf = (client: number): string => `log stderr all;
router id ${addressOf(client)};
protocol device {}
protocol direct { ipv4; }
protocol static own { ipv4; route ${blockOf(client)} blackhole; }
protocol bgp reflector {
  local ${addressOf(client)} as ${nodeAsn}; neighbor ${reflectorAddress} as ${nodeAsn};
  strict bind on;
  connect retry time 1; connect delay time 1; error wait time 1, 2;
  ipv4 { import all; export where source = RTS_STATIC; };
}
`;

/** A route as a client has it. */
export interface Heard {
  readonly prefix: string;
  readonly nextHop: string | undefined;
  readonly originator: string | undefined;
  readonly cluster: string | undefined;
}

/** `show route protocol reflector all`: a block for each route, its attributes indented. */
export const heardIn = (text: string): readonly Heard[] =>
  text.split(/\n(?=\S)/).flatMap((block) => {
    const prefix = /^(\S+\/\d+)\s/.exec(block.trimStart())?.[1];
    const attribute = (name: string): string | undefined =>
      new RegExp(`BGP\\.${name}: (.*)`).exec(block)?.[1]?.trim();
    if (prefix === undefined || !block.includes('BGP.')) return [];
    return [
      {
        ...{ prefix, nextHop: attribute('next_hop') },
        ...{ originator: attribute('originator_id'), cluster: attribute('cluster_list') },
      },
    ];
  });

type All = ReadonlyMap<number, readonly Heard[]>;

const heard = async (birds: readonly Router[]): Promise<All> => {
  const texts = await Promise.all(birds.map((bird) => bird.ask('show route protocol reflector all')));
  return new Map(texts.map((text, index) => [index + 1, heardIn(text)]));
};

/** What the clients but `without` must have, and have not; sentences. */
function wrongIn(all: All, without?: number): readonly string[] {
  const there = numbers.filter((client) => client !== without);
  return there.flatMap((client) => {
    const routes = new Map((all.get(client) ?? []).map((route) => [route.prefix, route]));
    const others = there.filter((other) => other !== client);
    const strange = [...routes.keys()].filter((prefix) => !others.some((other) => blockOf(other) === prefix));
    return [
      ...strange
        .filter((prefix) => prefix !== reflectorsOwn)
        .map((prefix) => `client${client} has ${prefix}, which nobody has`),
      ...others.flatMap((other) => {
        const route = routes.get(blockOf(other));
        const address = addressOf(other);
        if (route === undefined) return [`client${client} has not heard ${blockOf(other)} of client${other}`];
        const is = `${route.nextHop} ${route.originator} ${route.cluster}`;
        return is === `${address} ${address} ${cluster}`
          ? []
          : [`client${client} has ${blockOf(other)} with next hop, ORIGINATOR_ID, CLUSTER_LIST ${is}`];
      }),
    ];
  });
}
const reflectorsOwn = '10.65.0.0/26';

const shown = (wrong: readonly string[]): readonly string[] =>
  wrong.length <= 5 ? wrong : [...wrong.slice(0, 5), `and ${wrong.length - 5} more`];

/** Until nothing is wrong; what is wrong at the end is told. @returns when that was */
async function untilRight(
  { ground, check }: Stage,
  birds: readonly Router[],
  done: (ms: number) => string,
  without?: number,
): Promise<number> {
  const began = now();
  let wrong: readonly string[] = [];
  await ground
    .until(
      'every client to have the right routes',
      async () => {
        wrong = wrongIn(await heard(birds), without);
        return wrong.length === 0;
      },
      startMs,
      20,
    )
    .catch((error: unknown) => {
      if (ground.signal.aborted) throw error;
    });
  const ms = Math.ceil(now() - began);
  check(done(ms), ...shown(wrong));
  return ms;
}

async function play(stage: Stage): Promise<Facts> {
  const { ground, report } = stage;
  await wire(ground);
  ground.put(...manifests);
  report.wait('starting the reflector and its clients');
  await ground.speaker('rr');
  const birds = await Promise.all(
    numbers.map((client) => startBird(ground, 'clients', birdOf(client), `bird${client}`)),
  );
  const leaving = birds[leaver - 1];
  report.step(`a reflector, tortie bgp, and ${count} clients, each a BIRD`);
  const sessions = await ground.until('all sessions of the reflector', async () => {
    const { peers = [] } = (await ground.status('rr')) ?? {};
    const up = peers.filter(({ state }) => state === 'Established').length;
    return up === count ? up : undefined;
  });
  report.step(`${sessions} sessions are up`);
  const pairs = count * (count - 1);
  const spread = await untilRight(
    stage,
    birds,
    (ms) =>
      `after ${durationText(ms)} every client has the ${count - 1} blocks of the others: ${pairs} routes`,
  );
  report.block(`      each with the next hop of its origin, its ORIGINATOR_ID, and CLUSTER_LIST ${cluster}`);
  await leaving?.ask('disable reflector');
  const withdrawn = await untilRight(
    stage,
    birds,
    (ms) =>
      `client${leaver} leaves: after ${durationText(ms)} none of the ${count - 1} others has its block any more`,
    leaver,
  );
  await leaving?.ask('enable reflector');
  const back = await untilRight(
    stage,
    birds,
    (ms) => `it comes back: after ${durationText(ms)} all have it again, and it has theirs`,
  );
  return { clients: count, sessions, routes: pairs, times: { spread, withdrawn, back } };
}

export const reflector: Scene = {
  about: `a route reflector with ${count} simulated clients: who hears whom, with which attributes`,
  needs: birdNeeds,
  play,
};
