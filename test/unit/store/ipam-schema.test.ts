import { describe, expect, test } from 'vitest';
import { giveNext, releaseHandle } from '../../../src/ipam/allocation.ts';
import { parsePrefix } from '../../../src/lib/net.ts';
import { toManifest } from '../../../src/store/schema/write.ts';
import { flaws, resource } from './schema.ts';

const object = (kind: string, rest: string, name = 'default') =>
  `{apiVersion: projectcalico.org/v3, kind: ${kind}, metadata: {name: ${name}}, ${rest}}`;

describe('IPAMBlock', () => {
  const block = (spec: string) => object('IPAMBlock', `spec: {cidr: 10.0.0.0/30, ${spec}}`, '10-0-0-0-30');

  test('a block as Calico writes it is read, the nulls of free addresses too', () => {
    expect(
      resource(
        block(
          'affinity: "host:n1", affinityClaimTime: "2030-01-01T00:00:00Z", allocations: [0, null, 1, null], unallocated: [3, 1], attributes: [{handle_id: h, secondary: {pod: web, namespace: shop}}, {handle_id: null, secondary: null, releasedAt: "2030-01-01T00:00:00Z"}], sequenceNumber: 7, sequenceNumberForAllocation: {"0": 3}, deleted: false, strictAffinity: false',
        ),
      ),
    ).toEqual({
      kind: 'IPAMBlock',
      meta: { name: '10-0-0-0-30', labels: {}, annotations: {} },
      cidr: parsePrefix('10.0.0.0/30'),
      affinity: { type: 'host', node: 'n1' },
      affinityClaimTime: '2030-01-01T00:00:00Z',
      allocations: [0, undefined, 1, undefined],
      unallocated: [3, 1],
      attributes: [
        { handle: 'h', secondary: { pod: 'web', namespace: 'shop' } },
        { handle: '', secondary: {}, releasedAt: '2030-01-01T00:00:00Z' },
      ],
      sequenceNumber: 7,
      sequenceNumberForAllocation: { 0: 3 },
      deleted: false,
    });
  });

  test('what Calico or a newer version wrote beside what we read is written back as it was', () => {
    const read = resource(
      block(
        'allocations: [0, null, null, null], unallocated: [1, 2, 3], attributes: [{handle_id: h, alternateOwnerAttrs: {vm: db}, weight: 3}], strictAffinity: true, zone: {rack: [1, 2]}',
      ).replace('metadata: {', 'metadata: {finalizers: [x/y], ownerReferences: [{kind: Node, name: n1}], '),
    );
    if (read.kind !== 'IPAMBlock') throw new Error(read.kind);
    const given = giveNext(
      read,
      { handle: 'i', secondary: {} },
      { reserved: [], cooledBy: '2030-01-01T00:00:00Z' },
    );
    expect(given && toManifest(given.block)).toMatchObject({
      metadata: { finalizers: ['x/y'], ownerReferences: [{ kind: 'Node', name: 'n1' }] },
      spec: {
        attributes: [{ handle_id: 'h', alternateOwnerAttrs: { vm: 'db' }, weight: 3 }, { handle_id: 'i' }],
        strictAffinity: true,
        zone: { rack: [1, 2] },
      },
    });
    const rules = { now: '2030-01-01T00:00:00Z', cooldownSeconds: 60 };
    expect(releaseHandle(read, 'h', rules).block.attributes).toMatchObject([
      { beside: { alternateOwnerAttrs: { vm: 'db' }, weight: 3 }, releasedAt: rules.now },
    ]);
  });

  test('a block of nobody, and one of the load balancer', () => {
    const free = 'allocations: [null, null, null, null], unallocated: [0, 1, 2, 3], attributes: []';
    expect(resource(block(free))).not.toHaveProperty('affinity');
    expect(resource(block(`affinity: null, ${free}`))).not.toHaveProperty('affinity');
    expect(resource(block(`affinity: "virtual:load-balancer", ${free}`))).toMatchObject({
      affinity: { type: 'virtual', name: 'load-balancer' },
      sequenceNumber: 0,
      deleted: false,
    });
  });

  test.each([
    [
      'allocations: [], unallocated: [], attributes: []',
      'spec.allocations: must have 4 entries for 10.0.0.0/30, but has 0.',
    ],
    [
      'allocations: [0, null, null, null], unallocated: [], attributes: []',
      'spec.allocations[0]: leads to no attribute',
    ],
    [
      'allocations: [null, null, null, null], unallocated: [4], attributes: []',
      'spec.unallocated[0]: is not free',
    ],
    [
      'allocations: [null, null, null, null], unallocated: [1, 1], attributes: []',
      'spec.unallocated[0]: is not free',
    ],
    [
      'allocations: [0, null, null, null], unallocated: [0], attributes: [{handle_id: h}]',
      'spec.unallocated[0]: is not free',
    ],
    [
      'affinity: n1, allocations: [null, null, null, null], unallocated: [], attributes: []',
      'spec.affinity: must be host:NODE',
    ],
    ['unallocated: [], attributes: []', 'spec.allocations: is missing.'],
  ])('%s is refused', (spec, expected) => {
    expect(flaws(block(spec))).toEqual([expect.stringContaining(expected)]);
  });
});

