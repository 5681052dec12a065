/** GET /peers?name=: which neighbour is meant, and what is said where there is none. */
import { expect, test } from 'vitest';
import type { SpeakerConfig } from '../../../bgp/config.ts';
import { endpoints } from '../../../bgp/status.ts';
import { Accounts } from '../../../bgp/transport/accounts.ts';
import { Journal } from '../../../bgp/watch/journal.ts';
import { millis } from '../../../src/lib/net.ts';
import type { Problem } from '../../../src/model/problem.ts';
import { OneSpeaker } from '../../support/one-speaker.ts';
import { peerOf } from '../../support/routes.ts';
import { address, as, prefix } from '../../support/wire.ts';

const { key: _key, name: _name, address: _address, port: _port, peerAsn: _asn, ...template } = peerOf();

async function asked(text: string, config: Partial<SpeakerConfig>, problems: readonly Problem[] = []) {
  const one = new OneSpeaker();
  one.configure(config);
  const accounts = new Accounts(() => millis(0));
  const answers = endpoints({
    node: 'node1',
    version: '1',
    journal: new Journal(),
    inSync: () => true,
    fib: () => undefined,
    problems: () => problems,
    services: () => ({ services: [], followed: false, ranges: [] }),
    whyDown: () => undefined,
    drops: { look: () => {} },
    account: (key) => accounts.of(key),
    bfd: () => undefined,
    timers: () => [],
    wallClock: (moment) => new Date(moment),
    speaker: one.speaker,
    post: () => {},
    note: () => {},
  });
  const query = new URLSearchParams({ name: text });
  return await answers['GET /peers']?.({ query, headers: {}, body: '' });
}

const tor = peerOf({ key: '192.0.2.1 179', name: 'Global_192_0_2_1', resource: 'tor' });
const tor2 = peerOf({
  key: '192.0.2.2 179',
  name: 'Global_192_0_2_2',
  resource: 'tor',
  address: address('192.0.2.2'),
});

test.each(['Global_192_0_2_1', 'tor', '192.0.2.1', '192.0.2.1 179'])(
  'a neighbour is found as %j',
  async (text) => {
    expect(await asked(text, { peers: [tor] })).toMatchObject({ status: 200, body: { name: tor.name } });
  },
);

test('a BGPPeer of more than one neighbour names them', async () => {
  expect(await asked('tor', { peers: [tor, tor2] })).toMatchObject({
    status: 404,
    body: {
      error:
        '"tor" is more than one neighbour: Global_192_0_2_1 (192.0.2.1), Global_192_0_2_2 (192.0.2.2). Ask for one of them.',
    },
  });
  expect(await asked('192.0.2.2', { peers: [tor, tor2] })).toMatchObject({ status: 200 });
});

test('a range from which nobody has dialled says so, and whom it takes', async () => {
  const range = { key: 'leafs', range: prefix('192.0.2.0/24'), limit: 4, template };
  const said = (peerAsns: readonly number[]) =>
    asked('leafs', { dynamic: [{ ...range, peerAsns: peerAsns.map(as) }] });
  expect(await said([65000])).toMatchObject({
    status: 404,
    body: {
      error:
        'BGPPeer/leafs takes whoever dials from 192.0.2.0/24 (AS 65000, at most 4), and nobody is there now. Let the router dial this node.',
    },
  });
  expect(await said([])).toMatchObject({
    body: { error: expect.stringContaining('(any AS but ours, at most 4)') },
  });
});

test('a BGPPeer without a neighbour shows the problem it has', async () => {
  const problem = {
    where: 'BGPPeer/spine spec.interface',
    what: 'no router has been seen on eth1 yet.',
    fix: 'Look at it.',
  };
  expect(await asked('spine', { peers: [tor] }, [problem])).toMatchObject({
    status: 404,
    body: {
      error: expect.stringMatching(
        /^There is no neighbour "spine"\. There is: Global_192.*no router has been seen on eth1 yet/,
      ),
    },
  });
});

test('a neighbour on a link where nobody has been seen is shown by its link, with why', async () => {
  const spine = peerOf({
    key: 'eth1 179',
    name: 'Global_eth1',
    resource: 'spine',
    interface: 'eth1',
    address: address('::'),
    blocked: 'no router has been seen on eth1 yet',
  });
  for (const text of ['spine', 'eth1', 'Global_eth1'])
    expect(await asked(text, { peers: [spine] })).toMatchObject({
      status: 200,
      body: { address: 'eth1', state: 'Idle', lastError: 'no router has been seen on eth1 yet' },
    });
});
