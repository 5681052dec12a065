import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { at } from '../../../src/ctl/cluster/json.ts';
import { parseLabelQuery } from '../../../src/ctl/cluster/labels.ts';
import { ageText } from '../../../src/ctl/objects/age.ts';
import { describeText } from '../../../src/ctl/objects/describe.ts';
import { printerFor } from '../../../src/ctl/objects/get.ts';
import { jsonPatch } from '../../../src/ctl/objects/json-patch.ts';
import { kindNamed, kindWords } from '../../../src/ctl/objects/names.ts';
import { validateContents, verdictText } from '../../../src/ctl/objects/validate.ts';
import { matchesLabels } from '../../../src/model/labels.ts';
import type { Kind } from '../../../src/model/resource.ts';
import { readDocuments } from '../../../src/store/dir/documents.ts';
import { allKinds, kinds } from '../../../src/store/kinds.ts';
import type { Manifest } from '../../../src/store/objects.ts';
import { peerManifest } from '../../support/manifests.ts';
import { now } from '../../support/reports.ts';

const calico = (kind: Kind, name: string, spec: Manifest): Manifest => ({
  apiVersion: kinds[kind].apiVersion,
  kind,
  metadata: { name },
  spec,
});

describe('a kind is known', () => {
  test.each(
    allKinds
      .filter((kind) => kind !== 'NetworkPolicy')
      .flatMap((kind) => [kind, kind.toUpperCase(), kinds[kind].plural].map((word) => [word, kind])),
  )('as %s', (word, kind) => expect(kindNamed(word)).toEqual({ ok: true, value: kind }));

  test.each([
    ['bgpp', 'BGPPeer'],
    ['bp', 'BGPPeer'],
    ['bgpconfig', 'BGPConfiguration'],
    ['pool', 'IPPool'],
    ['ipp', 'IPPool'],
    ['no', 'Node'],
    ['np', 'CalicoNetworkPolicy'],
    ['pol', 'CalicoNetworkPolicy'],
    ['networkpolicy', 'CalicoNetworkPolicy'],
    ['networkpolicies.projectcalico.org', 'CalicoNetworkPolicy'],
    ['networkpolicies.networking.k8s.io', 'NetworkPolicy'],
    ['networkpolicy.networking.k8s.io', 'NetworkPolicy'],
    ['netpol', 'NetworkPolicy'],
    ['gnp', 'GlobalNetworkPolicy'],
    ['sgnp', 'StagedGlobalNetworkPolicy'],
    ['hep', 'HostEndpoint'],
    ['gnetsets', 'GlobalNetworkSet'],
    ['cnp', 'ClusterNetworkPolicy'],
    ['nodestatus', 'CalicoNodeStatus'],
    ['bgppeers.projectcalico.org', 'BGPPeer'],
  ])("by calicoctl's alias %s", (word, kind) => expect(kindNamed(word)).toEqual({ ok: true, value: kind }));

  test('no two kinds share a name', () => {
    expect(new Set(kindWords).size).toBe(allKinds.length);
  });

  test('and another is refused with the names there are', () => {
    expect(kindNamed('wep')).toEqual({
      ok: false,
      error: expect.stringMatching(/^There is no kind "wep" here\. The kinds are .*bgppeer/),
    });
  });
});

async function printed(form: string, kind: Kind, ...objects: readonly Manifest[]): Promise<string> {
  const printer = printerFor(form, kind, false, false);
  if (!printer.ok) throw new Error(printer.error.sentence);
  return printer.value(objects, true);
}

