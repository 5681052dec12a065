/** Whom an operator's word means, and what a reset does to them. */
import { describe, expect, test } from 'vitest';
import type { PeerConfig } from '../../../bgp/config.ts';
import type { SpeakerEvent } from '../../../bgp/speaker/event.ts';
import { neighbourNamed, neighboursNamed, nobodyNamed } from '../../../bgp/status/named.ts';
import { resetAnswer } from '../../../bgp/status/reset.ts';
import { err } from '../../../src/lib/result.ts';
import { OneSpeaker } from '../../support/one-speaker.ts';
import { peerOf } from '../../support/routes.ts';
import { address } from '../../support/wire.ts';

const router = (name: string, index: number, more: Partial<PeerConfig> = {}): PeerConfig =>
  peerOf({ key: `192.0.2.${index} 179`, name, address: address(`192.0.2.${index}`), ...more });

const left = router('left', 1, { resource: 'tors' });
const right = router('right', 2, { resource: 'tors' });
const alone = router('alone', 3, { resource: 'spine' });
const shut = router('shut', 4, { blocked: 'its password is not known yet' });

function speakerOf(peers: readonly PeerConfig[]) {
  const one = new OneSpeaker();
  one.configure({ peers });
  return one.speaker;
}

describe('a word', () => {
  const speaker = speakerOf([left, right, alone]);
  const namesOf = (word: string) => neighboursNamed(speaker, word).map(({ config }) => config.name);

  test.each(['left', '192.0.2.1', '192.0.2.1 179'])('%j is one neighbour', (word) => {
    expect(namesOf(word)).toEqual(['left']);
  });

  test('that is a BGPPeer means all it stands for', () => {
    expect(namesOf('tors')).toEqual(['left', 'right']);
    expect(neighbourNamed(speaker, 'tors')).toEqual(
      err('"tors" is more than one neighbour: left (192.0.2.1), right (192.0.2.2). Ask for one of them.'),
    );
  });

  test('that is the name of one and the BGPPeer of another means the first', () => {
    const odd = speakerOf([left, router('tors', 5)]);
    expect(neighboursNamed(odd, 'tors').map(({ config }) => config.key)).toEqual(['192.0.2.5 179']);
  });

  test('that means nobody is answered with who it may have been', () => {
    expect(neighbourNamed(speaker, 'rigth')).toEqual(
      err(
        'There is no neighbour "rigth". Is "right" meant? There is: left (192.0.2.1), right (192.0.2.2), alone (192.0.2.3).',
      ),
    );
    expect(nobodyNamed(speakerOf([]), 'x')).toBe('There is no neighbour "x". There is: none.');
  });

  test('that means nobody among many is answered with some of them and how many more there are', () => {
    const many = speakerOf(
      Array.from({ length: 40 }, (_, index) => router(`node-of-rack-${index}`, index + 1)),
    );
    expect(nobodyNamed(many, 'x')).toMatch(/ node-of-rack-9 \(192\.0\.2\.10\) and 30 more\.$/);
  });
});

describe('a reset', () => {
  function reset(query: string) {
    const posted: SpeakerEvent[] = [];
    const noted: string[] = [];
    const doors = {
      speaker: speakerOf([left, right, shut]),
      post: (event: SpeakerEvent) => void posted.push(event),
      note: (who: string) => void noted.push(who),
    };
    const answer = resetAnswer(doors, new URLSearchParams(query));
    return { answer, noted, keys: posted.map((event) => 'peer' in event && event.peer) };
  }

  test('of a BGPPeer is one of each neighbour it stands for', () => {
    const { answer, keys, noted } = reset('peer=tors&how=in&by=ann');
    expect(answer).toEqual({
      status: 200,
      body: { reset: ['left', 'right'], how: 'asked to tell its routes again' },
    });
    expect(keys).toEqual([left.key, right.key]);
    expect(noted).toEqual(['left', 'right']);
  });

  test('of all leaves out who may not be started', () => {
    expect(reset('all=').keys).toEqual([left.key, right.key]);
  });

  test('of one that may not be started is refused with why', () => {
    expect(reset('peer=shut')).toMatchObject({
      answer: { status: 409, body: { error: 'shut cannot be reset: its password is not known yet.' } },
      keys: [],
    });
  });

  test('of nobody, or of an unknown kind, is refused', () => {
    expect(reset('peer=nobody').answer).toMatchObject({ status: 404 });
    expect(reset('').answer).toMatchObject({ status: 404 });
    expect(reset('peer=left&how=sideways').answer).toMatchObject({ status: 400 });
  });
});
