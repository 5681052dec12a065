import { expect, test } from 'vitest';
import { change, localRoutes, putEndpoint, removeEndpoint, tick } from '../../../felix/calc/graph.ts';
import { policyOf } from '../../../felix/calc/status.ts';
import { formatAddress } from '../../../src/lib/net.ts';
import { shopEndpoint, shopGraph, webAddresses } from '../../support/shop.ts';

test('what holds a pod is told in words, policy by policy', () => {
  const graph = shopGraph();
  tick(graph);
  expect(policyOf(graph, 'shop', 'web')).toEqual({
    namespace: 'shop',
    pod: 'web',
    ingress: {
      isolated: true,
      policies: [
        {
          namespace: 'shop',
          name: 'allow-web',
          rules: [
            'allow TCP http, 443, 9000-9010 from pods app=front in namespace shop',
            'allow everything from 192.0.2.0/24 except 192.0.2.128/26 or 2001:db8::/32',
          ],
        },
        { namespace: 'shop', name: 'default-deny', rules: [] },
      ],
    },
    egress: {
      isolated: true,
      policies: [
        {
          namespace: 'shop',
          name: 'allow-web',
          rules: [
            'allow TCP sql to pods app=db in namespace shop',
            'allow UDP 53 and TCP 53 to every pod in every namespace',
          ],
        },
      ],
    },
  });
});

test('a pod that is not here, or whose Pod object is not known, has no answer', () => {
  const graph = shopGraph();
  tick(graph);
  expect(policyOf(graph, 'shop', 'front')).toBe(undefined);
  change(graph, { kind: 'delete', ref: { kind: 'Pod', namespace: 'shop', name: 'db' } });
  tick(graph);
  expect(policyOf(graph, 'shop', 'db')).toBe(undefined);
});

test('each address of a local pod is routed to its interface, and to nobody once it is gone', () => {
  const graph = shopGraph();
  const routes = (): readonly string[] =>
    [...localRoutes(graph)].map(([address, name]) => `${formatAddress(address)} ${name}`);
  const web = shopEndpoint('web', webAddresses).interface;
  expect(routes()).toEqual([
    `10.244.1.3 ${shopEndpoint('db', []).interface}`,
    `10.244.1.2 ${web}`,
    `fd00:1::2 ${web}`,
  ]);
  removeEndpoint(graph, 'db');
  putEndpoint(graph, shopEndpoint('web', ['10.244.1.9']));
  expect(routes()).toEqual([`10.244.1.9 ${web}`]);
});
