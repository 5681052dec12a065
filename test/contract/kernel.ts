/**
 * What every kernel behind the port must do, told as tests. `kernel.test.ts` runs them for the fake and for a real namespace,
 * so that unit tests against the fake mean something.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { KernelEvent, Route } from '../../src/kernel/kernel.ts';
import { routeKey } from '../../src/kernel/kernel.ts';
import type { InNetns, NetnsKernel } from '../../src/kernel/links.ts';
import { NftBatch } from '../../src/kernel/netlink/nft/batch.ts';
import { counter } from '../../src/kernel/netlink/nft/expression.ts';
import { KEY } from '../../src/kernel/netlink/nft/numbers.ts';
import {
  addChain,
  addSet,
  addTable,
  beginRule,
  changeElements,
  deleteChain,
  endRule,
} from '../../src/kernel/netlink/nft/object.ts';
import { type Address, hostPrefix, type Prefix, parseAddress, parsePrefix } from '../../src/lib/net.ts';
import { eventually } from '../support/eventually.ts';

export interface World {
  readonly kernel: NetnsKernel;
  /** Path of a second, empty namespace. */
  readonly elsewhere: string;
  readonly inNetns: InNetns;
  foreignSetRoute(route: Route): Promise<void>;
  foreignDeleteRoute(route: Route): Promise<void>;
  foreignNft(script: string): Promise<void>;
  close(): Promise<void>;
}

const address = (text: string): Address => {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};
const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};

const protocol = 80;
const table = 254;
const soon = { within: 15_000 };

