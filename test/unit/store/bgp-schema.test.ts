import { describe, expect, test } from 'vitest';
import { asn, parseAddress, parsePrefix } from '../../../src/lib/net.ts';
import { parseSelector } from '../../../src/model/selector.ts';
import { flaws, resource } from './schema.ts';

const configuration = (spec: string, name = 'default') =>
  `{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: ${name}}, spec: ${spec}}`;
const peer = (spec: string) =>
  `{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor}, spec: ${spec}}`;
const pool = (spec: string) =>
  `{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: pods}, spec: ${spec}}`;

describe('BGPConfiguration', () => {
  test('an empty spec means the defaults: AS 64512, port 179, mesh on', () => {
    const expected = {
      kind: 'BGPConfiguration',
      asNumber: 64512,
      listenPort: 179,
      nodeToNodeMeshEnabled: true,
    };
    expect(resource(configuration('{}'))).toMatchObject(expected);
    expect(
      resource('{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}}'),
    ).toMatchObject(expected);
  });

  test('what is given replaces the defaults', () => {
    expect(
      resource(configuration('{asNumber: 65001, listenPort: 1179, nodeToNodeMeshEnabled: false}')),
    ).toMatchObject({ asNumber: 65001, listenPort: 1179, nodeToNodeMeshEnabled: false });
  });

  test('service prefixes are read; none unless given, and whole prefixes are announced unless Disabled', () => {
    expect(
      resource(
        configuration(
          '{serviceClusterIPs: [{cidr: 10.96.0.0/12}, {cidr: "fd00::/108"}], serviceExternalIPs: [{cidr: 192.0.2.1/32}], serviceLoadBalancerIPs: [{cidr: 198.51.100.0/24}], serviceLoadBalancerAggregation: Disabled}',
        ),
      ),
    ).toMatchObject({
      serviceClusterIps: [parsePrefix('10.96.0.0/12'), parsePrefix('fd00::/108')],
      serviceExternalIps: [parsePrefix('192.0.2.1/32')],
      serviceLoadBalancerIps: [parsePrefix('198.51.100.0/24')],
      serviceLoadBalancerAggregation: false,
    });
    expect(resource(configuration('{}'))).toMatchObject({
      serviceClusterIps: [],
      serviceExternalIps: [],
      serviceLoadBalancerIps: [],
      serviceLoadBalancerAggregation: true,
    });
  });

  test('the configuration Calico itself creates is taken', () => {
    expect(
      flaws(configuration('{logSeverityScreen: Info, nodeToNodeMeshEnabled: true, asNumber: 64512}')),
    ).toEqual([]);
  });

  test.each([
    ['{asNumber: "1.10"}', 65546],
    ['{asNumber: "64513"}', 64513],
    ['{asNumber: 4294967294}', 4294967294],
  ])('%s is AS %i', (spec, number) => {
    expect(resource(configuration(spec))).toMatchObject({ asNumber: number });
  });

  test.each([
    [
      '{asNumber: -1}',
      'spec.asNumber: must be an AS number, but is -1. Write a number from 1 to 4294967295, like 64512 or "1.10".',
    ],
    ['{asNumber: 4294967296}', 'spec.asNumber: must be an AS number, but is 4294967296.'],
    ['{asNumber: 1.5}', 'spec.asNumber: must be an AS number, but is 1.5.'],
    ['{asNumber: "1.65536"}', 'spec.asNumber: must be an AS number, but is the text "1.65536".'],
    ['{asNumber: 0}', 'spec.asNumber: cannot be 0: RFC 7607 forbids it.'],
    ['{asNumber: 23456}', 'spec.asNumber: cannot be 23456: RFC 6793'],
    ['{asNumber: 65535}', 'spec.asNumber: cannot be 65535: RFC 7300'],
    ['{asNumber: [1]}', 'spec.asNumber: must be an AS number, but is a list.'],
    ['{listenPort: 0}', 'spec.listenPort: must be a port number from 1 to 65535, but is 0.'],
    ['{listenPort: "179"}', 'spec.listenPort: must be a port number from 1 to 65535, but is the text "179".'],
    [
      '{nodeToNodeMeshEnabled: "yes"}',
      'spec.nodeToNodeMeshEnabled: must be true or false, but is the text "yes". Write true or false, without quotes.',
    ],
    ['{asNumbr: 1}', 'spec.asNumbr: is not a field of this object. Did you mean asNumber?'],
    ['{ASNumber: 1}', 'spec.ASNumber: is not a field of this object. Did you mean asNumber?'],
    [
      '{frobnicate: 1}',
      'spec.frobnicate: is not a field of this object. Remove it; the fields are asNumber,',
    ],
    [
      '{nodeMeshPassword: {}}',
      'spec.nodeMeshPassword.secretKeyRef: is missing. Give an object with named fields.',
    ],
    [
      '{nodeMeshPassword: {secretKeyRef: {name: a, key: b, optional: true}}}',
      'spec.nodeMeshPassword.secretKeyRef.optional: cannot be true: no session comes up without its password.',
    ],
    [
      '{logSeverityScreen: Loud}',
      'spec.logSeverityScreen: must be one of Debug, Info, Warning, Error, Fatal',
    ],
    ['{bindMode: All}', 'spec.bindMode: must be one of None, NodeIP'],
    ['{ignoredInterfaces: ["*"]}', 'spec.ignoredInterfaces[0]: must be the name of a link'],
    ['{programClusterRoutes: EnabledIPIPOnly}', 'there is no IPIP. Write Enabled, or Disabled.'],
    ['{programClusterRoutes: Yes}', 'must be Enabled, EnabledNoEncapOnly or Disabled'],
    ['{ipv4NormalRoutePriority: 0}', 'must be a metric from 1 to 2147483646, but is 0.'],
    ['{localWorkloadPeeringIPV4: "fd00::1"}', 'must be an IPv4 address, but is the text "fd00::1".'],
    ['{localWorkloadPeeringIPV6: 10.0.0.1}', 'must be an IPv6 address, but is the text "10.0.0.1".'],
    ['{localWorkloadPeeringIPV4: tor}', 'must be an IP address, but is the text "tor"'],
    ['{localWorkloadPeeringIPV4: 127.0.0.1}', 'a loopback address is the pod’s own'],
    ['{localWorkloadPeeringIPV6: "fe80::1"}', 'a pod dials a link-local address from one of its own'],
    ['{multipath: {ebgp: 65}}', 'spec.multipath.ebgp: must be a number of paths from 1 to 64, but is 65.'],
    ['{bestPath: {alwaysCompareMed: true}}', 'Did you mean alwaysCompareMED?'],
    ['{serviceClusterIPs: [10.96.0.0/12]}', 'spec.serviceClusterIPs[0]: must be an object with named fields'],
    ['{serviceExternalIPs: [{cidr: x}]}', 'spec.serviceExternalIPs[0].cidr: must be an IP prefix'],
    ['{serviceLoadBalancerAggregation: true}', 'must be one of Enabled, Disabled, but is true.'],
    ['[]', 'spec: must be an object with named fields, but is a list.'],
  ])('%s is refused', (spec, expected) => {
    expect(flaws(configuration(spec))).toEqual([expect.stringContaining(expected)]);
  });

  test('every flaw is reported, not only the first', () => {
    expect(flaws(configuration('{asNumber: x, listenPort: 0, foo: 1}'))).toHaveLength(3);
  });

  test('what it says beyond Calico’s own is read as it is', () => {
    expect(
      resource(
        configuration(
          '{logSeverityScreen: WARNING, bindMode: NodeIP, ignoredInterfaces: [docker0, "br-*"], programClusterRoutes: Disabled, ipv4NormalRoutePriority: 20, ipv6NormalRoutePriority: 30, multipath: {ebgp: 4, ibgp: 1, relaxASPath: true}, bestPath: {alwaysCompareMED: true, missingMEDWorst: true}, requireEBGPPolicy: true}',
        ),
      ),
    ).toMatchObject({
      logLevel: 'warn',
      bindMode: 'NodeIP',
      ignoredInterfaces: ['docker0', 'br-*'],
      programClusterRoutes: false,
      ipv4RoutePriority: 20,
      ipv6RoutePriority: 30,
      multipath: { ebgp: 4, ibgp: 1, relaxAsPath: true },
      bestPath: { alwaysCompareMed: true, missingMedWorst: true },
      requireEbgpPolicy: true,
    });
  });

  test('an object node.NAME holds what one node has for itself, and nothing that is for all', () => {
    expect(resource(configuration('{listenPort: 1790, logSeverityScreen: Debug}', 'node.a'))).toMatchObject({
      override: { listenPort: 1790, logLevel: 'debug' },
    });
    expect(resource(configuration('{}'))).not.toHaveProperty('override');
    // The API server fills this in.
    expect(resource(configuration('{serviceLoadBalancerAggregation: Enabled}', 'node.a'))).toMatchObject({
      override: {},
    });
    expect(
      flaws(configuration('{asNumber: 1, nodeToNodeMeshEnabled: false, serviceClusterIPs: []}', 'node.a')),
    ).toEqual([
      'spec.asNumber: cannot stand in an object for one node. Set the annotation projectcalico.org/ASNumber of the Node instead.',
      'spec.nodeToNodeMeshEnabled: cannot stand in an object for one node. Say it in BGPConfiguration/default.',
      'spec.serviceClusterIPs: cannot stand in an object for one node. Say it in BGPConfiguration/default.',
    ]);
    expect(flaws(configuration('{serviceLoadBalancerAggregation: Disabled}', 'node.a'))).toHaveLength(1);
  });

  test('a name other than default and node.NAME is refused', () => {
    expect(flaws(configuration('{}', 'node.'))[0]).toMatch(/^metadata.name: /);
    expect(flaws(configuration('{}', 'other'))[0]).toMatch(/^metadata.name: is no name with a meaning/);
  });

  test('a field with null counts as absent', () => {
    expect(resource(configuration('{asNumber: null, listenPort: }'))).toMatchObject({ asNumber: 64512 });
  });
});

