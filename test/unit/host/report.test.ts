/** The writer of a node's status on a virtual clock, over a store and objects that are a Map. */
import { expect, test } from 'vitest';
import { openReporter } from '../../../src/host/report.ts';
import { err, ok } from '../../../src/lib/result.ts';
import type { BgpReport, FelixReport } from '../../../src/model/node-report.ts';
import { mergePatch } from '../../../src/store/merge-patch.ts';
import type { Manifest, Objects } from '../../../src/store/objects.ts';
import { virtualClock } from '../../support/clock.ts';

const felix = (ready: number, over: Partial<FelixReport> = {}): Omit<FelixReport, 'at'> => ({
  version: '1.0.0',
  inSync: true,
  problems: [],
  dataplane: 'in-sync',
  endpoints: { ready, total: 5 },
  ...over,
});

const bgp: Omit<BgpReport, 'at'> = {
  version: '1.0.0',
  inSync: true,
  problems: [],
  asn: 64512,
  routerId: '172.30.0.11',
  sessions: { established: 5, total: 8, v6: { established: 1, total: 3 } },
  peers: [
    session('tor', '172.30.0.1', 'global', 'Established'),
    session('node2', '172.30.0.12', 'node-to-node mesh', 'Active'),
    session('node3', 'fd00:30::13', 'node-to-node mesh', 'Idle'),
    session('rack', 'fd00:30::1', 'node specific', 'Connect'),
  ],
  originated: ['10.65.1.0/24'],
  kernel: { installed: 3, pending: 0 },
  sees: [],
};

function session(
  name: string,
  address: string,
  type: BgpReport['peers'][number]['type'],
  state: BgpReport['peers'][number]['state'],
): BgpReport['peers'][number] {
  const since = '2026-01-01T00:00:00.000Z';
  return { name, address, type, state, since, asn: 64512, received: 0, accepted: 0, advertised: 0 };
}