export function kernelContract(name: string, open: () => Promise<World>): void {
  describe(name, () => {
    let world: World;
    let ifindex = 0;
    const events: KernelEvent[] = [];
    const kernel = (): NetnsKernel => world.kernel;

    const unicast = (dst: string, ...vias: string[]): Route => ({
      dst: prefix(dst),
      table,
      protocol,
      metric: dst.includes(':') ? 1024 : 0,
      type: 'unicast',
      nextHops: vias.map((via) => ({ via: address(via), ifindex })),
    });
    const find = async (route: Route): Promise<Route | undefined> => {
      const version = typeof route.dst === 'number' ? 4 : 6;
      const found = await kernel().routes({ version, protocol: route.protocol });
      return found.find((one) => routeKey(one) === routeKey(route));
    };
    const set = (route: Route) => kernel().applyRoutes([{ kind: 'set', route }]);

    beforeAll(async () => {
      world = await open();
      kernel().watch((event) => events.push(event));
      const near = { name: 'near', mac: '02:00:00:00:00:0a', mtu: 1400 };
      await kernel().addVeth({
        ...near,
        peer: { name: 'far', netns: world.elsewhere, mac: '02:00:00:00:00:0b' },
      });
      await world.inNetns(world.elsewhere, (there) => there.setLink('far', { up: true }));
      await kernel().setLink('near', { up: true });
      await kernel().addAddress('near', { address: address('10.9.0.1'), length: 24 });
      await kernel().addAddress('near', { address: address('fd09::1'), length: 64, nodad: true });
      ifindex = (await kernel().link('near'))?.ifindex ?? 0;
    });
    afterAll(() => world.close());

    test('a veth pair has one end here and one in the namespace asked for', async () => {
      const near = await kernel().link('near');
      expect(near).toMatchObject({
        name: 'near',
        kind: 'veth',
        mtu: 1400,
        up: true,
        carrier: true,
        mac: '02:00:00:00:00:0a',
      });
      const far = await world.inNetns(world.elsewhere, (there) => there.link('far'));
      expect(far).toMatchObject({ kind: 'veth', up: true, mac: '02:00:00:00:00:0b' });
      expect(await kernel().link('far')).toBeUndefined();
    });

    test('a link name that is taken is refused with EEXIST', async () => {
      await expect(kernel().addVeth({ name: 'near', peer: { name: 'other' } })).rejects.toMatchObject({
        code: 'EEXIST',
      });
    });

    test('a namespace that is not there is refused with its path', async () => {
      const missing = '/run/netns/not-there';
      await expect(world.inNetns(missing, async () => 1)).rejects.toThrow(/\/run\/netns\/not-there.*ENOENT/);
      const request = { name: 'one', peer: { name: 'two', netns: missing } };
      await expect(kernel().addVeth(request)).rejects.toMatchObject({ code: 'ENOENT' });
    });

    test('a link can be renamed and deleted, and the deletion of none says so', async () => {
      await kernel().addVeth({ name: 'old0', peer: { name: 'old1' } });
      await kernel().setLink('old0', { name: 'new0', mtu: 1300 });
      expect(await kernel().link('new0')).toMatchObject({ mtu: 1300, up: false });
      expect(await kernel().deleteLink('new0')).toBe(true);
      expect(await kernel().link('old1')).toBeUndefined();
      expect(await kernel().deleteLink('new0')).toBe(false);
      await expect(kernel().setLink('new0', { up: true })).rejects.toMatchObject({ code: 'ENODEV' });
    });

    test('addresses are listed by link and leave once', async () => {
      const extra = { address: address('10.9.7.1'), length: 32 };
      await kernel().addAddress('near', extra);
      await kernel().addAddress('near', extra);
      expect(await kernel().addresses()).toContainEqual({ ifindex, ...extra, scope: 'global' });
      expect(await kernel().deleteAddress('near', extra.address, 32)).toBe(true);
      expect(await kernel().deleteAddress('near', extra.address, 32)).toBe(false);
    });

    test('permanent neighbours are listed with their MAC and leave once', async () => {
      for (const text of ['10.9.0.77', 'fd09::77']) {
        const entry = { address: address(text), mac: '02:00:00:00:00:77' };
        await kernel().addNeighbour('near', entry);
        expect(await kernel().neighbours()).toContainEqual({ ifindex, ...entry, state: 0x80 });
        expect(await kernel().deleteNeighbour('near', entry.address)).toBe(true);
        expect(await kernel().deleteNeighbour('near', entry.address)).toBe(false);
      }
    });

    test.each([
      ['10.20.0.0/16', ['10.9.0.2']],
      ['10.21.0.0/16', ['10.9.0.2', '10.9.0.3']],
      ['fd20::/48', ['fd09::2']],
      ['fd21::/48', ['fd09::2', 'fd09::3']],
    ])('a route to %s by %s is reported as it was set, and leaves', async (dst, vias) => {
      const route = unicast(dst, ...vias);
      expect(await set(route)).toEqual([]);
      expect(await find(route)).toEqual(route);
      expect(await kernel().applyRoutes([{ kind: 'delete', route }])).toEqual([]);
      expect(await find(route)).toBeUndefined();
    });

    test('weights of next hops are kept', async () => {
      for (const [dst, a, b] of [
        ['10.22.0.0/16', '10.9.0.2', '10.9.0.3'],
        ['fd22::/48', 'fd09::2', 'fd09::3'],
      ] as const) {
        const plain = unicast(dst, a, b);
        const route = { ...plain, nextHops: [{ ...plain.nextHops[0], weight: 3 }, { ...plain.nextHops[1] }] };
        expect(await set(route)).toEqual([]);
        expect(await find(route)).toEqual(route);
      }
    });

    test('an unreachable route has no next hop', async () => {
      for (const dst of ['10.23.0.0/16', 'fd23::/48']) {
        const route: Route = { ...unicast(dst), type: 'unreachable' };
        expect(await set(route)).toEqual([]);
        expect(await find(route)).toEqual(route);
      }
    });

    test('a local route makes an address ours that no interface has', async () => {
      for (const [dst, metric] of [
        ['169.254.77.1/32', 0],
        ['fd77::1/128', 1024],
      ] as const) {
        const route: Route = { ...unicast(dst), table: 255, type: 'local', metric };
        expect(await set(route)).toEqual([]);
        expect(await find(route)).toEqual(route);
        expect((await kernel().addresses()).map(({ address: one }) => hostPrefix(one))).not.toContain(
          route.dst,
        );
        expect(await kernel().applyRoutes([{ kind: 'delete', route }])).toEqual([]);
        expect(await find(route)).toBeUndefined();
      }
    });

    test('a route to the link itself keeps no scope, for it is the usual one', async () => {
      for (const dst of ['10.24.0.1/32', 'fd24::1/128']) {
        const route: Route = { ...unicast(dst), nextHops: [{ ifindex }] };
        expect(await set({ ...route, scope: typeof route.dst === 'number' ? 'link' : 'global' })).toEqual([]);
        expect(await find(route)).toEqual(route);
      }
    });

    test.each([
      ['10.25.0.0/16', '10.9.0.2', '10.9.0.3'],
      ['fd25::/48', 'fd09::2', 'fd09::3'],
    ])('set replaces all next hops of %s, from one to many, to none and back', async (dst, a, b) => {
      const steps = [
        unicast(dst, a),
        unicast(dst, a, b),
        unicast(dst, b),
        { ...unicast(dst), type: 'unreachable' as const },
        unicast(dst, b, a),
      ];
      for (const route of steps) {
        expect(await set(route)).toEqual([]);
        expect(await find(route)).toEqual(route);
      }
    });

    test('add refuses a place that is taken, by whomever, with EEXIST', async () => {
      for (const [dst, via] of [
        ['10.26.0.0/16', '10.9.0.2'],
        ['fd26::/48', 'fd09::2'],
      ] as const) {
        const route = unicast(dst, via);
        const foreign = { ...route, protocol: 99 };
        await world.foreignSetRoute(foreign);
        expect(await kernel().applyRoutes([{ kind: 'add', route }])).toMatchObject([
          { index: 0, errno: 'EEXIST' },
        ]);
        expect(await find(foreign)).toEqual(foreign);
        expect(await find(route)).toBeUndefined();
      }
    });

    test('delete leaves a route of another owner alone', async () => {
      const foreign = { ...unicast('10.27.0.0/16', '10.9.0.2'), protocol: 99 };
      await world.foreignSetRoute(foreign);
      const failures = await kernel().applyRoutes([{ kind: 'delete', route: { ...foreign, protocol } }]);
      expect(failures).toMatchObject([{ errno: 'ESRCH' }]);
      expect(await find(foreign)).toEqual(foreign);
    });

    test('each failure tells the index of its op, and the others are applied', async () => {
      const good = unicast('10.28.0.0/16', '10.9.0.2');
      const noGateway = unicast('10.29.0.0/16', '172.31.255.1');
      const ops = [
        { kind: 'set', route: noGateway },
        { kind: 'set', route: good },
        { kind: 'delete', route: unicast('10.30.0.0/16') },
      ] as const;
      expect(await kernel().applyRoutes(ops)).toMatchObject([
        { index: 0, errno: 'ENETUNREACH', why: 'Nexthop has invalid gateway' },
        { index: 2, errno: 'ESRCH' },
      ]);
      expect(await find(good)).toEqual(good);
    });

    test('routes are filtered by table', async () => {
      const route = { ...unicast('10.31.0.0/16', '10.9.0.2'), table: 1234 };
      await set(route);
      expect(await kernel().routes({ version: 4, table: 1234 })).toEqual([route]);
      expect(await kernel().routes({ version: 4, table: 4321 })).toEqual([]);
    });

    test('routeTo follows the longest prefix and gives nothing for an unreachable one', async () => {
      await set(unicast('10.32.0.0/16', '10.9.0.2'));
      await set({ ...unicast('10.32.1.0/24'), type: 'unreachable' });
      expect(await kernel().routeTo(address('10.32.0.1'))).toEqual({ ifindex, via: address('10.9.0.2') });
      expect(await kernel().routeTo(address('10.9.0.2'))).toEqual({ ifindex });
      expect(await kernel().routeTo(address('10.32.1.1'))).toBeUndefined();
      expect(await kernel().routeTo(address('172.31.0.1'))).toBeUndefined();
    });

    test('match gives the route itself, with its owner, metric and next hops', async () => {
      const route = { ...unicast('10.36.0.0/16', '10.9.0.2'), metric: 77 };
      await set(route);
      await set({ ...unicast('10.36.1.0/24'), type: 'unreachable' });
      expect(await kernel().match(address('10.36.0.1'))).toEqual(route);
      expect(await kernel().match(address('10.9.0.2'))).toMatchObject({
        protocol: 2,
        metric: 0,
        nextHops: [{ ifindex }],
      });
      expect(await kernel().match(address('10.36.1.1'))).toBe('refused');
      expect(await kernel().match(address('172.31.0.1'))).toBeUndefined();
    });

    test('what others do to a route is told, in order, and what this port does is not', async () => {
      const route = unicast('10.33.0.0/16', '10.9.0.2');
      await set(route);
      await kernel().applyRoutes([{ kind: 'delete', route }]);
      await world.foreignSetRoute(route);
      await world.foreignDeleteRoute(route);
      const told = () => events.filter((event) => event.kind === 'route' && event.route.dst === route.dst);
      await eventually(
        () =>
          expect(told()).toEqual([
            { kind: 'route', change: 'set', route },
            { kind: 'route', change: 'delete', route },
          ]),
        soon,
      );
    });

    test('links, addresses and neighbours that come and go are told', async () => {
      await kernel().addVeth({ name: 'told0', peer: { name: 'told1' } });
      await kernel().addAddress('told0', { address: address('10.9.9.1'), length: 32 });
      await kernel().addNeighbour('near', { address: address('10.9.0.99'), mac: '02:00:00:00:00:99' });
      await kernel().deleteLink('told0');
      await eventually(() => {
        const told = events.map((event) =>
          'change' in event ? `${event.kind} ${event.change}` : event.kind,
        );
        expect(
          events.some(
            (event) => event.kind === 'link' && event.change === 'delete' && event.link.name === 'told0',
          ),
        ).toBe(true);
        expect(told).toContain('address set');
        expect(told).toContain('neighbour set');
      }, soon);
    });

    test('no event comes once the watch is stopped', async () => {
      const seen: KernelEvent[] = [];
      const stop = kernel().watch((event) => seen.push(event));
      stop();
      const before = events.length;
      await world.foreignSetRoute(unicast('10.34.0.0/16', '10.9.0.2'));
      await eventually(() => expect(events.length).toBeGreaterThan(before), soon);
      expect(seen).toEqual([]);
    });

    test('an nft transaction is all or nothing and fails with the line', async () => {
      await kernel().nft('add table inet contract\n');
      expect(await kernel().nftList('table inet contract')).toMatchObject({
        nftables: expect.arrayContaining([
          { table: expect.objectContaining({ family: 'inet', name: 'contract' }) },
        ]),
      });
      const script = 'add table inet half\ndelete table inet not_there\n';
      await expect(kernel().nft(script)).rejects.toThrow(
        /line 2: .*No such file or directory.*delete table inet not_there/,
      );
      expect(await kernel().nftList('table inet half')).toBeUndefined();
    });

    test('a transaction of messages is all or nothing, says of which object it was refused, and is read back', async () => {
      const chains = (make: (batch: NftBatch) => void): NftBatch => {
        const batch = new NftBatch();
        batch.about({ kind: 'table', name: 'messages' });
        addTable(batch, 'messages');
        make(batch);
        return batch;
      };
      const forward = { hook: 'forward', priority: 7, type: 'filter' } as const;
      const whole = chains((batch) => {
        addSet(batch, 'messages', 'addresses', { key: KEY.ipv4, comment: 'of nobody' });
        addSet(batch, 'messages', 'ways', { key: KEY.ifname, data: 'verdict' });
        addChain(batch, 'messages', 'base', forward);
        addChain(batch, 'messages', 'leaf');
        const key = new TextEncoder().encode('near'.padEnd(16, '\0'));
        changeElements(batch, 'add', 'messages', 'addresses', [{ key: Uint8Array.of(10, 0, 0, 1) }]);
        changeElements(batch, 'add', 'messages', 'ways', [{ key, jump: 'leaf' }]);
        const open = beginRule(batch, 'messages', 'base');
        counter(batch.writer);
        endRule(batch, open, 'counts', 2 ** 52 + 1);
      });
      expect(await kernel().nftTable('messages')).toBeUndefined();
      expect(await kernel().nftWrite(whole, { check: true })).toBe(1);
      expect(await kernel().nftTable('messages')).toBeUndefined();
      expect(await kernel().nftWrite(whole)).toBe(1);
      expect(await kernel().nftWrite(new NftBatch())).toBe(0);
      const seen = await kernel().nftTable('messages');
      expect([...(seen?.chains.keys() ?? [])].sort()).toEqual(['base', 'leaf']);
      expect(seen?.chains.get('base')).toMatchObject({
        base: { ...forward, policy: 'accept' },
        hashes: [2 ** 52 + 1],
      });
      expect(seen?.chains.get('leaf')).toMatchObject({ hashes: [] });
      expect(seen?.sets.get('addresses')).toMatchObject({ flags: 0, keyType: 7, comment: 'of nobody' });
      expect(await kernel().nftElements('messages', 'addresses')).toEqual([
        { key: '\x0a\0\0\x01', isEnd: false },
      ]);
      expect(await kernel().nftElements('messages', 'ways')).toMatchObject([{ jump: 'leaf' }]);
      expect(await kernel().nftElements('messages', 'none')).toEqual([]);
      expect(await kernel().nftCounters('messages', 'base')).toMatchObject([
        { chain: 'base', comment: 'counts', packets: 0 },
      ]);
      const half = chains((batch) => {
        batch.about({ kind: 'chain', name: 'other' });
        addChain(batch, 'messages', 'other');
        batch.about({ kind: 'chain', name: 'leaf', removed: true });
        deleteChain(batch, 'messages', 'leaf'); // a map leads to it
      });
      await expect(kernel().nftWrite(half)).rejects.toMatchObject({
        code: 'EBUSY',
        refused: [{ errno: 'EBUSY', object: { kind: 'chain', name: 'leaf', removed: true } }],
      });
      expect((await kernel().nftTable('messages'))?.chains.has('other')).toBe(false);
    });

    test('only a foreign change to the watched table is told', async () => {
      await kernel().nft('add table inet mine\nadd table inet theirs\n');
      let changes = 0;
      kernel().watchNft('mine', () => {
        changes += 1;
      });
      let others = 0;
      kernel().watchNft('theirs', () => {
        others += 1;
      });
      await kernel().nft('add chain inet mine ours\n');
      await world.foreignNft('add chain inet theirs one\n');
      await eventually(() => expect(others).toBe(1), soon);
      expect(changes).toBe(0);
      await world.foreignNft('flush ruleset\n');
      await eventually(() => expect([changes, others]).toEqual([1, 2]), soon);
    });

    test('a sysctl of an interface can be set and read while the interface exists', async () => {
      await kernel().sysctl('net/ipv4/conf/near/proxy_arp', '1');
      expect(await kernel().readSysctl('net/ipv4/conf/near/proxy_arp')).toBe('1');
      const there = await world.inNetns(world.elsewhere, (other) =>
        other.readSysctl('net/ipv4/conf/far/proxy_arp'),
      );
      expect(there).toBe('0');
      await expect(kernel().sysctl('net/ipv4/conf/gone/proxy_arp', '1')).rejects.toThrow(/ENOENT/);
    });
  });
}