describe('BGPPeer', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1', undefined],
    ['10.0.0.1:1790', '10.0.0.1', 1790],
    ['"fd00::1"', 'fd00::1', undefined],
    ['"[fd00::1]:1790"', 'fd00::1', 1790],
    ['127.0.0.1:1179', '127.0.0.1', 1179],
  ])('peerIP %s', (text, ip, port) => {
    expect(resource(peer(`{peerIP: ${text}, asNumber: 64513}`))).toEqual({
      kind: 'BGPPeer',
      meta: { name: 'tor', labels: {}, annotations: {} },
      remote: { kind: 'address', ip: parseAddress(ip), ...(port === undefined ? {} : { port }) },
      asNumber: asn(64513),
      filters: [],
    });
  });

  test('what is told and taken of a peer can be chosen; values that ask for nothing are as none', () => {
    const plain = resource(peer('{peerIP: 10.0.0.1, asNumber: 1}'));
    expect(
      resource(
        peer(
          '{peerIP: 10.0.0.1, asNumber: 1, localASNumber: "1.1", numAllowedLocalASNumbers: 2, nextHopMode: Self, sourceAddress: None}',
        ),
      ),
    ).toEqual({
      ...(plain as object),
      localAsNumber: 65537,
      numAllowedLocalAsNumbers: 2,
      nextHopMode: 'Self',
      sourceAddress: 'None',
    });
    expect(
      resource(
        peer(
          '{peerIP: 10.0.0.1, asNumber: 1, numAllowedLocalASNumbers: 0, nextHopMode: Auto, keepOriginalNextHop: false, sourceAddress: UseNodeIP}',
        ),
      ),
    ).toEqual(plain);
    expect(
      resource(peer('{peerIP: 10.0.0.1, asNumber: 1, nextHopMode: Auto, keepOriginalNextHop: true}')),
    ).toEqual({ ...(plain as object), keepOriginalNextHop: true });
  });

  test('a selector is parsed, a keepalive time is in milliseconds', () => {
    const parsed = parseSelector('rack == "1"');
    expect(
      resource(peer(`{peerIP: 10.0.0.1, asNumber: 1, nodeSelector: "rack == '1'", keepaliveTime: 1m30s}`)),
    ).toMatchObject({ nodeSelector: parsed.ok && parsed.value, keepaliveTimeMs: 90_000 });
  });

  test('an empty node, nodeSelector or peerSelector is the same as none', () => {
    const plain = resource(peer('{peerIP: 10.0.0.1, asNumber: 1}'));
    expect(
      resource(
        peer('{peerIP: 10.0.0.1, asNumber: 1, node: "", nodeSelector: "", peerSelector: "", filters: []}'),
      ),
    ).toEqual(plain);
  });

  test.each([
    [
      '{asNumber: 1}',
      'spec.peerIP: is missing. Give one of peerIP, peerSelector, peerRange, interface and localWorkloadSelector.',
    ],
    ['{peerIP: 10.0.0.1}', 'spec.asNumber: is missing.'],
    ['{peerIP: 10.0.0.256, asNumber: 1}', 'spec.peerIP: must be an IP address, but is the text "10.0.0.256"'],
    ['{peerIP: 010.0.0.1, asNumber: 1}', "IPv4 addresses can't have leading zeroes"],
    ['{peerIP: 10.0.0.1/24, asNumber: 1}', 'it is a prefix, not a single address'],
    ['{peerIP: "fe80::1%eth0", asNumber: 1}', 'an address with a zone (%) is not taken here'],
    [
      '{peerIP: "fe80::1", asNumber: 1}',
      'a link-local address says nothing without its link: give interface instead of peerIP',
    ],
    ['{peerIP: 224.0.0.5, asNumber: 1}', 'it is a multicast address'],
    ['{peerIP: 0.0.0.0, asNumber: 1}', 'it is the address of no host'],
    ['{peerIP: "10.0.0.1:0", asNumber: 1}', 'must have a port from 1 to 65535, but it is 0'],
    ['{peerIP: "10.0.0.1:99999", asNumber: 1}', 'must have a port from 1 to 65535, but it is 99999'],
    ['{peerIP: tor, asNumber: 1}', 'must be an IP address, but is the text "tor"'],
    ['{peerIP: "1::2::3", asNumber: 1}', 'Too many :: groups found'],
    [
      '{peerIP: 10.0.0.1, asNumber: 1, nodeSelector: "rack = 1"}',
      'spec.nodeSelector: is not a selector: at character 6: expected "==", "!="',
    ],
    [
      '{peerIP: 10.0.0.1, asNumber: 1, node: a, nodeSelector: has(x)}',
      'spec.node: cannot stand next to nodeSelector. Keep one of the two.',
    ],
    [
      '{peerIP: 10.0.0.1, asNumber: 1, keepaliveTime: 30}',
      'spec.keepaliveTime: must be a duration like "30s", but is 30.',
    ],
    [
      '{peerIP: 10.0.0.1, asNumber: 1, keepaliveTime: 0s}',
      'spec.keepaliveTime: is out of range: the text "0s". Write whole seconds from "1s" to "21845s".',
    ],
    ['{peerIP: 10.0.0.1, asNumber: 1, keepaliveTime: 500ms}', 'must be a duration like "30s"'],
    [
      '{peerIP: 10.0.0.1, asNumber: 1, password: {secretKeyRef: {name: a}}}',
      'spec.password.secretKeyRef.key: is missing. Write it as the Secret has it, for example tor1.',
    ],
    [
      '{peerIP: 10.0.0.1, asNumber: 1, ttlSecurity: 256}',
      'spec.ttlSecurity: must be a number of hops from 0 to 255, but is 256.',
    ],
    [
      '{peerIP: 10.0.0.1, asNumber: 1, keepOriginalNextHop: true, nextHopMode: Self}',
      'spec.keepOriginalNextHop: cannot stand next to nextHopMode. Keep nextHopMode.',
    ],
    ['{peerIP: 10.0.0.1, asNumber: 1, nextHopMode: self}', 'must be one of Auto, Self, Keep'],
    ['{peerIP: 10.0.0.1, asNumber: 1, filters: [1]}', 'spec.filters[0]: must be a text, but is 1.'],
    [
      '{peerIP: 10.0.0.1, asNumber: 1, peerIp: x}',
      'spec.peerIp: is not a field of this object. Did you mean peerIP?',
    ],
  ])('%s is refused', (spec, expected) => {
    expect(flaws(peer(spec))).toEqual([expect.stringContaining(expected)]);
  });

  test.each([
    [
      '{}',
      'spec.peerIP: is missing. Give one of peerIP, peerSelector, peerRange, interface and localWorkloadSelector.',
    ],
    [
      '{peerIP: 10.0.0.1, peerSelector: all(), asNumber: 1}',
      'spec.peerSelector: cannot stand next to peerIP. Keep one of peerIP, peerSelector',
    ],
    ['{peerRange: 10.0.0.0/24, interface: eth1}', 'spec.interface: cannot stand next to peerRange.'],
    ['{peerSelector: all(), asNumber: 1}', 'spec.asNumber: cannot stand next to peerSelector'],
    ['{interface: "eth 1", asNumber: 1}', 'spec.interface: must be the name of a link'],
    ['{peerRange: 10.0.0.1/24}', 'spec.peerRange: has bits set after the first 24'],
    ['{peerRange: 10.0.0.0/24, connectMode: Active}', 'spec.connectMode: cannot be Active with peerRange.'],
    ['{peerRange: 10.0.0.0/24, bfd: {strict: true}}', 'spec.bfd.strict: cannot stand next to peerRange'],
    ['{peerIP: 10.0.0.1, asNumber: 1, peerLimit: 3}', 'spec.peerLimit: goes with peerRange.'],
    ['{peerRange: 10.0.0.0/24, connectMode: Active}', 'spec.connectMode: cannot be Active with peerRange.'],
    ['{peerSelector: all(), reachableBy: 10.0.0.9}', 'spec.reachableBy: goes with peerIP.'],
    ['{peerIP: 10.0.0.1, asNumber: 1, reachableBy: "fd00::1"}', 'must be of the same IP version as peerIP'],
    ['{peerIP: 10.0.0.1, asNumber: 1, reachableBy: 10.0.0.1}', 'spec.reachableBy: is the peer itself.'],
    ['{peerIP: 10.0.0.1, asNumber: 1, holdTime: 2s}', 'spec.holdTime: must be 0s, or 3s and more'],
    ['{peerIP: 10.0.0.1, asNumber: 1, holdTime: 65536s}', 'spec.holdTime: is out of range'],
    ['{peerIP: 10.0.0.1, asNumber: 1, connectRetry: 0s}', 'spec.connectRetry: is out of range'],
    ['{peerIP: 10.0.0.1, asNumber: 1, families: [IPv4, IPv4]}', 'spec.families: names one of the two twice.'],
    ['{peerIP: 10.0.0.1, asNumber: 1, families: []}', 'spec.families: names no IP version.'],
    ['{peerIP: 10.0.0.1, asNumber: 1, role: boss}', 'must be one of provider, rs, rs-client, customer, peer'],
    ['{peerIP: 10.0.0.1, asNumber: 1, roleStrict: true}', 'spec.roleStrict: goes with a role.'],
    [
      '{peerIP: 10.0.0.1, asNumber: 1, addPath: {send: 0}}',
      'must be a number of paths from 1 to 255, or All',
    ],
    ['{peerIP: 10.0.0.1, asNumber: 1, maxPrefix: {ipv4: {}}}', 'spec.maxPrefix.ipv4.limit: is missing.'],
    [
      '{peerIP: 10.0.0.1, asNumber: 1, maxPrefix: {ipv4: {limit: 9, action: Warn, restartAfter: 60s}}}',
      'spec.maxPrefix.ipv4.restartAfter: goes with the action Cease.',
    ],
    ['{peerIP: 10.0.0.1, asNumber: 1, prefixLimit: {ipv6: 0}}', 'must be a number of prefixes from 1'],
    ['{peerIP: 10.0.0.1, asNumber: 1, longLivedStaleTime: 1h}', 'goes with the restartMode LongLived'],
    [
      '{peerIP: 10.0.0.1, asNumber: 1, failureDetectionMode: None, bfd: {}}',
      'spec.bfd: cannot stand next to failureDetectionMode None.',
    ],
    [
      '{peerIP: 10.0.0.1, asNumber: 1, failureDetectionMode: BFDIfDirectlyConnected, bfd: {multihop: true}}',
      'spec.bfd: cannot be multihop with',
    ],
    [
      '{peerIP: 10.0.0.1, asNumber: 1, bfd: {minimumSendInterval: 5ms}}',
      'spec.bfd.minimumSendInterval: is out of range: the text "5ms". Write a duration from "10ms" to "60s"',
    ],
    ['{peerIP: 10.0.0.1, asNumber: 1, bfd: {multiplier: 0}}', 'must be a number of packets from 1 to 255'],
    [
      '{peerIP: 10.0.0.1, asNumber: 1, localWorkloadSelector: all()}',
      'spec.localWorkloadSelector: cannot stand next to peerIP.',
    ],
    ['{localWorkloadSelector: all()}', 'spec.asNumber: is missing.'],
    ['{localWorkloadSelector: "app ==", asNumber: 1}', 'spec.localWorkloadSelector: '],
    [
      '{localWorkloadSelector: all(), asNumber: 1, reachableBy: 10.0.0.9}',
      'spec.reachableBy: goes with peerIP.',
    ],
    [
      '{localWorkloadSelector: all(), asNumber: 1, reversePeering: Manual}',
      'goes with peers that are nodes.',
    ],
    [
      '{localWorkloadSelector: all(), asNumber: 1, connectMode: Active}',
      'cannot be Active with localWorkload',
    ],
    ['{localWorkloadSelector: all(), asNumber: 1, bfd: {}}', 'spec.bfd: cannot stand next to localWorkload'],
    ['{localWorkloadSelector: all(), asNumber: 1, peerLimit: 3}', 'spec.peerLimit: goes with peerRange.'],
  ])('of what Calico lacks or we did, %s is refused', (spec, expected) => {
    expect(flaws(peer(spec))).toEqual([expect.stringContaining(expected)]);
  });

  test('who the peer is: pods of the same node, with all that any peer may have', () => {
    expect(
      resource(
        peer(
          '{localWorkloadSelector: "app == \'router\'", asNumber: 64600, nodeSelector: has(rack), filters: [f], reversePeering: Auto}',
        ),
      ),
    ).toMatchObject({ remote: { kind: 'workloads' }, asNumber: 64600, filters: ['f'] });
  });

  test('where pods dial: an address of each version, or none', () => {
    expect(
      resource(
        configuration('{localWorkloadPeeringIPV4: 169.254.77.1, localWorkloadPeeringIPV6: "fd00:77::1"}'),
      ),
    ).toMatchObject({ workloadPeering: { ipv4: 0xa9fe4d01 } });
    expect(resource(configuration('{localWorkloadPeeringIPV4: ""}'))).not.toHaveProperty('workloadPeering');
    const name = 'node.node1';
    expect(
      resource(configuration('{localWorkloadPeeringIPV4: 169.254.77.1}').replace('default', name)),
    ).toMatchObject({ override: { workloadPeering: { ipv4: 0xa9fe4d01 } } });
  });

  test('who the peer is: nodes by a selector, a range, a link', () => {
    expect(resource(peer('{peerSelector: "has(rr)", reversePeering: Manual}'))).toMatchObject({
      remote: { kind: 'nodes' },
      reversePeering: 'Manual',
    });
    expect(resource(peer('{peerRange: 10.1.0.0/16}'))).toMatchObject({
      remote: { kind: 'range', range: parsePrefix('10.1.0.0/16'), limit: 100 },
    });
    expect(resource(peer('{peerRange: 10.1.0.0/16, peerLimit: 2, asNumber: 7}'))).toMatchObject({
      remote: { kind: 'range', limit: 2 },
      asNumber: 7,
    });
    expect(resource(peer('{interface: eth1, asNumber: 65001}'))).toMatchObject({
      remote: { kind: 'link', interface: 'eth1' },
    });
  });

  test('each extension is read, with what holds when only half of it is said', () => {
    const plain = resource(peer('{peerIP: 10.0.0.1, asNumber: 1}'));
    const more = '{peerIP: 10.0.0.1, asNumber: 1, ';
    const read = (fields: string): object => resource(peer(`${more}${fields}}`)) as object;
    const added = (fields: string): object =>
      Object.fromEntries(
        Object.entries(read(fields)).filter(([key]) => !Object.hasOwn(plain as object, key)),
      );
    expect(added('holdTime: 9s, connectRetry: 1s, connectMode: Passive, reachableBy: 10.9.0.1')).toEqual({
      holdTimeMs: 9000,
      connectRetryMs: 1000,
      connectMode: 'Passive',
      reachableBy: parseAddress('10.9.0.1'),
    });
    expect(added('families: [IPv6, IPv4], role: rs-client, roleStrict: true')).toEqual({
      families: [4, 6],
      role: { own: 'rs-client', isStrict: true },
    });
    expect(added('addPath: {receive: true, send: All}, gracefulShutdown: true, privateAS: Replace')).toEqual({
      addPath: { receive: true, send: 'all' },
      gracefulShutdown: true,
      privateAs: 'replace',
    });
    expect(
      added(
        'maxPrefix: {ipv4: {limit: 10}, ipv6: {limit: 5, warnPercent: 50, action: Discard}}, prefixLimit: {ipv4: 3}',
      ),
    ).toEqual({
      maxPrefix: {
        ipv4: { most: 10, warnPercent: 80, action: 'cease' },
        ipv6: { most: 5, warnPercent: 50, action: 'discard' },
      },
      prefixLimit: { ipv4: 3 },
    });
    expect(added('restartMode: LongLivedGracefulRestart')).toEqual({ longLivedMs: 3_600_000 });
    expect(added('restartMode: LongLivedGracefulRestart, longLivedStaleTime: 24h')).toEqual({
      longLivedMs: 86_400_000,
    });
    expect(added('restartMode: GracefulRestartNotification')).toEqual({ notificationRestart: true });
    expect(added('enforceFirstAS: true')).toEqual({ enforceFirstAs: true });
    expect(added('bfd: {}')).toEqual({ bfd: { minTxMs: 300, minRxMs: 300, multiplier: 3 } });
    expect(
      added(
        'bfd: {minimumSendInterval: 50ms, minimumRecvInterval: 1s, multiplier: 5, multihop: true, strict: true}',
      ),
    ).toEqual({ bfd: { minTxMs: 50, minRxMs: 1000, multiplier: 5, isMultihop: true, isStrict: true } });
    expect(added('failureDetectionMode: BFDIfDirectlyConnected')).toEqual({
      bfd: { minTxMs: 300, minRxMs: 300, multiplier: 3, ifConnected: true },
    });
    expect(
      added(
        'connectMode: Both, restartMode: GracefulRestart, enforceFirstAS: false, privateAS: Keep, failureDetectionMode: None, gracefulShutdown: false, addPath: {receive: false}',
      ),
    ).toEqual({});
  });

  test('when it was made is read, for who was first', () => {
    const json =
      '{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: a, creationTimestamp: "2030-01-01T00:00:00Z"}, spec: {peerIP: 10.0.0.1, asNumber: 1}}';
    expect(resource(json)).toMatchObject({ created: '2030-01-01T00:00:00Z' });
  });

  test('without a spec the missing spec is named', () => {
    expect(flaws('{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: a}}')).toEqual([
      'spec: is missing. Give an object with named fields.',
    ]);
  });
});

