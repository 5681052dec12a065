/**
 * `tortie bgp` with BFD beside BIRD and FRR: a path that fails without a word ends the session at once, and nothing else does.
 *
 * FRR makes its BFD session anew when BGP comes up for the first time, so what is steady is waited for. Both take AdminDown
 * for a failure, and keep routes over a restart only if told to: `bfd graceful`, `bfd check-control-plane-failure`.
 */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { askSocket } from '../../src/host/socket.ts';
import type { PeerDetail } from '../../src/model/status.ts';
import { eventually } from '../support/eventually.ts';
import { type OwnRouter, ownRouter } from '../support/own-router.ts';
import { bgpPeer, createRack, ipPool, isUp, type Rack } from '../support/rack.ts';

const node = '172.30.0.11';
const edge = '172.30.0.3';
const route = '10.244.1.0/24';
const soon = { within: 30_000 };

const configurations = {
  bird: (isGraceful: boolean) => `log stderr all;
router id ${edge};
protocol device {}
protocol bfd { interface "*" { interval 200 ms; multiplier 3; }; }
protocol bgp node1 {
  local ${edge} as 65000;
  neighbor ${node} as 64512;
  hold time 90; connect retry time 1; connect delay time 1; error wait time 1, 2;
  graceful restart on;
  bfd ${isGraceful ? 'graceful' : 'on'};
  ipv4 { import all; export none; };
}
`,
  frr: (isGraceful: boolean) => `router bgp 65000
bgp router-id ${edge}
no bgp ebgp-requires-policy
bgp graceful-restart
neighbor ${node} remote-as 64512
neighbor ${node} timers 30 90
neighbor ${node} timers connect 1
neighbor ${node} bfd 3 200 200
${isGraceful ? `neighbor ${node} bfd check-control-plane-failure` : ''}
`,
} as const;

const askRoute = { bird: `show route ${route}`, frr: `show bgp ipv4 unicast ${route}` } as const;

async function detailOf(rack: Rack): Promise<PeerDetail> {
  const answer = await askSocket(`${rack.directory}/node1.sock`, '/peers?name=edge');
  if (!answer.ok || answer.value.status !== 200) throw new Error(JSON.stringify(answer));
  return answer.value.body as PeerDetail;
}

/** Both sessions are up, with the times asked for, and have been so for a while. */
const steady = (rack: Rack): Promise<PeerDetail> =>
  eventually(async () => {
    const detail = await detailOf(rack);
    const { bfd } = detail;
    const isThere = isUp(detail) && bfd?.state === 'Up' && bfd.neighbour?.state === 'Up';
    const ages = [detail.since, bfd?.since ?? ''].map((since) => Date.now() - Date.parse(since));
    if (!isThere || bfd.neighbour?.minTxMs !== 200 || !ages.every((age) => age > 2000))
      throw new Error(`${JSON.stringify(detail)}\n${rack.node(1).log()}`);
    return detail;
  }, soon);

const scenes = (['bird', 'frr'] as const).flatMap((kind) =>
  [false, true].map((isGraceful) => ({
    kind,
    isGraceful,
    how: isGraceful ? 'that keeps routes' : 'as it comes',
  })),
);

