import { expect, test } from 'vitest';
import { type Known, secretKeysOf, withPasswords } from '../../../bgp/intent/passwords.ts';
import { intentOf } from '../../../bgp/intent.ts';
import { formatProblem } from '../../../src/model/problem.ts';
import { bgpPeer, linkPeer, node, rangePeer } from '../../support/resources.ts';

const password = { name: 'bgp-passwords', key: 'tor' };
const intent = intentOf('node1', [
  node('node1', { ips: ['10.0.0.1'] }),
  bgpPeer('tor', '192.0.2.1', { more: { password } }),
  bgpPeer('open', '192.0.2.2'),
  rangePeer('hosts', '10.9.0.0/24', { password: { name: 'bgp-passwords', key: 'hosts' } }),
]);

test('the Secrets of peers and of ranges are asked for', () => {
  expect(secretKeysOf(intent)).toEqual([password, { name: 'bgp-passwords', key: 'hosts' }]);
});

test('a peer or a range whose password is not there is blocked, with a problem; one that has it knows which it is', () => {
  const known = ({ key }: { readonly key: string }): Known =>
    key === 'tor'
      ? { kind: 'found', revision: 3 }
      : { kind: 'unusable', what: 'There is no Secret bgp-passwords.', fix: 'Create it.' };
  const { config, problems } = withPasswords(intent, known);
  expect(config?.peers).toMatchObject([{ resource: 'open' }, { password: { ...password, revision: 3 } }]);
  expect(config?.dynamic).toMatchObject([
    {
      template: {
        blocked: 'There is no Secret bgp-passwords, and it is not started without its password',
      },
    },
  ]);
  expect(problems.map(formatProblem)).toEqual([
    'BGPPeer/hosts spec.password: There is no Secret bgp-passwords. Its session is not started without it. Create it.',
  ]);
});

test('nothing else of the intent is lost', () => {
  const wide = { ...intent, logLevel: 'debug' as const, links: ['eth1'] };
  expect(withPasswords(wide, () => ({ kind: 'unread' }))).toMatchObject({
    logLevel: 'debug',
    links: ['eth1'],
  });
  expect(intentOf('node1', [node('node1', { ips: ['10.0.0.1'] }), linkPeer('tor', 'eth1')]).links).toEqual([
    'eth1',
  ]);
});