function world() {
  const clock = virtualClock();
  const created: Manifest[] = [];
  const writes: { readonly at: number; readonly status: Manifest }[] = [];
  const logged: string[] = [];
  const state: { status: unknown; trouble?: string; silent: boolean } = { status: {}, silent: false };
  const objects: Pick<Objects, 'get' | 'create'> = {
    get: async () => {
      if (state.silent) return new Promise(() => undefined);
      if (state.trouble !== undefined) return err({ kind: 'away', what: state.trouble });
      const [manifest] = created;
      return ok(manifest && { manifest, version: '1' });
    },
    create: async (manifest) => {
      created.push(manifest);
      return ok({ manifest, version: '1' });
    },
  };
  const store = {
    putStatus: async (_: unknown, status: Manifest) => {
      if (state.silent) return new Promise<void>(() => undefined);
      if (state.trouble !== undefined) throw new Error(state.trouble);
      writes.push({ at: clock.now(), status });
      state.status = mergePatch(state.status, status);
    },
  };
  const note = (message: string): void => {
    logged.push(message);
  };
  const options = {
    store,
    objects,
    node: 'node1',
    clock,
    random: () => 0.5,
    log: { info: note, warn: note },
    today: () => new Date(clock.now()),
  };
  /** Lets time pass a second at a time, and answers come in between. */
  const pass = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second += 1) {
      clock.advance(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { clock, created, writes, logged, state, options, pass };
}

test('the object is created once, with the node and what is filled in of it', async () => {
  const { options, pass, created, state } = world();
  const reporter = openReporter({ ...options, part: 'felix' });
  reporter.say(felix(1));
  await pass(2);
  reporter.say(felix(2));
  await pass(20);
  expect(created).toMatchObject([
    {
      kind: 'CalicoNodeStatus',
      metadata: { name: 'node1' },
      spec: { node: 'node1', classes: ['Agent', 'BGP'] },
    },
  ]);
  expect(state.status).toMatchObject({ tortie: { felix: { endpoints: { ready: 2, total: 5 } } } });
});

test('changes within ten seconds are one write of the newest, and what says nothing new is none', async () => {
  const { options, pass, writes } = world();
  const reporter = openReporter({ ...options, part: 'felix' });
  for (let ready = 0; ready < 5; ready += 1) reporter.say(felix(ready));
  await pass(2);
  expect(writes).toHaveLength(1);
  for (let second = 0; second < 9; second += 1) {
    reporter.say(felix(5 + second));
    await pass(1);
  }
  reporter.say(felix(5));
  await pass(60);
  expect(writes.map(({ status }) => status)).toMatchObject([
    { tortie: { felix: { endpoints: { ready: 4 } } } },
    { tortie: { felix: { endpoints: { ready: 5 } } } },
  ]);
  expect((writes[1]?.at ?? 0) - (writes[0]?.at ?? 0)).toBeGreaterThanOrEqual(10_000);
  reporter.say(felix(5));
  await pass(60);
  expect(writes).toHaveLength(2);
});

test('a report that changes all the time is written at most every ten seconds, and is not put off', async () => {
  const { options, pass, writes } = world();
  const reporter = openReporter({ ...options, part: 'felix' });
  for (let second = 0; second < 120; second += 1) {
    reporter.say(felix(second));
    await pass(1);
  }
  const gaps = writes.slice(1).map(({ at }, index) => at - (writes[index]?.at ?? 0));
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(10_000);
  expect(writes.length).toBeGreaterThanOrEqual(9);
});

test('a first report is not put off by those that follow it at once', async () => {
  const { clock, options, writes, pass } = world();
  const reporter = openReporter({ ...options, part: 'felix' });
  for (let word = 0; word < 100; word += 1) {
    reporter.say(felix(word));
    clock.advance(20);
  }
  await pass(1);
  expect(writes).toHaveLength(1);
});

test('what changed and changed back before it was written is no write', async () => {
  const { options, writes, pass } = world();
  const reporter = openReporter({ ...options, part: 'felix' });
  reporter.say(felix(1));
  await pass(2);
  reporter.say(felix(2));
  reporter.say(felix(1));
  await pass(60);
  expect(writes).toHaveLength(1);
});

test('without news it is written again within five minutes, with the time of that', async () => {
  const { options, pass, writes } = world();
  openReporter({ ...options, part: 'felix' }).say(felix(1));
  await pass(302);
  expect(writes).toHaveLength(2);
  expect(writes[1]?.status).toMatchObject({ lastUpdated: new Date(writes[1]?.at ?? 0).toISOString() });
});

test('a store that is away is told of once, tried ever more slowly, and gets the newest report when it is back', async () => {
  const { options, pass, writes, logged, state } = world();
  state.trouble = 'the API server does not answer.';
  const reporter = openReporter({ ...options, part: 'felix' });
  for (let second = 0; second < 600; second += 1) {
    reporter.say(felix(second));
    await pass(1);
  }
  expect([writes.length, logged.length]).toEqual([0, 1]);
  expect(logged[0]).toContain('the API server does not answer');
  delete state.trouble;
  await pass(121);
  expect(writes.map(({ status }) => status)).toMatchObject([
    { tortie: { felix: { endpoints: { ready: 599 } } } },
  ]);
  expect(logged).toHaveLength(2);
});

test('an answer that never comes is a failure after a minute', async () => {
  const { options, pass, writes, logged, state } = world();
  state.silent = true;
  const reporter = openReporter({ ...options, part: 'felix' });
  reporter.say(felix(1));
  await pass(62);
  expect(logged).toHaveLength(1);
  state.silent = false;
  await pass(13);
  expect(writes).toHaveLength(1);
});

test('what a report no longer has is gone from the object too', async () => {
  const { options, pass, state } = world();
  const reporter = openReporter({ ...options, part: 'felix' });
  reporter.say(felix(1, { dataplane: 'failing', lastError: 'nft said no' }));
  await pass(2);
  expect(state.status).toMatchObject({ tortie: { felix: { lastError: 'nft said no' } } });
  reporter.say(felix(1));
  await pass(15);
  expect(JSON.stringify(state.status)).not.toContain('lastError');
});

test('the speaker fills in the fields of Calico, by address family, and touches nothing of felix', async () => {
  const { options, pass, state } = world();
  state.status = { tortie: { felix: { dataplane: 'in-sync' } } };
  openReporter({ ...options, part: 'bgp' }).say(bgp);
  await pass(2);
  const since = '2026-01-01T00:00:00.000Z';
  expect(state.status).toMatchObject({
    agent: { birdV4: { state: 'Ready', version: '1.0.0', routerID: '172.30.0.11' } },
    bgp: {
      numberEstablishedV4: 4,
      numberNotEstablishedV4: 1,
      numberEstablishedV6: 1,
      numberNotEstablishedV6: 2,
      peersV4: [
        { peerIP: '172.30.0.1', type: 'GlobalPeer', state: 'Established', since },
        { peerIP: '172.30.0.12', type: 'NodeMesh', state: 'Active', since },
      ],
      peersV6: [
        { peerIP: 'fd00:30::13', type: 'NodeMesh' },
        { peerIP: 'fd00:30::1', type: 'NodePeer' },
      ],
    },
    tortie: { bgp: { sessions: { established: 5 } }, felix: { dataplane: 'in-sync' } },
  });
});

test('counters of routes are no news by themselves, and come along with the next', async () => {
  const { options, pass, writes } = world();
  const reporter = openReporter({ ...options, part: 'bgp' });
  const [tor, ...others] = bgp.peers;
  if (tor === undefined) throw new Error('there is no first peer');
  for (let received = 0; received < 60; received += 1) {
    reporter.say({
      ...bgp,
      peers: [{ ...tor, received }, ...others],
      kernel: { installed: received, pending: 0 },
    });
    await pass(1);
  }
  expect(writes).toHaveLength(1);
  reporter.say({ ...bgp, peers: [{ ...tor, received: 99 }, ...others], sees: ['node9'] });
  await pass(15);
  expect(writes).toHaveLength(2);
  expect(JSON.stringify(writes[1])).toContain('"received":99');
});

test('after stop nothing is written and no timer is left', async () => {
  const { options, pass, writes, clock } = world();
  const reporter = openReporter({ ...options, part: 'felix' });
  reporter.say(felix(1));
  await pass(2);
  reporter.say(felix(2));
  reporter.stop();
  expect(clock.pending).toBe(0);
  reporter.say(felix(3));
  await pass(400);
  expect(writes).toHaveLength(1);
});
