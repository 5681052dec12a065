/**
 * A drain under traffic: the address of a Service is announced by two nodes; one is emptied, comes back, and the other ends.
 *
 *     client 192.0.2.10 ── tor (BIRD) ──┬── node1 ── pod, an endpoint
 *                                       └── node2 ── pod, an endpoint
 *
 * In place of kube-proxy each node has one nftables rule, from the Service's address to its own pod (externalTrafficPolicy Local).
 */
import { readFileSync } from 'node:fs';
import { byPorts, type Ground, now } from './ground.ts';
import { bgpConfiguration, bgpPeer, endpoints, ipPool, node, nodeAsn, service } from './manifests.ts';
import { type Router, startBird } from './router.ts';
import { birdNeeds, type Facts, type Scene, type Stage } from './scene.ts';
import { lossText, lostOf, startTraffic, type Traffic } from './traffic.ts';

const torAsn = 65000;
const torAddress = '172.30.0.1';
const client = '192.0.2.10';
const address = '10.9.0.1';
const route = `${address}/32`;
const port = 7007;
/** RFC 8326 §3. */
const gracefulShutdown = '(65535,0)';
/** tortie bgp waits ten seconds between the mark and the withdrawal. */
const drainMs = 40_000;
const steadyMs = 1000;

const nodes = {
  node1: { address: '172.30.0.11', podCidr: '10.65.1.0/24' },
  node2: { address: '172.30.0.12', podCidr: '10.65.2.0/24' },
} as const;
type NodeName = keyof typeof nodes;
const names: readonly NodeName[] = ['node1', 'node2'];

const wire = (ground: Ground): Promise<void> =>
  ground.wire([
    {
      name: 'tor',
      sysctls: byPorts,
      ip: [
        'link add rack type bridge stp_state 0 mcast_snooping 0',
        'link set rack up',
        `address add ${torAddress}/24 dev rack`,
        'link add outside type veth peer name eth0 netns {client}',
        'address add 192.0.2.1/24 dev outside',
        'link set outside up',
        ...names.flatMap((name) => [
          `link add ${name} type veth peer name eth0 netns {${name}}`,
          `link set ${name} master rack`,
          `link set ${name} up`,
        ]),
      ],
    },
    ...names.map((name) => ({
      name,
      ip: [
        `address add ${nodes[name].address}/24 dev eth0`,
        'link set eth0 up',
        `route add default via ${torAddress}`,
      ],
    })),
    {
      name: 'client',
      ip: [`address add ${client}/24 dev eth0`, 'link set eth0 up', 'route add default via 192.0.2.1'],
    },
  ]);

const bird = `log stderr all;
router id ${torAddress};
protocol device { scan time 2; }
protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; merge paths on; }
template bgp node {
  local ${torAddress} as ${torAsn};
  hold time 9; keepalive time 3; connect retry time 1; connect delay time 1; error wait time 1, 2;
  ipv4 {
    import filter {
      if ${gracefulShutdown} ~ bgp_community then { print "marked: ", net, " ", from; bgp_local_pref = 0; }
      accept;
    };
    export none;
  };
}
${names.map((name) => `protocol bgp ${name} from node { neighbor ${nodes[name].address} as ${nodeAsn}; }`).join('\n')}
`;

const manifestOf = (name: NodeName, isDrained: boolean) =>
  node(name, nodes[name].address, nodes[name].podCidr, {
    annotations: isDrained ? { 'node.tortie.io/drain': 'true' } : {},
  });

const manifests = [
  bgpConfiguration({ nodeToNodeMeshEnabled: true, serviceLoadBalancerIPs: [{ cidr: '10.9.0.0/24' }] }),
  ipPool('pods', '10.65.0.0/16'),
  bgpPeer('tor', { peerIP: torAddress, asNumber: torAsn, keepaliveTime: '3s', connectRetry: '1s' }),
  service('echo', address, port),
  ...names.map((name) => manifestOf(name, false)),
];

/** What the ToR holds from a node for the Service's address. */
type Told = 'nothing' | 'announced' | 'marked';

/** Whether it ever came with GRACEFUL_SHUTDOWN, by the ToR's log: a second may pass unseen on a busy machine. */
const wasMarked = (ground: Ground, name: NodeName): boolean =>
  readFileSync(ground.logOf('tor', 'bird'), 'utf8').includes(`marked: ${route} ${nodes[name].address}`);

async function toldBy(tor: Router, name: NodeName): Promise<Told> {
  const text = await tor.ask(`show route ${route} protocol ${name} all`);
  if (!text.includes(`BGP.next_hop: ${nodes[name].address}`)) return 'nothing';
  return text.includes(gracefulShutdown) ? 'marked' : 'announced';
}

/** Whom the ToR's kernel sends to. */
async function sendsTo(ground: Ground): Promise<string> {
  const ways = await ground.ways('tor', route);
  return names.filter((name) => ways.some(({ gateway }) => gateway === nodes[name].address)).join(' ');
}

interface Drive {
  readonly stage: Stage;
  readonly tor: Router;
  readonly traffic: Traffic;
  readonly lost: Record<string, number>;
  readonly times: Record<string, number>;
}

