import { describe, expect, test } from 'vitest';
import { parsePrefix } from '../../../src/lib/net.ts';
import { everything } from '../../../src/model/labels.ts';
import { flaws, resource } from './schema.ts';

const policy = (spec: string) =>
  `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: ${spec}}`;

describe('defaults', () => {
  test.each([
    ['{podSelector: {}}', ['Ingress']],
    ['{podSelector: {}, policyTypes: []}', ['Ingress']],
    ['{podSelector: {}, ingress: []}', ['Ingress']],
    ['{podSelector: {}, egress: []}', ['Ingress']],
    ['{podSelector: {}, egress: [{}]}', ['Ingress', 'Egress']],
    ['{podSelector: {}, policyTypes: [Egress]}', ['Egress']],
    ['{podSelector: {}, policyTypes: [Egress], ingress: [{}]}', ['Egress']],
    ['{podSelector: {}, policyTypes: [Ingress], egress: [{}]}', ['Ingress']],
    ['{podSelector: {}, policyTypes: [Egress, Ingress]}', ['Egress', 'Ingress']],
  ])('%s isolates %j', (spec, types) => {
    expect(resource(policy(spec))).toMatchObject({ policyTypes: types });
  });

  test('without a spec, or a podSelector, it selects every pod and denies ingress', () => {
    const bare = '{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p}}';
    expect(resource(bare)).toEqual({
      kind: 'NetworkPolicy',
      meta: { name: 'p', namespace: 'default', labels: {}, annotations: {} },
      podSelector: everything,
      policyTypes: ['Ingress'],
      ingress: [],
      egress: [],
    });
  });

  test.each([
    ['{ingress: [{}]}', [{}]],
    ['{ingress: [{from: [], ports: []}]}', [{}]],
    ['{ingress: [{from: null}]}', [{}]],
    ['{ingress: [{ports: [{}]}]}', [{ ports: [{ protocol: 'TCP' }] }]],
    ['{ingress: [{ports: [{port: 80}]}]}', [{ ports: [{ protocol: 'TCP', port: 80 }] }]],
    [
      '{ingress: [{ports: [{protocol: SCTP, port: 80, endPort: 90}]}]}',
      [{ ports: [{ protocol: 'SCTP', port: 80, endPort: 90 }] }],
    ],
    ['{ingress: [{ports: [{port: http-alt}]}]}', [{ ports: [{ protocol: 'TCP', port: 'http-alt' }] }]],
    ['{ingress: [{from: [{podSelector: {}}]}]}', [{ peers: [{ kind: 'pods', podSelector: everything }] }]],
    [
      '{ingress: [{from: [{namespaceSelector: {}}]}]}',
      [{ peers: [{ kind: 'pods', namespaceSelector: everything }] }],
    ],
    [
      '{ingress: [{from: [{ipBlock: {cidr: 10.0.1.0/16, except: [10.0.2.0/24]}}]}]}',
      [
        {
          peers: [
            { kind: 'ipBlock', cidr: parsePrefix('10.0.0.0/16'), except: [parsePrefix('10.0.2.0/24')] },
          ],
        },
      ],
    ],
    [
      '{ingress: [{from: [{ipBlock: {cidr: "::/0"}}]}]}',
      [{ peers: [{ kind: 'ipBlock', cidr: parsePrefix('::/0'), except: [] }] }],
    ],
  ])('%s', (spec, ingress) => {
    expect(resource(policy(spec))).toMatchObject({ ingress });
  });

  test('selectors keep their four operators', () => {
    expect(
      resource(
        policy(
          '{podSelector: {matchLabels: {app: web}, matchExpressions: [{key: tier, operator: In, values: [a, b]}, {key: tier, operator: NotIn, values: [""]}, {key: k8s.io/x, operator: Exists}, {key: y, operator: DoesNotExist, values: []}]}}',
        ),
      ),
    ).toMatchObject({
      podSelector: {
        matchLabels: { app: 'web' },
        matchExpressions: [
          { key: 'tier', operator: 'In', values: ['a', 'b'] },
          { key: 'tier', operator: 'NotIn', values: [''] },
          { key: 'k8s.io/x', operator: 'Exists' },
          { key: 'y', operator: 'DoesNotExist' },
        ],
      },
    });
  });
});

