/** What `tortiectl bgp tor-config` prints, loaded by a real FRR and a real BIRD: the sessions come up and routes pass. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type OwnKind, ownRouter } from '../support/own-router.ts';
import { bgpConfiguration, bgpPeer, createRack, ipPool, isUp, type Rack } from '../support/rack.ts';

const soon = 60_000;
/** Of the namespace the speakers are told. */
const secretMeta: { readonly name: string } = Object.assign({ name: 'passwords' }, { namespace: 'tortie' });
const script = new URL('../../src/tortie.sh', import.meta.url).pathname;

describe.each<OwnKind>(['frr', 'bird'])('a %s router', (kind) => {
  let rack: Rack;

  beforeAll(async () => {
    rack = createRack(`tc${kind}`, 2);
    rack.put(
      ipPool('pods', '10.244.0.0/16'),
      bgpConfiguration({ nodeToNodeMeshEnabled: false }),
      bgpPeer('tor', '172.30.0.1', 65000, {
        ttlSecurity: 1,
        numAllowedLocalASNumbers: 1,
        password: { secretKeyRef: { name: 'passwords', key: 'tor' } },
      }),
      {
        ...{ apiVersion: 'v1', kind: 'Secret', metadata: secretMeta },
        ...{ data: { tor: Buffer.from('s3cret').toString('base64') } },
      },
    );
    for (const node of rack.nodes) await node.start('--namespace', 'tortie');
    const { stdout, status } = spawnSync(
      script,
      ['ctl', '--datastore', `dir:${join(rack.directory, 'store')}`, 'bgp', 'tor-config', '--vendor', kind],
      { encoding: 'utf8' },
    );
    expect(status).toBe(0);
    const text = stdout.replaceAll(/<tor[ -]of[ -]Secret[ -]passwords>/g, 's3cret');
    const device = kind === 'bird' ? `router id 172.30.0.1;\nprotocol device {}\n${text}` : text;
    await ownRouter(rack, kind, 'tor', device);
  });
  afterAll(() => rack.close());

  test('RFC 2385 and RFC 5082: every session comes up with the password and the TTL it says', async () => {
    for (const node of rack.nodes) await node.peer('172.30.0.1', isUp, soon);
  });

  test('and it tells each node of the pods of the other', async () => {
    await rack.node(1).peer('172.30.0.1', ({ prefixesAccepted }) => prefixesAccepted > 0, soon);
    const routes = await rack.node(1).routes('?received=172.30.0.1');
    expect(routes.map(({ prefix }) => prefix)).toContain('10.244.2.0/24');
  });
});