describe("get has calicoctl's columns", () => {
  const pool = calico('IPPool', 'default-ipv4-ippool', { cidr: '10.65.0.0/16', nodeSelector: 'rack == "1"' });
  test.each<[Kind, string, Manifest, string]>([
    [
      'BGPPeer',
      'ps',
      calico('BGPPeer', 'tor', { peerIP: '172.30.0.1', asNumber: 65000 }),
      'NAME   PEERIP       NODE       ASN\ntor    172.30.0.1   (global)   65000',
    ],
    [
      'BGPPeer',
      'wide',
      calico('BGPPeer', 'a', { peerIP: 'fd00::1', asNumber: 1, node: 'n1' }),
      'NAME   PEERIP    NODE   ASN   READY   WHY\na      fd00::1   n1     1',
    ],
    [
      'BGPConfiguration',
      'ps',
      calico('BGPConfiguration', 'default', { asNumber: 64512 }),
      'NAME      LOGSEVERITY   MESHENABLED   ASNUMBER\ndefault   Info          true          64512',
    ],
    [
      'IPPool',
      'ps',
      pool,
      'NAME                  CIDR           SELECTOR\ndefault-ipv4-ippool   10.65.0.0/16   rack == "1"',
    ],
    [
      'IPAMConfiguration',
      'ps',
      calico('IPAMConfiguration', 'default', {}),
      'NAME      STRICTAFFINITY   AUTOALLOCATEBLOCKS\ndefault   false            true',
    ],
    [
      'IPReservation',
      'wide',
      calico('IPReservation', 'r', { reservedCIDRs: ['10.0.0.1/32', '10.0.0.2/32'] }),
      'NAME   CIDRS\nr      10.0.0.1/32,10.0.0.2/32',
    ],
    ['CalicoNodeStatus', 'ps', calico('CalicoNodeStatus', 'n1', { node: 'n1' }), 'NAME   NODE\nn1     n1'],
    [
      'IPAMBlock',
      'ps',
      calico('IPAMBlock', 'b', { cidr: '10.0.0.0/30', affinity: 'host:n1', allocations: [0, null, 0, null] }),
      'NAME   CIDR          AFFINITY   USED\nb      10.0.0.0/30   host:n1    2/4',
    ],
  ])('%s -o %s', async (kind, form, object, text) => {
    expect(await printed(form, kind, object)).toBe(text);
  });

  test('IPPool -o wide', async () => {
    expect((await printed('wide', 'IPPool', pool)).split('\n')[0]).toMatch(
      /^NAME +CIDR +NAT +IPIPMODE +VXLANMODE +DISABLED +DISABLEBGPEXPORT +SELECTOR +ASSIGNMENTMODE/,
    );
  });

  test('-o wide says of an object that is not well why', async () => {
    const conditions = [
      { type: 'Accepted', status: 'False', reason: 'Overlap', message: 'It overlaps pool b.' },
    ];
    expect(await printed('wide', 'IPPool', { ...pool, status: { conditions } })).toMatch(
      /False +It overlaps pool b\.$/,
    );
  });
});

test('every kind is shown in every form, however little of it there is', async () => {
  for (const kind of allKinds)
    for (const form of ['ps', 'wide', 'yaml', 'json', 'name', 'custom-columns=NAME'])
      expect(
        await printed(form, kind, { apiVersion: kinds[kind].apiVersion, kind, metadata: { name: 'lonely' } }),
      ).toContain('lonely');
});

describe('custom columns', () => {
  const peer = calico('BGPPeer', 'tor', { peerIP: '172.30.0.1', asNumber: 65000 });
  test('are by their names in any table of the kind, or by path', async () => {
    expect(await printed('custom-columns=name,PEERIP,.spec.asNumber', 'BGPPeer', peer)).toBe(
      'NAME   PEERIP       SPEC.ASNUMBER\ntor    172.30.0.1   65000',
    );
  });

  test('of a name that is none are refused with those there are', () => {
    expect(printerFor('custom-columns=NOPE', 'BGPPeer', false, false)).toEqual({
      ok: false,
      error: {
        code: 2,
        sentence:
          'BGPPeer has no column "NOPE". There are NAMESPACE, NAME, PEERIP, NODE, ASN, and paths such as .spec.cidr.',
      },
    });
  });
});

