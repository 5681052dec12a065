import { expect, test } from 'vitest';
import { parseListen, parseOptions } from '../../../bgp/options.ts';
import { formatAddress } from '../../../src/lib/net.ts';

test.each([
  ['10.0.0.1:179', { address: '10.0.0.1', port: 179 }],
  ['[fd00::1]:1179', { address: 'fd00::1', port: 1179 }],
  ['10.0.0.1', { address: '10.0.0.1' }],
  ['[fd00::1]', { address: 'fd00::1' }],
  [':1179', { port: 1179 }],
])('--listen %s is understood', (text, expected) => {
  const { address, ...rest } = parseListen(text);
  expect({ ...(address === undefined ? {} : { address: formatAddress(address) }), ...rest }).toEqual(
    expected,
  );
});

test.each(['', 'ten:179', '10.0.0.256:179', '10.0.0.1:0', '10.0.0.1:70000', '10.0.0.1:', '[fd00::1', ':'])(
  '--listen "%s" is refused with how to write it',
  (text) => {
    expect(() => parseListen(text)).toThrow('Write ADDR:PORT');
  },
);

test('what is needed must be there, and what is not given has its default', () => {
  expect(parseOptions(['--datastore', 'dir:/x', '--node', 'n1'])).toEqual({
    datastore: 'dir:/x',
    node: 'n1',
    fib: true,
    ipam: 'pod-cidrs',
    stateDir: '/var/lib/tortie',
    socket: '/run/tortie/bgp.sock',
    metrics: '127.0.0.1:9092',
    logLevel: 'info',
  });
  expect(parseOptions(['--datastore', 'dir:/x'])).toBe(2);
  expect(parseOptions(['--datastore', 'dir:/x', '--node', 'n1', '--no-fib'])).toMatchObject({ fib: false });
  expect(parseOptions(['--help'])).toBe(0);
});
