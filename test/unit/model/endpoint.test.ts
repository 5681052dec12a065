import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { interfaceName } from '../../../src/model/endpoint.ts';

test('a pod has the interface name Calico gives it: cali and 11 hex digits of the SHA-1 of "namespace.pod"', () => {
  const digest = createHash('sha1').update('shop.web-0').digest('hex');
  expect(interfaceName('shop', 'web-0')).toBe(`cali${digest.slice(0, 11)}`);
});

test('every name fits the kernel, however long those of the pod are', () => {
  expect(interfaceName('n'.repeat(63), 'p'.repeat(253))).toMatch(/^cali[0-9a-f]{11}$/);
});
