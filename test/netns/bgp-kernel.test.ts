/** What the speaker learns, as routes of a real kernel beside the routes of others. Two BIRDs announce the same prefixes. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { bgpPeer, createRack, ipPool, isUp } from '../support/rack.ts';
import { type Router, startRouter } from '../support/routers.ts';

const rack = createRack('bk', 2);
const node = rack.node(1);
const own = ['unreachable 10.244.1.0/24', 'unreachable fd00:244:1::/64'];
const mesh = ['10.244.2.0/24 via 172.30.0.12', 'fd00:244:2::/64 via fd00:30::12'];
const both = ['10.244.9.0/24 via 172.30.0.1 and 172.30.0.2', 'fd00:244:9::/64 via fd00:30::1 and fd00:30::2'];
const everything = [...own, ...mesh, ...both];
let first: Router;
let second: Router;

beforeAll(async () => {
  rack.host('tor2', 2);
  rack.put(
    bgpPeer('tor', '172.30.0.1', 65000),
    bgpPeer('tor2', '172.30.0.2', 65000),
    ipPool('pool4', '10.244.0.0/16'),
    ipPool('pool6', 'fd00:244::/32'),
  );
  const announces = ['10.244.9.0/24', 'fd00:244:9::/64'];
  [first, second] = await Promise.all([
    startRouter(rack, 'bird', {
      asn: 65000,
      host: 'tor',
      number: 1,
      announces,
      more: `protocol static later7 { disabled; ipv4; route 10.244.7.0/24 blackhole; }
protocol static later8 { disabled; ipv4; route 10.244.8.0/24 blackhole; }`,
    }),
    startRouter(rack, 'bird', { asn: 65000, host: 'tor2', number: 2, announces }),
  ]);
  await Promise.all(rack.nodes.map((each) => each.start()));
  await node.forwards(everything);
});
afterAll(() => rack.close());

const problemOf = async (prefix: string): Promise<void> =>
  eventually(
    async () => {
      const { problems } = await node.status();
      expect(problems).toContainEqual(
        expect.objectContaining({ where: `route ${prefix}`, what: expect.stringContaining('somebody else') }),
      );
    },
    { within: 30_000 },
  );
const noProblem = (): Promise<void> =>
  eventually(async () => expect((await node.status()).problems).toEqual([]), { within: 30_000 });

test('prefixes that two ToRs announce alike are multipath routes, pod CIDRs of others go to their node, and our own is unreachable', async () => {
  expect([...(await node.kernel())].sort()).toEqual([...everything].sort());
  expect((await node.status()).kernel).toEqual({ installed: 6, pending: 0 });
});

test('what one ToR withdraws is no longer forwarded to it, and what nobody announces has no route', async () => {
  await second.ask('disable announce4');
  await node.forwards([...own, ...mesh, '10.244.9.0/24 via 172.30.0.1', both[1] ?? '']);
  await first.ask('disable announce4');
  await node.forwards([...own, ...mesh, both[1] ?? '']);
  await first.ask('enable announce4');
  await second.ask('enable announce4');
  await node.forwards(everything);
});

test('a route of somebody else to the same prefix with another metric stands beside ours', async () => {
  await node.ip('route add 10.244.9.0/24 via 172.30.0.12 proto static metric 5');
  await second.ask('disable announce4');
  await node.forwards([...own, ...mesh, '10.244.9.0/24 via 172.30.0.1', both[1] ?? '']);
  await second.ask('enable announce4');
  await node.forwards(everything);
  expect(await node.ip('route show 10.244.9.0/24 proto static')).toContain('via 172.30.0.12');
  await node.ip('route del 10.244.9.0/24 proto static metric 5');
});

test('a route of somebody else in our place is left alone and reported, holds up no other route, and ours comes when it goes', async () => {
  await node.ip('route add 10.244.7.0/24 via 172.30.0.12 metric 1024 proto static');
  await first.ask('enable later7');
  await problemOf('10.244.7.0/24');
  for (let turn = 0; turn < 3; turn += 1) {
    await first.ask('enable later8');
    await node.forwards([...everything, '10.244.8.0/24 via 172.30.0.1']);
    await first.ask('disable later8');
    await node.forwards(everything);
  }
  expect(await node.ip('route show 10.244.7.0/24')).toContain('via 172.30.0.12 dev eth0 proto static');
  await node.ip('route del 10.244.7.0/24 metric 1024 proto static');
  await node.forwards([...everything, '10.244.7.0/24 via 172.30.0.1']);
  await noProblem();
  await first.ask('disable later7');
  await node.forwards(everything);
});

test.each([
  ['IPv4', 'route', '10.244.9.0/24', '172.30.0.12'],
  ['IPv6', '-6 route', 'fd00:244:2::/64', 'fd00:30::1'],
])(
  'when somebody replaces our %s route by theirs it is reported, and ours comes back when theirs goes',
  async (_family, route, prefix, via) => {
    const others = everything.filter((line) => !line.startsWith(prefix));
    await node.ip(`${route} replace ${prefix} via ${via} metric 1024 proto static`);
    await problemOf(prefix);
    await node.forwards(others);
    await node.ip(`${route} del ${prefix} metric 1024 proto static`);
    await node.forwards(everything);
    await noProblem();
  },
);

test('what somebody deletes of ours comes back', async () => {
  for (const prefix of ['10.244.9.0/24', '10.244.2.0/24', 'unreachable 10.244.1.0/24']) {
    await node.ip(`route del ${prefix} proto 80`);
    await node.forwards(everything);
  }
  for (const prefix of ['fd00:244:2::/64', 'unreachable fd00:244:1::/64']) {
    await node.ip(`-6 route del ${prefix} proto 80`);
    await node.forwards(everything);
  }
  await node.ip('-6 route del fd00:244:9::/64 via fd00:30::1 proto 80');
  await node.forwards(everything);
  await node.ip('route flush proto 80');
  await node.ip('-6 route flush proto 80');
  await node.forwards(everything);
});

test('a link that goes down and comes up has all its routes again', async () => {
  await node.ip('link set eth0 down');
  await node.forwards(own);
  await node.ip('link set eth0 up');
  await node.ip('address add fd00:30::11/64 dev eth0 nodad');
  await node.forwards(everything);
  await Promise.all(['172.30.0.1', '172.30.0.2', '172.30.0.12'].map((address) => node.peer(address, isUp)));
  await noProblem();
});