test('describe tells conditions and events in words, and leaves out bookkeeping', () => {
  const object: Manifest = {
    apiVersion: 'projectcalico.org/v3',
    kind: 'BGPPeer',
    metadata: {
      name: 'tor',
      generation: 3,
      resourceVersion: '77',
      managedFields: [{ manager: 'kubectl' }],
      creationTimestamp: '2026-11-21T10:00:00Z',
      labels: { rack: '1' },
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', note: 'mine' },
    },
    spec: { peerIP: '172.30.0.1', asNumber: 65000, filters: ['a', 'b'], nested: { a: { b: 1 } } },
    status: {
      conditions: [
        {
          type: 'Ready',
          status: 'False',
          reason: 'SessionDown',
          message: '1 of 2 sessions is up.',
          lastTransitionTime: '2026-11-21T11:51:00Z',
          observedGeneration: 2,
        },
      ],
    },
  };
  const event = {
    type: 'Warning',
    reason: 'PeerDown',
    message: 'node2 lost its session.',
    count: 4,
    lastTimestamp: '2026-11-21T12:00:30Z',
    source: { component: 'tortie-controller' },
  };
  expect(describeText(object, { events: [event] }, now)).toBe(`Name:         tor
Kind:         BGPPeer (projectcalico.org/v3)
Labels:       rack=1
Annotations:  note: mine
Created:      2026-11-21T10:00:00Z (2h ago)
Spec:
  peerIP: 172.30.0.1
  asNumber: 65000
  filters: a, b
  nested:
    a:
      b: 1
Conditions:
  Ready is False (SessionDown, for 10m): 1 of 2 sessions is up. It was not yet looked at again after the last change.
Events:
  TYPE     REASON    AGE            FROM               MESSAGE
  Warning  PeerDown  30s (4 times)  tortie-controller  node2 lost its session.`);
});

test('describe says why events are not shown', () => {
  expect(describeText(peerManifest('a', 1), { unread: 'You may not read events.' }, now)).toMatch(
    /Events:\n {2}not shown: You may not read events\.$/,
  );
});

describe('label queries', () => {
  test.each([
    ['app=web', { app: 'web' }, true],
    ['app==web', { app: 'web' }, true],
    ['app!=web', { app: 'web' }, false],
    ['app!=web', {}, true],
    ['app', { app: '' }, true],
    ['!app', { app: '' }, false],
    ['app in (a, web),tier notin (db)', { app: 'web' }, true],
    ['app in (a,b)', { app: 'web' }, false],
    ['', { any: 'thing' }, true],
  ])('%s of %j is %s', (query, labels, holds) => {
    const parsed = parseLabelQuery(query);
    expect(parsed.ok && matchesLabels(parsed.value, labels as Record<string, string>)).toBe(holds);
  });

  test('what is none is refused with examples', () => {
    expect(parseLabelQuery('a b c')).toEqual({
      ok: false,
      error: expect.stringContaining('"a b c" is not a label query. Write for example app=web'),
    });
  });
});

test.each([
  [1, '1s'],
  [119, '119s'],
  [120, '2m'],
  [7199, '119m'],
  [7200, '2h'],
  [200_000, '2d'],
  [-5, '0s'],
])('%i seconds ago is written %s', (seconds, text) => {
  expect(ageText(new Date(now.getTime() - seconds * 1000).toISOString(), now)).toBe(text);
});