describe('communities', () => {
  test('of prefixAdvertisements are found by name, or are written out', () => {
    expect(
      resource(
        configuration(
          '{communities: [{name: rack, value: "64512:1"}, {name: big, value: "64512:1:4294967295"}], prefixAdvertisements: [{cidr: 10.0.0.0/8, communities: [rack, "65535:666", big]}]}',
        ),
      ),
    ).toMatchObject({
      prefixAdvertisements: [
        {
          cidr: parsePrefix('10.0.0.0/8'),
          communities: [
            { kind: 'standard', value: 64512 * 65536 + 1 },
            { kind: 'standard', value: 0xffff_029a },
            { kind: 'large', parts: [64512, 1, 4294967295] },
          ],
        },
      ],
    });
    expect(resource(configuration('{}'))).toMatchObject({ prefixAdvertisements: [] });
  });

  test.each([
    [
      '{prefixAdvertisements: [{cidr: 10.0.0.0/8, communities: ["1:1", rack]}]}',
      'spec.prefixAdvertisements[0].communities[1]: is neither a community nor a name of spec.communities: the text "rack". Add it',
    ],
    ['{communities: [{name: a, value: "1:65536"}]}', 'spec.communities[0].value: has the part 65536'],
    ['{communities: [{name: a, value: "1:1:4294967296"}]}', 'of which the greatest is 4294967295.'],
    ['{communities: [{name: a, value: "1"}]}', 'spec.communities[0].value: must be a community'],
    ['{communities: [{name: "a b", value: "1:1"}]}', 'spec.communities[0].name: must be a name'],
    ['{communities: [{name: a}]}', 'spec.communities[0].value: is missing.'],
  ])('%s is refused', (spec, expected) => {
    expect(flaws(configuration(spec))).toEqual([expect.stringContaining(expected)]);
  });
});