describe.each(scenes)('beside $kind $how', ({ kind, isGraceful }) => {
  let rack: Rack;
  let router: OwnRouter;

  beforeAll(async () => {
    rack = createRack(`bb${kind}${isGraceful ? 'g' : ''}`, 1);
    rack.host('edge', 3);
    rack.put(
      ipPool('pool4', '10.244.0.0/16'),
      bgpPeer('edge', edge, 65000, {
        keepaliveTime: '30s',
        holdTime: '90s',
        maxRestartTime: '60s',
        bfd: { minimumSendInterval: '200ms', minimumRecvInterval: '200ms', multiplier: 3, strict: true },
      }),
    );
    await rack.node(1).start('--restarting');
    router = await ownRouter(rack, kind, 'edge', configurations[kind](isGraceful));
    await rack.node(1).peer(edge, isUp);
  });
  afterAll(() => rack.close());

  const inTor = (state: 'up' | 'down'): void => {
    execFileSync('ip', ['-n', rack.ground.netns('tor'), 'link', 'set', 'br0', state]);
  };
  const detail = (): Promise<PeerDetail> => detailOf(rack);
  /** BIRD's CLI fails where there is no such route. */
  const isTold = async (): Promise<boolean> =>
    (await router.ask(askRoute[kind]).catch(() => '')).includes(node);
  const settled = async (): Promise<void> => {
    await steady(rack);
    await eventually(async () => {
      if (!(await isTold())) throw new Error(`${router.output()}\n${rack.node(1).log()}`);
    }, soon);
  };

  test('the session is there, and BFD with the times agreed', async () => {
    await settled();
    expect((await detail()).bfd).toMatchObject({
      kind: 'single hop',
      strict: true,
      neighbour: { state: 'Up', minTxMs: 200, minRxMs: 200, multiplier: 3 },
      detectionMs: 600,
    });
    expect(await rack.node(1).probe('/metrics')).toContain(
      'tortie_bfd_session_up{peer="Global_172_30_0_3"} 1',
    );
  });

  if (!isGraceful)
    test('RFC 9384 §3: a link cut in the middle ends BGP with Cease, BFD Down, long before the hold time', async () => {
      await settled();
      const { downs = 0 } = (await detail()).bfd ?? {};
      inTor('down');
      const cut = Date.now();
      await rack.node(1).peer(edge, (peer) => !isUp(peer));
      await eventually(async () => {
        if (await isTold()) throw new Error('the neighbour still has our route');
      }, soon);
      expect(Date.now() - cut).toBeLessThan(60_000);
      const down = await detail();
      expect(down.bfd).toMatchObject({
        downs: downs + 1,
        lastDown: { what: 'no BFD packet came for 600 ms' },
      });
      expect(down.notificationSent?.what).toMatch(/BFD/);
      inTor('up');
      await settled();
    });

  if (!isGraceful)
    test('a node that is drained withdraws its routes, and keeps BFD, the session and what it learned', async () => {
      await settled();
      const { since } = await detail();
      const { manifest } = rack.node(1);
      const metadata = { ...manifest.metadata, annotations: { 'node.tortie.io/drain': 'true' } };
      rack.put({ ...manifest, metadata });
      await eventually(async () => {
        if (await isTold()) throw new Error(rack.node(1).log());
      }, soon);
      // Longer than BFD of 200 ms × 3 takes to see that anything is amiss.
      await expect(
        eventually(
          async () => {
            const now = await detail();
            if (now.since === since && now.bfd?.state === 'Up') throw new Error('all is well');
          },
          { within: 4000 },
        ),
      ).rejects.toThrow('all is well');
      rack.put(manifest);
      await settled();
      expect((await detail()).since).toBe(since);
    });

  if (isGraceful)
    test('RFC 5882 §4.3: an upgrade says AdminDown first, so the neighbour keeps the session and every route until we are back', async () => {
      await settled();
      const before = (await detail()).bfd;
      expect(before?.state).toBe('Up');
      let isOver = false;
      let asked = 0;
      const gaps: string[] = [];
      const watching = (async () => {
        while (!isOver) {
          const told = await isTold();
          asked += 1;
          if (!told) gaps.push(new Date().toISOString());
        }
      })();
      await rack.node(1).stop();
      await rack.node(1).start('--restarting');
      await settled();
      isOver = true;
      await watching;
      expect(asked).toBeGreaterThan(5);
      expect(gaps).toEqual([]);
    });
});

test('RFC 5882 §3.2: a neighbour that switches BFD off keeps its BGP session; with strict one that says nothing is waited for', async () => {
  const rack = createRack('bbadm', 1);
  try {
    rack.host('edge', 3);
    rack.put(
      ipPool('pool4', '10.244.0.0/16'),
      bgpPeer('edge', edge, 65000, {
        keepaliveTime: '30s',
        bfd: { minimumSendInterval: '200ms', strict: true },
      }),
    );
    await rack.node(1).start();
    const router = await ownRouter(rack, 'frr', 'edge', configurations.frr(false));
    const { since } = await steady(rack);
    await router.configure(`bfd\npeer ${node}\nshutdown`);
    await eventually(() => {
      if (!/BFD is adminDown/.test(rack.node(1).log())) throw new Error(rack.node(1).log());
    }, soon);
    expect((await detailOf(rack)).bfd).toMatchObject({
      state: 'Down',
      neighbour: { state: 'AdminDown' },
      hint: 'the neighbour has switched BFD off for this session',
    });
    expect((await rack.node(1).peer(edge, isUp)).since).toBe(since);
    // FRR says AdminDown a few times and is silent from then on: to a new life of ours it has no BFD at all.
    await rack.node(1).stop('SIGINT');
    await rack.node(1).start();
    await rack.node(1).peer(edge, (peer) => /strict makes the session wait/.test(peer.lastError ?? ''));
    await router.configure(`bfd\npeer ${node}\nno shutdown`);
    await rack.node(1).peer(edge, isUp);
  } finally {
    await rack.close();
  }
});