describe('JSON patches', () => {
  const json = fc.dictionary(fc.constantFrom('a', 'b/c', 'd~e'), fc.jsonValue());
  const pointer = (key: string): string => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;

  test('what is added is there, and removed again is gone', () => {
    fc.assert(
      fc.property(json, fc.constantFrom('a', 'b/c', 'd~e'), fc.jsonValue(), (target, key, value) => {
        const added = jsonPatch(target as never, [{ op: 'add', path: pointer(key), value }]);
        expect(added.ok && JSON.stringify(at(added.value, key))).toBe(JSON.stringify(value));
        const removed = jsonPatch(target as never, [
          { op: 'add', path: pointer(key), value },
          { op: 'remove', path: pointer(key) },
        ]);
        expect(removed.ok && at(removed.value, key)).toBeUndefined();
      }),
    );
  });

  test('the target itself is never changed', () => {
    const target = { list: [1, 2] };
    jsonPatch(target, [{ op: 'add', path: '/list/-', value: 3 }]);
    expect(target).toEqual({ list: [1, 2] });
  });

  test.each([
    [[{ op: 'add', path: '/list/1', value: 9 }], { list: [1, 9, 2] }],
    [[{ op: 'replace', path: '/list/0', value: 9 }], { list: [9, 2] }],
    [[{ op: 'move', from: '/list/0', path: '/x' }], { list: [2], x: 1 }],
    [[{ op: 'copy', from: '/list', path: '/x' }], { list: [1, 2], x: [1, 2] }],
    [[{ op: 'test', path: '/list/0', value: 1 }], { list: [1, 2] }],
  ])('%j', (operations, result) => {
    expect(jsonPatch({ list: [1, 2] }, operations)).toEqual({ ok: true, value: result });
  });

  test.each([
    [{ op: 'remove', path: '/nothing' }, 'there is nothing at /nothing'],
    [{ op: 'test', path: '/list/0', value: 7 }, 'the test fails'],
    [{ op: 'add', path: '/list/9', value: 1 }, 'there is no place 9 in the list'],
    [{ op: 'dance', path: '/list' }, 'op must be add'],
  ])('%j is refused', (operation, why) => {
    expect(jsonPatch({ list: [1, 2] }, [operation])).toEqual({
      ok: false,
      error: expect.stringContaining(why),
    });
  });
});

describe('validate', () => {
  const text = `apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: rack1}
spec:
  peerIP: 10.0.0.300
  asNumbr: 65000
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: a}
spec: {cidr: 10.0.0.0/16}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: a}
spec: {cidr: 10.1.0.0/16}
`;
  const verdict = validateContents([readDocuments('peers.yaml', text)]);

  test('tells every flaw with file, line, field, why and what to do', () => {
    expect(verdict.flaws.map(({ file, line, place }) => [file, line, place])).toEqual(
      expect.arrayContaining([
        ['peers.yaml', 5, '(document 1) BGPPeer/rack1 spec.peerIP'],
        ['peers.yaml', 6, '(document 1) BGPPeer/rack1 spec.asNumbr'],
        ['peers.yaml', 17, '(document 4) IPPool/a'],
      ]),
    );
    expect(verdictText(verdict)).toMatch(
      /peers\.yaml:6 \(document 1\) BGPPeer\/rack1 spec\.asNumbr: is not a field of this object\. Did you mean asNumber\?/,
    );
  });

  test('passes over kinds that are not ours to judge, and says which', () => {
    expect(verdict.skipped).toEqual(['apps/v1 Deployment']);
    expect(verdict.objects).toBe(3);
  });

  test('is not passed by a slip of the pen in a kind of ours, nor by Calico kinds that are not supported', () => {
    const slip = 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolice\nmetadata: {name: a}\n';
    const tier = 'apiVersion: projectcalico.org/v3\nkind: ClusterInformation\nmetadata: {name: a}\n';
    expect(validateContents([readDocuments('a', slip), readDocuments('b', tier)]).flaws).toHaveLength(2);
  });

  test('tells of text that is no YAML where that begins', () => {
    const [flaw] = validateContents([readDocuments('x.yaml', 'a: 1\nb: [\n')]).flaws;
    expect(flaw).toMatchObject({
      file: 'x.yaml',
      what: expect.stringMatching(/^is not YAML: .*\.$/),
      fix: 'Correct the text.',
    });
  });

  test('is content with nothing wrong', () => {
    expect(verdictText({ flaws: [], objects: 1, skipped: [] })).toBe('1 object looked at: nothing is wrong.');
  });
});