describe('BGPFilter', () => {
  const filter = (spec: string) =>
    `{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {name: f}, spec: ${spec}}`;

  test('every field of a rule is read, with the bounds that a prefix has by itself', () => {
    const rule =
      '{action: Accept, cidr: 10.0.0.0/8, matchOperator: In, source: RemotePeers, peerType: eBGP, communities: {values: ["1:2"]}, asPathPrefix: [65000, "1.1"], priority: 1024, interface: "*", operations: [{addCommunity: {value: "1:2:3"}}, {prependASPath: {prefix: [65001]}}, {setPriority: {value: 7}}, {setLocalPref: {value: 200}}, {setMED: {value: 0}}]}';
    expect(resource(filter(`{exportV4: [${rule}]}`))).toEqual({
      kind: 'BGPFilter',
      meta: { name: 'f', labels: {}, annotations: {} },
      exportV4: [
        {
          action: 'Accept',
          prefix: { cidr: parsePrefix('10.0.0.0/8'), operator: 'In', least: 8, most: 32 },
          source: 'RemotePeers',
          peerType: 'eBGP',
          community: { kind: 'standard', value: 65538 },
          asPathPrefix: [65000, 65537],
          priority: 1024,
          operations: [
            { kind: 'addCommunity', community: { kind: 'large', parts: [1, 2, 3] } },
            { kind: 'prependAsPath', asns: [65001] },
            { kind: 'setPriority', priority: 7 },
            { kind: 'setLocalPref', value: 200 },
            { kind: 'setMed', value: 0 },
          ],
        },
      ],
      importV4: [],
      exportV6: [],
      importV6: [],
    });
  });

  test.each([
    ['""', undefined],
    ['"*"', undefined],
    ['eth0', 'eth0'],
    ['"*.calico"', '*.calico'],
  ])('a rule for interface %s asks for %s', (written, link) => {
    expect(resource(filter(`{importV4: [{action: Accept, interface: ${written}}]}`))).toMatchObject({
      importV4: [link === undefined ? { action: 'Accept', operations: [] } : { action: 'Accept', link }],
    });
  });

  test('a rule without matchers, and bounds of length, are taken', () => {
    expect(
      resource(
        filter(
          '{importV6: [{action: Accept, cidr: "fd00::/16", matchOperator: NotIn, prefixLength: {min: 48}}, {action: Reject}]}',
        ),
      ),
    ).toMatchObject({
      importV6: [
        { prefix: { operator: 'NotIn', least: 48, most: 128 }, operations: [] },
        { action: 'Reject', operations: [] },
      ],
    });
    expect(resource(filter('{}'))).toMatchObject({ importV4: [], exportV6: [] });
  });

  test.each([
    ['{exportV4: [{}]}', 'spec.exportV4[0].action: is missing.'],
    ['{exportV4: [{action: Drop}]}', 'must be one of Accept, Reject'],
    [
      '{exportV4: [{action: Accept, cidr: 10.0.0.0/8}]}',
      'spec.exportV4[0].cidr: stands without matchOperator.',
    ],
    ['{exportV4: [{action: Accept, matchOperator: In}]}', 'spec.exportV4[0].matchOperator: has no cidr'],
    [
      '{exportV4: [{action: Accept, cidr: "fd00::/8", matchOperator: In}]}',
      'spec.exportV4[0].cidr: must be an IPv4 prefix, but is fd00::/8. Move the rule to the list for IPv6.',
    ],
    [
      '{importV4: [{action: Accept, cidr: 10.0.0.0/8, matchOperator: Equal, prefixLength: {min: 9}}]}',
      'spec.importV4[0].prefixLength: has a meaning with the matchOperator In or NotIn only.',
    ],
    [
      '{importV4: [{action: Accept, cidr: 10.0.0.0/8, matchOperator: In, prefixLength: {min: 25, max: 24}}]}',
      'spec.importV4[0].prefixLength: has a min of 25, greater than its max of 24.',
    ],
    [
      '{importV4: [{action: Accept, cidr: 10.0.0.0/8, matchOperator: In, prefixLength: {max: 33}}]}',
      'must be a prefix length from 0 to 32, but is 33.',
    ],
    [
      '{importV4: [{action: Accept, interface: "eth 0"}]}',
      'spec.importV4[0].interface: must be the name of a link, or one with * in it, but is the text "eth 0". Write for example eth0 or *.calico.',
    ],
    [
      '{importV4: [{action: Reject, operations: [{setPriority: {value: 1}}]}]}',
      'spec.importV4[0].operations: are for rules that accept. Remove them.',
    ],
    ['{importV4: [{action: Accept, operations: [{}]}]}', 'spec.importV4[0].operations[0]: has 0 operations.'],
    ['{importV4: [{action: Accept, operations: []}]}', 'spec.importV4[0].operations: has 0 elements.'],
    [
      '{importV4: [{action: Accept, operations: [{setPriority: {value: 1}, addCommunity: {value: "1:1"}}]}]}',
      'operations[0]: has 2 operations. Give exactly one of addCommunity, prependASPath, setPriority, setLocalPref, setMED.',
    ],
    [
      '{importV4: [{action: Accept, communities: {values: ["1:1", "1:2"]}}]}',
      'communities.values: has 2 elements. Give from 1 to 1.',
    ],
    ['{importV4: [{action: Accept, priority: 0}]}', 'must be a priority from 1 to 2147483646, but is 0.'],
    ['{importv4: []}', 'spec.importv4: is not a field of this object. Did you mean importV4?'],
  ])('%s is refused', (spec, expected) => {
    expect(flaws(filter(spec))).toEqual([expect.stringContaining(expected)]);
  });
});

