import { expect, test } from 'vitest';
import { followServer } from '../../../bgp/follow/server.ts';
import { type Address, formatAddress } from '../../../src/lib/net.ts';
import type { Batch, Change } from '../../../src/store/store.ts';
import { endpointSlice } from '../../support/services.ts';
import { address } from '../../support/wire.ts';

function bench(known: readonly Address[] = []) {
  const told: string[] = [];
  let give: ((batch: Batch) => void) | undefined;
  let watched: unknown;
  const stop = followServer(
    {
      watch: (kinds, onBatch) => {
        watched = kinds;
        give = onBatch;
        return () => undefined;
      },
    },
    () => Promise.resolve(known),
    (addresses) => told.push(addresses.map(formatAddress).join(' ')),
  );
  const say = (...changes: Change[]): void => give?.({ changes, inSync: true, problems: [] });
  return { told, say, stop, watched: () => watched };
}

const of = (service: string, namespace: string, ...addresses: string[]): Change => ({
  kind: 'put',
  resource: {
    ...endpointSlice(service, []),
    meta: { name: 'kubernetes', namespace, labels: {}, annotations: {} },
    endpoints: [{ addresses: addresses.map(address), ready: true, serving: true, terminating: false }],
  },
});

test('the API server is where the credentials say, and at the endpoints of default/kubernetes', async () => {
  const { told, say, watched } = bench([address('10.96.0.1')]);
  expect(watched()).toEqual([{ kind: 'EndpointSlice', fields: { 'metadata.name': 'kubernetes' } }]);
  await Promise.resolve();
  expect(told).toEqual(['10.96.0.1']);
  say(of('kubernetes', 'default', '10.0.0.3', '10.0.0.2'));
  say({ kind: 'delete', ref: { kind: 'EndpointSlice', name: 'kubernetes', namespace: 'default' } });
  expect(told.slice(1)).toEqual(['10.0.0.2 10.0.0.3 10.96.0.1', '10.96.0.1']);
});

test('a slice of that name elsewhere, which anybody may make, says nothing', async () => {
  const { told, say } = bench();
  say(of('kubernetes', 'shop', '10.0.0.3'), of('web', 'default', '10.0.0.4'));
  expect(told).toEqual(['']);
});

test('nothing is told after the end', async () => {
  const { told, stop } = bench([address('10.96.0.1')]);
  stop();
  await Promise.resolve();
  expect(told).toEqual([]);
});
