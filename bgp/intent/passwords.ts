/** Which peers may start: those without a password, and those whose password is known. Pure. */
import type { Problem } from '../../src/model/problem.ts';
import type { SecretKey } from '../../src/model/resource.ts';
import type { Intent, PeerConfig } from '../config.ts';

/** What is known of one key of a Secret. `revision` counts the values it has had; a key itself is not shown here. */
export type Known =
  | { readonly kind: 'found'; readonly revision: number }
  /** Not there, or not usable: what and fix are sentences. */
  | { readonly kind: 'unusable'; readonly what: string; readonly fix: string }
  | { readonly kind: 'unread' };

/** What has a password: a peer, or the template of those from a range. */
type Signed = Pick<PeerConfig, 'origin' | 'resource' | 'password' | 'blocked'>;

const signedIn = ({ config }: Intent): readonly Signed[] => [
  ...(config?.peers ?? []),
  ...(config?.dynamic ?? []).map(({ template }) => template),
];

/** "name/key" of each Secret's key that a peer needs. */
export const secretKeysOf = (intent: Intent): readonly SecretKey[] =>
  signedIn(intent).flatMap(({ password }) => password ?? []);

/** A peer whose password is not known is blocked and says why; it is never started without. Nobody comes in from a range then. */
export function withPasswords(intent: Intent, known: (key: SecretKey) => Known): Intent {
  const { config } = intent;
  if (config === undefined || secretKeysOf(intent).length === 0) return intent;
  const problems = new Map<string, Problem>();
  const signed = <P extends Signed>(peer: P): P => {
    if (peer.password === undefined) return peer;
    const { name, key } = peer.password;
    const answer = known({ name, key });
    if (answer.kind === 'found') return { ...peer, password: { name, key, revision: answer.revision } };
    if (answer.kind === 'unread') return { ...peer, blocked: 'its password has not been read yet' };
    const where = whereOf(peer);
    problems.set(where, { where, what: `${answer.what} ${consequence(peer)}`, fix: answer.fix });
    return {
      ...peer,
      blocked: `${answer.what.replace(/\.$/, '')}, and it is not started without its password`,
    };
  };
  const dynamic = config.dynamic?.map((range) => ({ ...range, template: signed(range.template) }));
  const peers = config.peers.map(signed);
  return {
    ...intent,
    config: { ...config, peers, ...(dynamic === undefined ? {} : { dynamic }) },
    problems: [...intent.problems, ...problems.values()],
  };
}

const whereOf = ({ origin, resource }: Signed): string =>
  origin === 'node-to-node mesh'
    ? 'BGPConfiguration/default spec.nodeMeshPassword'
    : `BGPPeer/${resource} spec.password`;

const consequence = ({ origin }: Signed): string =>
  origin === 'node-to-node mesh'
    ? 'No session with another node is started without it.'
    : 'Its session is not started without it.';
