import { expect, test } from 'vitest';
import { parseBmp, parseListen, parseOptions } from '../../../bgp/options.ts';
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
    rehearse: false,
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

test('a BMP station is a host or address with a port, 11019 where it says none', () => {
  expect(parseBmp('10.0.0.9')).toMatchObject({ host: '10.0.0.9', port: 11019 });
  expect(parseBmp('[fd00::9]:5000')).toMatchObject({ host: 'fd00::9', port: 5000 });
  expect(parseBmp('bmp.example:1790')).toMatchObject({ host: 'bmp.example', port: 1790 });
  for (const text of ['', ':1790', 'host:0', 'host:70000', 'fd00::9', 'a b'])
    expect(() => parseBmp(text)).toThrow('Write HOST:PORT');
});

test('a log level that is given counts whatever BGPConfiguration says, so it is known that it was given', () => {
  const needed = ['--datastore', 'dir:/x', '--node', 'n1'];
  expect(parseOptions([...needed, '--log-level', 'info'])).toMatchObject({
    logLevel: 'info',
    isLevelGiven: true,
  });
  expect(parseOptions(needed)).not.toHaveProperty('isLevelGiven');
});