describe('refusals', () => {
  test.each([
    ['{podSelectr: {}}', 'spec.podSelectr: is not a field of this object. Did you mean podSelector?'],
    ['{ingress: [{to: []}]}', 'spec.ingress[0].to: is not a field of this object.'],
    ['{egress: [{from: []}]}', 'spec.egress[0].from: is not a field of this object.'],
    ['{ingress: {}}', 'spec.ingress: must be a list, but is an object. Give a list.'],
    [
      '{policyTypes: [ingress]}',
      'spec.policyTypes[0]: must be one of Ingress, Egress, but is the text "ingress".',
    ],
    ['{ingress: [{from: [{}]}]}', 'spec.ingress[0].from[0]: is a peer that names nobody.'],
    [
      '{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]}',
      'spec.ingress[0].from[0].ipBlock: cannot stand next to a selector. Make two peers of it, one for each.',
    ],
    ['{ingress: [{from: [{ipBlock: {}}]}]}', 'spec.ingress[0].from[0].ipBlock.cidr: is missing.'],
    ['{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/40}}]}]}', 'must be a number from 0 to 32'],
    [
      '{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/16, except: [10.1.0.0/24]}}]}]}',
      'spec.ingress[0].from[0].ipBlock.except[0]: must be a smaller part of 10.0.0.0/16, but is 10.1.0.0/24.',
    ],
    [
      '{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/16, except: [10.0.0.0/16]}}]}]}',
      'must be a smaller part of 10.0.0.0/16',
    ],
    [
      '{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/16, except: ["fd00::/64"]}}]}]}',
      'must be a smaller part of',
    ],
    [
      '{ingress: [{ports: [{port: 90, endPort: 80}]}]}',
      'spec.ingress[0].ports[0].endPort: must not be less than port (90), but is 80.',
    ],
    [
      '{ingress: [{ports: [{port: http, endPort: 80}]}]}',
      'spec.ingress[0].ports[0].endPort: needs a numeric port to start from.',
    ],
    ['{ingress: [{ports: [{endPort: 80}]}]}', 'endPort: needs a numeric port to start from.'],
    [
      '{ingress: [{ports: [{port: 0}]}]}',
      'ports[0].port: must be a port number from 1 to 65535 or a name, but is 0.',
    ],
    ['{ingress: [{ports: [{port: 65536}]}]}', 'must be a port number from 1 to 65535 or a name'],
    [
      '{ingress: [{ports: [{port: "80"}]}]}',
      'cannot be a port\'s name: "80". Write a port number without quotes.',
    ],
    ['{ingress: [{ports: [{port: this-name-is-too-long}]}]}', 'Use at most 15 lower-case letters'],
    ['{ingress: [{ports: [{port: a--b}]}]}', "cannot be a port's name"],
    ['{ingress: [{ports: [{protocol: tcp}]}]}', 'must be one of TCP, UDP, SCTP, but is the text "tcp".'],
    ['{ingress: [{ports: [{protocol: ICMP}]}]}', 'must be one of TCP, UDP, SCTP'],
    [
      '{podSelector: {matchLabels: {app: 1}}}',
      'spec.podSelector.matchLabels.app: must be a text, but is 1. Give a text, in quotes.',
    ],
    ['{podSelector: {matchLabels: {"-a": x}}}', 'spec.podSelector.matchLabels.-a: cannot be a label name'],
    ['{podSelector: {matchLabels: {a: "x y"}}}', 'cannot be a label value: the text "x y"'],
    [
      '{podSelector: {matchExpressions: [{key: a, operator: Eq}]}}',
      'must be one of In, NotIn, Exists, DoesNotExist',
    ],
    [
      '{podSelector: {matchExpressions: [{key: a, operator: In}]}}',
      'spec.podSelector.matchExpressions[0].values: is needed with In. List one value or more.',
    ],
    ['{podSelector: {matchExpressions: [{key: a, operator: In, values: []}]}}', 'values: is needed with In.'],
    [
      '{podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}',
      'values: makes no sense with Exists.',
    ],
    ['{podSelector: {matchExpressions: [{operator: Exists}]}}', 'matchExpressions[0].key: is missing.'],
  ])('%s', (spec, expected) => {
    expect(flaws(policy(spec))).toEqual([expect.stringContaining(expected)]);
  });
});