describe('IPPool', () => {
  test('the pool of a usual Calico installation without encapsulation is taken', () => {
    expect(
      resource(
        pool(
          '{cidr: 10.244.0.0/16, blockSize: 26, ipipMode: Never, vxlanMode: Never, natOutgoing: false, nodeSelector: all(), allowedUses: [Workload, Tunnel], assignmentMode: Automatic}',
        ),
      ),
    ).toEqual({
      kind: 'IPPool',
      meta: { name: 'pods', labels: {}, annotations: {} },
      cidr: parsePrefix('10.244.0.0/16'),
      disabled: false,
      disableBgpExport: false,
      blockSize: 26,
      nodeSelector: { kind: 'all' },
      namespaceSelector: { kind: 'all' },
      allowedUses: ['Workload', 'Tunnel'],
      assignmentMode: 'Automatic',
      terminating: false,
    });
  });

  test.each([
    [
      '{cidr: 10.0.0.0/16}',
      { blockSize: 26, allowedUses: ['Workload', 'Tunnel'], assignmentMode: 'Automatic' },
    ],
    ['{cidr: "fd00::/64"}', { blockSize: 122 }],
    ['{cidr: 10.0.0.0/16, blockSize: 28}', { blockSize: 28 }],
    ['{cidr: 10.0.0.0/16, allowedUses: [], assignmentMode: ""}', { allowedUses: ['Workload', 'Tunnel'] }],
    ['{cidr: 10.0.0.0/16, allowedUses: [Tunnel], assignmentMode: Manual}', { assignmentMode: 'Manual' }],
    ['{cidr: 10.0.0.0/16, allowedUses: [LoadBalancer]}', { allowedUses: ['LoadBalancer'] }],
    ['{cidr: 10.0.0.0/16, nodeSelector: has(rack)}', { nodeSelector: { kind: 'has', key: 'rack' } }],
    [
      '{cidr: 10.0.0.0/16, namespaceSelector: has(team)}',
      { namespaceSelector: { kind: 'has', key: 'team' }, allowedUses: ['Workload'] },
    ],
    ['{cidr: 10.0.0.0/28, disabled: true}', { disabled: true, blockSize: 26 }],
  ])('%s is read with its defaults', (spec, expected) => {
    expect(resource(pool(spec))).toMatchObject(expected);
  });

  test('a pool that is being deleted is terminating', () => {
    expect(
      resource(
        '{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: a, deletionTimestamp: "2030-01-01T00:00:00Z"}, spec: {cidr: 10.0.0.0/16}}',
      ),
    ).toMatchObject({ terminating: true });
  });

  test('disabled and disableBGPExport are read', () => {
    expect(resource(pool('{cidr: "fd00:1::/48", disabled: true, disableBGPExport: true}'))).toMatchObject({
      disabled: true,
      disableBgpExport: true,
    });
  });

  test.each([
    ['{}', 'spec.cidr: is missing. Write a prefix like 10.0.0.0/24 or fd00::/64.'],
    ['{cidr: 10.244.0.0}', 'the length after "/" is missing'],
    ['{cidr: 10.244.0.0/33}', 'the length after "/" must be a number from 0 to 32'],
    [
      '{cidr: 10.244.1.0/16}',
      'spec.cidr: has bits set after the first 16: the text "10.244.1.0/16". Write 10.244.0.0/16.',
    ],
    [
      '{cidr: 169.254.0.0/24}',
      'must not overlap the link-local prefix 169.254.0.0/16, but is 169.254.0.0/24',
    ],
    ['{cidr: "fe80::/64"}', 'must not overlap the link-local prefix fe80::/10'],
    [
      '{cidr: 10.0.0.0/16, blockSize: 19}',
      'spec.blockSize: must be a prefix length from 20 to 128, but is 19.',
    ],
    [
      '{cidr: 10.0.0.0/16, blockSize: 64}',
      'spec.blockSize: must be from 20 to 32 for 10.0.0.0/16, but is 64.',
    ],
    [
      '{cidr: 10.0.0.0/28, blockSize: 26}',
      'spec.blockSize: makes blocks greater than the pool: 26 against 10.0.0.0/28.',
    ],
    [
      '{cidr: 10.0.0.0/16, ipipMode: Always}',
      'spec.ipipMode: is not supported in this version: packets between nodes are routed, never encapsulated.',
    ],
    ['{cidr: 10.0.0.0/16, vxlanMode: CrossSubnet}', 'spec.vxlanMode: is not supported in this version'],
    ['{cidr: 10.0.0.0/16, natOutgoing: "yes"}', 'spec.natOutgoing: must be true or false'],
    ['{cidr: 10.0.0.0/28}', 'spec.blockSize: makes blocks greater than the pool: 26, the default, against'],
    ['{cidr: 10.0.0.0/16, nodeSelector: "!global()"}', 'spec.nodeSelector: cannot use global()'],
    [
      '{cidr: 10.0.0.0/16, namespaceSelector: "all() || global()"}',
      'spec.namespaceSelector: cannot use global()',
    ],
    [
      '{cidr: 10.0.0.0/16, namespaceSelector: has(x), allowedUses: [Workload, Tunnel]}',
      'spec.namespaceSelector: cannot stand in a pool for tunnels',
    ],
    [
      '{cidr: 10.0.0.0/16, allowedUses: [Party]}',
      'spec.allowedUses[0]: must be one of Workload, Tunnel, LoadBalancer',
    ],
    [
      '{cidr: 10.0.0.0/16, allowedUses: [LoadBalancer, Workload]}',
      'spec.allowedUses: cannot have another use next to LoadBalancer.',
    ],
    [
      '{cidr: 10.0.0.0/16, allowedUses: [LoadBalancer], nodeSelector: has(x)}',
      'spec.nodeSelector: must be all() in a LoadBalancer pool',
    ],
    [
      '{cidr: 10.0.0.0/16, allowedUses: [LoadBalancer], disableBGPExport: true}',
      'spec.disableBGPExport: cannot be true in a LoadBalancer pool.',
    ],
    ['{cidr: 10.0.0.0/16, assignmentMode: Never}', 'spec.assignmentMode: must be one of Automatic, Manual'],
  ])('%s is refused', (spec, expected) => {
    expect(flaws(pool(spec))).toEqual([expect.stringContaining(expected)]);
  });
});
