/** Attachments on a kernel in memory, when disk and kernel say no at the wrong moment. */
import { expect, test } from 'vitest';
import type { Addresses, Holding } from '../../../felix/addresses.ts';
import { Attachments, type NewAttachment, type Wishes } from '../../../felix/attachments.ts';
import { PodRoutes, podRoute } from '../../../felix/dataplane/routes.ts';
import type { AttachmentRecord, Records } from '../../../src/cni/records.ts';
import { type Address, parseAddress } from '../../../src/lib/net.ts';
import { ok } from '../../../src/lib/result.ts';
import { interfaceName } from '../../../src/model/endpoint.ts';
import { home, networkOf } from '../../support/agent.ts';
import { virtualClock } from '../../support/clock.ts';

const address = (text: string): Address => {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};
const hostInterface = interfaceName('x', 'a');
const record: AttachmentRecord = {
  ...{ containerId: 'c1', ifname: 'eth0', netns: '/run/netns/a', namespace: 'x', pod: 'a' },
  ...{ interface: hostInterface, addresses: [address('10.1.0.1')], mac: '', mtu: 1500, network: 'pods' },
  isForeign: false,
};
const request: NewAttachment = {
  ...{ containerId: 'c2', ifname: 'eth0', netns: '/run/netns/a', network: 'pods' },
  pod: { namespace: 'x', name: 'a' },
};
const wishes: Wishes = { families: undefined, pools: { 4: undefined, 6: undefined }, exactly: [] };

const full = async (): Promise<never> => {
  throw new Error('EROFS: read-only file system');
};

function world(
  present: readonly AttachmentRecord[],
  disk: Partial<Records> = {},
  port: Partial<Addresses> = {},
) {
  const network = networkOf('a');
  const kernel = network.kernel(home);
  const warned: string[] = [];
  const held: string[] = [];
  const adopted: Holding[] = [];
  const records: Records = {
    load: async () => ({ records: present, lastGiven: new Map(), problems: [] }),
    put: async () => {},
    remove: async () => {},
    putLastGiven: async () => {},
    ...disk,
  };
  const addresses: Addresses = {
    ...{ mode: 'pod-cidrs', inUse: 0, load: async () => [], start: () => {}, stop: () => {} },
    whyNone: () => undefined,
    allocate: async ({ owner }) => {
      held.push(owner);
      return ok([address('10.1.0.2')]);
    },
    adopt: (holding) => {
      adopted.push(holding);
      return ok(undefined);
    },
    release: async ({ owner }) => void held.splice(held.indexOf(owner), 1),
    releaseUnknown: async () => {},
    problems: () => [],
    ...port,
  };
  const attachments = new Attachments({
    ...{ kernel, inNetns: network.inNetns, records, addresses, resumeAfter: () => {} },
    routes: new PodRoutes(kernel, virtualClock(), () => 0),
    endpoints: { put: () => {}, remove: () => {} },
    log: { debug: () => {}, info: () => {}, error: () => {}, warn: (text) => warned.push(text) },
  });
  return { kernel, attachments, warned, held, adopted };
}

test('a start with a disk that takes nothing goes on without what it cannot clear away', async () => {
  for (const world_ of [world([record], { remove: full }), world([record], {}, { release: full })]) {
    await world_.attachments.load();
    expect(world_.attachments.all()).toEqual([]);
    expect(world_.warned.join()).toContain('record');
  }
});

test('an interface is recognised though its record cannot be written', async () => {
  const { kernel, attachments, warned } = world([], { put: full });
  const { ifindex } = kernel.addLink({ name: hostInterface });
  await kernel.setLink(hostInterface, { up: true });
  kernel.foreignSetRoute(podRoute(address('10.1.0.1'), ifindex));
  await attachments.recover(() => ({ namespace: 'x', name: 'a' }));
  expect(attachments.all().map(({ pod }) => pod)).toEqual(['a']);
  expect(warned.join()).toContain('cannot be written');
});

test('ADD that cannot learn the MTU gives the address back', async () => {
  const { kernel, attachments, held } = world([]);
  const links = kernel.links;
  Object.assign(kernel, { routeTo: async () => ({ ifindex: 1 }), links: full });
  await expect(attachments.attach(request, wishes)).rejects.toThrow('EROFS');
  expect(held).toEqual([]);
  Object.assign(kernel, { links });
});

test('an interface that ADD is about to replace is not recognised as the older one’s meanwhile', async () => {
  const { kernel, attachments, adopted } = world([]);
  const { ifindex } = kernel.addLink({ name: hostInterface });
  await kernel.setLink(hostInterface, { up: true });
  kernel.foreignSetRoute(podRoute(address('10.1.0.1'), ifindex));
  const gate = Promise.withResolvers<undefined>();
  Object.assign(kernel, { routeTo: () => gate.promise });
  const added = attachments.attach(request, wishes);
  await attachments.recover(() => ({ namespace: 'x', name: 'a' }));
  gate.resolve(undefined);
  const made = await added;
  expect(made.ok && made.value.addresses).toEqual([address('10.1.0.2')]);
  expect(adopted).toEqual([]);
  expect(attachments.isOrphan(hostInterface)).toBe(false);
});