describe('BlockAffinity', () => {
  test('it is a host’s and not deleted unless it says otherwise', () => {
    expect(
      resource(object('BlockAffinity', 'spec: {state: pending, node: n1, cidr: 10.0.0.0/26}')),
    ).toMatchObject({
      kind: 'BlockAffinity',
      type: 'host',
      node: 'n1',
      state: 'pending',
      deleted: false,
      cidr: parsePrefix('10.0.0.0/26'),
    });
  });

  test('a state that is none is refused', () => {
    expect(flaws(object('BlockAffinity', 'spec: {state: mine, node: n1, cidr: 10.0.0.0/26}'))).toEqual([
      expect.stringContaining('spec.state: must be one of confirmed, pending, pendingDeletion'),
    ]);
  });
});

describe('IPAMConfiguration', () => {
  const configuration = (spec: string, name?: string) => object('IPAMConfiguration', `spec: ${spec}`, name);

  test('its defaults are Calico’s: borrowing, twenty blocks for a node, no cooldown', () => {
    const expected = {
      strictAffinity: false,
      maxBlocksPerHost: 20,
      autoAllocateBlocks: true,
      ipCooldownSeconds: 0,
    };
    expect(resource(configuration('{}'))).toMatchObject(expected);
    expect(resource(configuration('{maxBlocksPerHost: 0}'))).toMatchObject(expected);
    expect(
      resource(configuration('{strictAffinity: true, maxBlocksPerHost: 3, ipCooldownSeconds: 60}')),
    ).toMatchObject({
      strictAffinity: true,
      maxBlocksPerHost: 3,
      ipCooldownSeconds: 60,
    });
  });

  test.each([
    ['{maxBlocksPerHost: 1000001}', 'spec.maxBlocksPerHost: must be a number from 0 to 1000000'],
    ['{ipCooldownSeconds: 1201}', 'spec.ipCooldownSeconds: must be a number from 0 to 1200'],
    [
      '{autoAllocateBlocks: false}',
      'spec.autoAllocateBlocks: cannot be false while strictAffinity is false.',
    ],
  ])('%s is refused', (spec, expected) => {
    expect(flaws(configuration(spec))).toEqual([expect.stringContaining(expected)]);
  });

  test('a name other than default is refused', () => {
    expect(flaws(configuration('{}', 'other'))).toEqual([
      expect.stringContaining('metadata.name: is no name'),
    ]);
  });
});

test('an IPReservation takes prefixes and single addresses', () => {
  expect(
    resource(object('IPReservation', 'spec: {reservedCIDRs: [10.0.0.0/28, 10.0.0.9, "fd00::1"]}')),
  ).toMatchObject({
    reservedCidrs: ['10.0.0.0/28', '10.0.0.9/32', 'fd00::1/128'].map(parsePrefix),
  });
  expect(flaws(object('IPReservation', 'spec: {reservedCIDRs: [x]}'))).toHaveLength(1);
});

describe('CalicoNodeStatus', () => {
  test('the reports of both daemons are read; Calico’s own status and fields of other versions pass', () => {
    const bgp =
      '{version: 1.0.0, at: "2030-01-01T00:00:00Z", inSync: true, problems: [], sessions: {established: 1, total: 2}, peers: [{name: tor, address: 10.0.0.1, type: global, asn: 64513, state: Established, since: "2030-01-01T00:00:00Z", received: 1, accepted: 1, advertised: 2}], originated: [10.1.0.0/26], kernel: {installed: 3, pending: 0}, sees: [n2], later: 1}';
    expect(
      resource(
        object(
          'CalicoNodeStatus',
          `spec: {node: n1, classes: [BGP]}, status: {bgp: {numberEstablishedV4: 1}, tortie: {bgp: ${bgp}}}`,
          'n1',
        ),
      ),
    ).toMatchObject({
      kind: 'CalicoNodeStatus',
      node: 'n1',
      report: { bgp: { sees: ['n2'], peers: [{ name: 'tor', asn: 64513 }] } },
    });
    expect(resource(object('CalicoNodeStatus', 'spec: {node: n1}', 'n1'))).toMatchObject({ report: {} });
  });
});