/** Waits, and notes how long it took. */
async function moment(
  { stage: { ground }, times }: Drive,
  name: string,
  what: string,
  since: number,
  check: () => boolean | Promise<boolean>,
): Promise<void> {
  await ground.until(what, check, drainMs);
  times[name] = Math.ceil(now() - since);
}

async function nothingLost(drive: Drive, name: string, since: number, done: string): Promise<void> {
  const { stage, traffic, lost } = drive;
  await stage.ground.pass(steadyMs);
  const counted = await traffic.count(since);
  const count = lostOf(counted);
  lost[name] = count;
  stage.check(
    `${done}: ${lossText(counted)}`,
    counted.sent === 0 && `${done}: nothing was sent`,
    count > 0 && `${done}: ${lossText(counted)}`,
  );
}

async function draining(drive: Drive): Promise<void> {
  const { stage, tor, times } = drive;
  const { ground, check } = stage;
  const since = now();
  ground.put(manifestOf('node1', true));
  await moment(drive, 'marked', 'GRACEFUL_SHUTDOWN at the ToR', since, () => wasMarked(ground, 'node1'));
  await moment(
    drive,
    'moved',
    'the ToR to send to node2 alone',
    since,
    async () => (await sendsTo(ground)) === 'node2',
  );
  check('node1 is drained: its routes carry GRACEFUL_SHUTDOWN, and the ToR sends to node2 alone');
  await moment(
    drive,
    'withdrawn',
    'the withdrawal',
    since,
    async () => (await toldBy(tor, 'node1')) === 'nothing',
  );
  const waited = times['withdrawn'] ?? 0;
  const peer = await ground.peer('node1', 'tor');
  check(
    `${Math.round(waited / 1000)} s after the annotation they are withdrawn, and the session stays`,
    peer?.state !== 'Established' && `node1 is drained, and its session with the ToR is ${peer?.state}`,
    waited < 9000 &&
      `node1 withdrew ${waited} ms after the annotation, so nobody had time to choose another way`,
  );
  await nothingLost(drive, 'drain', since, 'the whole drain');
}

async function undoing(drive: Drive): Promise<void> {
  const { stage, tor } = drive;
  const since = now();
  stage.ground.put(manifestOf('node1', false));
  await moment(
    drive,
    'restored',
    'the ToR to send to both again',
    since,
    async () =>
      (await toldBy(tor, 'node1')) === 'announced' && (await sendsTo(stage.ground)) === 'node1 node2',
  );
  await nothingLost(drive, 'undo', since, 'the annotation is taken away: the ToR sends to both again');
}

async function ending(drive: Drive): Promise<void> {
  const { stage, tor } = drive;
  const { ground } = stage;
  const since = now();
  const withdrawn = ground.until(
    'the withdrawal',
    async () => (await toldBy(tor, 'node2')) === 'nothing',
    drainMs,
  );
  await Promise.all([ground.end('node2', 'bgp'), withdrawn]);
  drive.times['ended'] = Math.ceil(now() - since);
  await ground.until('the ToR to send to node1 alone', async () => (await sendsTo(ground)) === 'node1');
  stage.check(
    'tortie bgp of node2 gets SIGTERM: it marks, withdraws, and ends',
    !wasMarked(ground, 'node2') && 'tortie bgp of node2 withdrew without GRACEFUL_SHUTDOWN first',
  );
  await nothingLost(drive, 'sigterm', since, 'its whole end');
}

async function play(stage: Stage): Promise<Facts> {
  const { ground, report } = stage;
  await wire(ground);
  ground.put(...manifests);
  report.wait('starting the router and two nodes');
  await Promise.all(names.flatMap((name) => [ground.speaker(name), ground.agent(name)]));
  const tor = await startBird(ground, 'tor', bird);
  const pods = await Promise.all(names.map((name) => ground.pod(name, `echo-${name}`)));
  for (const [index, name] of names.entries())
    await ground.exec(
      name,
      'nft',
      `add table ip proxy; add chain ip proxy in { type nat hook prerouting priority dstnat; }; add rule ip proxy in ip daddr ${address} dnat to ${pods[index]?.address ?? ''}`,
    );
  ground.put(
    endpoints('echo', Object.fromEntries(names.map((name, index) => [name, pods[index]?.address ?? '']))),
  );
  await ground.until('the ToR to send to both nodes', async () => (await sendsTo(ground)) === 'node1 node2');
  report.step(`node1 and node2 announce ${address} of a Service to the ToR (BIRD), which sends to both`);
  const traffic = await startTraffic({
    ...{ from: ground.netns('client'), to: address, at: pods.map(({ netns }) => netns), flows: 16 },
  });
  const drive: Drive = { stage, tor, traffic, lost: {}, times: {} };
  try {
    await ground.pass(steadyMs);
    const since = now();
    await nothingLost(drive, 'before', since, 'a client outside sends a packet every millisecond');
    await draining(drive);
    await undoing(drive);
    await ending(drive);
  } finally {
    await traffic.close();
  }
  return { lost: drive.lost, times: drive.times };
}

export const drain: Scene = {
  about: 'a node is drained, comes back, and another one ends: no packet is lost',
  needs: birdNeeds,
  play,
};
