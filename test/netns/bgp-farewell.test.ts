/** A node whose speaker ends for good, as its neighbour hears it: marked as about to go, withdrawn, goodbye. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { bgpPeer, createRack, isUp } from '../support/rack.ts';
import { type Router, startRouter } from '../support/routers.ts';

const rack = createRack('bfw', 1);
const node = rack.node(1);
let tor: Router;

/** Says of each route that comes to it how it comes, and that it goes. */
const watch = (table: string): string => `${table} table watched${table};
protocol pipe watch${table} {
  table ${table === 'ipv4' ? 'master4' : 'master6'}; peer table watched${table}; import none; debug { routes };
  export filter { if (65535, 0) ~ bgp_community then print "marked ", net; else print "plain ", net; accept; };
}`;

beforeAll(async () => {
  rack.put(bgpPeer('tor', '172.30.0.1', 65000));
  const more = [watch('ipv4'), watch('ipv6')].join('\n');
  tor = await startRouter(rack, 'bird', { asn: 65000, host: 'tor', number: 1, announces: [], more });
  await node.start();
  await node.peer('172.30.0.1', isUp, 30_000);
});
afterAll(() => rack.close());

const said = (): string => tor.running.map((one) => one.output()).join('');

test('RFC 8326 §4.2: SIGTERM marks every prefix with GRACEFUL_SHUTDOWN, withdraws it, and then says goodbye (6/2)', async () => {
  await eventually(
    () => {
      for (const prefix of node.cidrs) expect(said()).toContain(`plain ${prefix}`);
    },
    { within: 30_000 },
  );
  expect(said()).not.toContain('marked');
  await node.stop('SIGTERM');
  await eventually(() => expect(said()).toContain('Received: Administrative shutdown'), { within: 30_000 });
  const lines = said().split('\n');
  const at = (...words: readonly string[]): number =>
    lines.findIndex((line) => words.every((word) => line.includes(word)));
  const goodbye = at('Received: Administrative shutdown');
  for (const prefix of node.cidrs) {
    const [marked, gone] = [at(`marked ${prefix}`), at('removed', prefix)];
    expect(marked, said()).toBeGreaterThan(at(`plain ${prefix}`));
    expect(gone, said()).toBeGreaterThan(marked);
    expect(goodbye).toBeGreaterThan(gone);
  }
  expect(tor.complaints()).toEqual([]);
});
