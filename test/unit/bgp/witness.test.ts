/** What the witness tells of a speaker whose neighbours are played by hand. */
import { expect, test } from 'vitest';
import type { Ending } from '../../../bgp/monitor/bmp.ts';
import { pathOf } from '../../../bgp/rib/path.ts';
import type { SpeakerEvent } from '../../../bgp/speaker/event.ts';
import { Journal } from '../../../bgp/watch/journal.ts';
import { Witness } from '../../../bgp/watch/witness.ts';
import { ipv4, prefix4 } from '../../../src/lib/net.ts';
import { OneSpeaker } from '../../support/one-speaker.ts';
import { attributesOf, peerOf, sourceOf } from '../../support/routes.ts';
import { address } from '../../support/wire.ts';

const ebgp = peerOf();

function watched() {
  const one = new OneSpeaker();
  const journal = new Journal();
  const told: string[] = [];
  const endings: Ending[] = [];
  const witness = new Witness({
    speaker: () => one.speaker,
    journal,
    now: () => 1_700_000_000_000 + one.now,
    ends: () => ({ localAddress: '10.0.0.1', localPort: 179, remotePort: 4000 }),
    frameOf: () => undefined,
    touched: () => 'BGPPeer/tor',
    monitors: [
      {
        up: ({ key }) => told.push(`up ${key}`),
        down: ({ key }, ending) => {
          told.push(`down ${key}`);
          endings.push(ending);
        },
      },
    ],
  });
  const original = one.tell.bind(one);
  one.tell = (event: SpeakerEvent) => {
    const effects = original(event);
    witness.after(event, effects);
    return effects;
  };
  return { one, journal, witness, told, endings };
}

test('a session that comes and goes is told once each, with how it ended', () => {
  const { one, journal, witness, told, endings } = watched();
  one.configure({ peers: [ebgp] });
  one.establish(ebgp);
  expect(told).toEqual([`up ${ebgp.key}`]);
  expect(witness.sessions()).toMatchObject([{ key: ebgp.key, localPort: 179, remotePort: 4000 }]);
  one.tell({
    kind: 'transport',
    peer: ebgp.key,
    event: { kind: 'TcpFails', side: 'outgoing', why: 'it closed the connection' },
  });
  expect(told).toEqual([`up ${ebgp.key}`, `down ${ebgp.key}`]);
  expect(endings).toEqual([{ kind: 'closedByPeer' }]);
  expect(witness.flaps.get(ebgp.name)).toBe(1);
  expect(witness.sessions()).toEqual([]);
  const sessions = journal.read().entries.filter(({ kind }) => kind === 'session');
  expect(sessions.map(({ what }) => what)).toEqual([
    expect.stringMatching(/→ Established$/),
    expect.stringMatching(/^Established → /),
  ]);
  expect(sessions[1]?.why).toBe('it closed the connection');
});

test('a change of configuration says by which object, what, and which sessions it ended', () => {
  const { one, journal } = watched();
  one.configure({ peers: [ebgp] });
  one.establish(ebgp);
  one.configure({ peers: [{ ...ebgp, connectRetryMs: 9000 }] });
  one.configure({ peers: [] });
  const changes = journal.read().entries.filter(({ kind }) => kind === 'config');
  expect(changes).toHaveLength(3);
  expect(changes[1]).toMatchObject({
    who: 'BGPPeer/tor',
    what: expect.stringContaining('→ 9000'),
    why: 'no session was reset',
  });
  expect(changes[2]).toMatchObject({
    what: expect.stringContaining('neighbour removed: '),
    why: expect.stringContaining('sessions that ended: '),
  });
});

test('the same configuration again is no event', () => {
  const { one, journal } = watched();
  one.configure({ peers: [ebgp] });
  const { next } = journal.read();
  one.configure({ peers: [{ ...ebgp }] });
  expect(journal.read(next).entries).toEqual([]);
});

test('of a flood each change is counted for the neighbour it came from, and few are listed', () => {
  const { one, journal, witness } = watched();
  const other = peerOf({ name: 'other', address: address('192.0.2.2') });
  one.configure({ peers: [ebgp, other] });
  const [mine, its] = [ebgp, other].map((peer) =>
    pathOf(sourceOf({ key: peer.key }), attributesOf({ nextHop: peer.address })),
  );
  const { nets } = one.speaker.locRib.routes;
  const known = Array.from({ length: 100 }, (_, index) =>
    nets.add(prefix4(ipv4(10 * 2 ** 24 + index * 256), 24)),
  );
  const turns = 50;
  for (let turn = 0; turn < turns; turn += 1) {
    for (const [index, net] of known.entries()) witness.best(net, undefined, index < 40 ? mine : its);
    witness.after({ kind: 'continue' }, []);
  }
  const routes = journal.read().entries.filter(({ kind }) => kind === 'route');
  expect(routes.length).toBeLessThan(400);
  const listed = (who: string) => routes.filter((entry) => entry.who === who).length;
  const counted = (who: string) =>
    Number(new RegExp(`(\\d+) by ${who}`).exec(routes.find((entry) => entry.who === 'many')?.why ?? '')?.[1]);
  expect(listed(ebgp.name) + counted(ebgp.name)).toBe(turns * 40);
  expect(listed(other.name) + counted(other.name)).toBe(turns * 60);
});
