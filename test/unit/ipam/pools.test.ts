import { expect, test } from 'vitest';
import { selectPools } from '../../../src/ipam/pools.ts';
import { parseSelector } from '../../../src/model/selector.ts';
import { ip, ipPool } from '../../support/ipam.ts';

const selector = (text: string) => {
  const parsed = parseSelector(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
};

const request = { family: 4, use: 'Workload', nodeLabels: { zone: 'a' } } as const;
const open = ipPool('open', '10.1.0.0/16');
const pools = [
  ipPool('z-off', '10.2.0.0/16', { disabled: true }),
  ipPool('dying', '10.3.0.0/16', { terminating: true }),
  ipPool('balancers', '10.4.0.0/16', { allowedUses: ['LoadBalancer'] }),
  ipPool('hand', '10.5.0.0/16', { assignmentMode: 'Manual' }),
  ipPool('zone-b', '10.6.0.0/16', { nodeSelector: selector('zone == "b"') }),
  ipPool('team', '10.7.0.0/16', { namespaceSelector: selector('team == "x"') }),
  ipPool('six', 'fd00::/64'),
];

const names = (result: ReturnType<typeof selectPools>) =>
  result.ok ? result.value.map(({ meta }) => meta.name) : result.error;

test('a refusal names every pool of the family and what keeps it out', () => {
  expect(names(selectPools(pools, request))).toBe(
    'No IPv4 pool may be used here: ' +
      'balancers (10.4.0.0/16) is for LoadBalancer, not for Workload (allowedUses); ' +
      'dying (10.3.0.0/16) is being deleted; ' +
      'hand (10.5.0.0/16) is only for those who ask for it (assignmentMode Manual); ' +
      'team (10.7.0.0/16) is not for this namespace (namespaceSelector team == "x"); ' +
      'z-off (10.2.0.0/16) is disabled; ' +
      'zone-b (10.6.0.0/16) is not for this node (nodeSelector zone == "b").',
  );
  expect(names(selectPools([], request))).toBe(
    'There is no IPv4 IPPool. Create one, for example with cidr 10.244.0.0/16.',
  );
});

test('each obstacle falls when what it asks for is there', () => {
  const all = [...pools, open];
  expect(names(selectPools(all, request))).toEqual(['open']);
  expect(names(selectPools(all, { ...request, nodeLabels: { zone: 'b' } }))).toEqual(['open', 'zone-b']);
  expect(names(selectPools(all, { ...request, namespace: { team: 'x' } }))).toEqual(['open', 'team']);
  expect(names(selectPools(all, { ...request, namespace: { team: 'y' } }))).toEqual(['open']);
  expect(names(selectPools(all, { ...request, use: 'LoadBalancer' }))).toEqual(['balancers']);
  expect(names(selectPools(all, { ...request, family: 6 }))).toEqual(['six']);
});

test('of two pools that overlap only the older gives, whoever asks; of two of one second the first by name', () => {
  const wide = ipPool('wide', '10.8.0.0/16', { created: '2026-01-02T00:00:00Z' });
  const narrow = ipPool('narrow', '10.8.4.0/24', { created: '2026-01-01T00:00:00Z' });
  expect(names(selectPools([wide, narrow], request))).toEqual(['narrow']);
  expect(names(selectPools([wide, narrow], { ...request, named: ['wide'] }))).toBe(
    'No IPv4 pool may be used here: wide (10.8.0.0/16) overlaps the older pool narrow (10.8.4.0/24), so one of the two must go.',
  );
  expect(names(selectPools([wide, narrow], { ...request, address: ip('10.8.7.7') }))).toContain(
    'overlaps the older pool narrow',
  );
  const twin = { ...narrow, created: '2026-01-02T00:00:00Z' };
  expect(names(selectPools([wide, twin], request))).toEqual(['narrow']);
  // What was taken may be in use still, so the elder keeps its range while it is disabled.
  expect(names(selectPools([wide, { ...narrow, disabled: true }], request))).toContain('overlaps');
});

test('pools that are asked for come in the order asked, by name or CIDR, manual ones too', () => {
  const all = [...pools, open];
  expect(names(selectPools(all, { ...request, named: ['hand', '10.1.0.0/16'] }))).toEqual(['hand', 'open']);
  expect(names(selectPools(all, { ...request, named: ['z-off', 'nobody'] }))).toBe(
    'No IPv4 pool may be used here: z-off (10.2.0.0/16) is disabled; nobody is requested, but no IPv4 pool is called so.',
  );
});

test('an address picks its pool, and says so when there is none', () => {
  const all = [...pools, open];
  expect(names(selectPools(all, { ...request, address: ip('10.5.0.9') }))).toEqual(['hand']);
  expect(names(selectPools(all, { ...request, address: ip('10.2.0.9') }))).toContain(
    'z-off (10.2.0.0/16) is disabled',
  );
  expect(names(selectPools(all, { ...request, address: ip('192.0.2.1') }))).toBe(
    'No IPPool contains 192.0.2.1. Ask for an address of a pool, or create an IPPool around it.',
  );
});
