/** A real BMP station, pmacct's pmbmpd, hears what neighbours tell us. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { Running } from '../support/namespaces.ts';
import { birdConf, ownRouter } from '../support/own-router.ts';
import { bgpPeer, createRack, ipPool, isUp } from '../support/rack.ts';

const rack = createRack('collect', 1);
const node = rack.node(1);
const soon = 60_000;
const heard = join(rack.directory, 'bmp.json');
let station: Running;

beforeAll(async () => {
  rack.host('station', 9);
  rack.put(ipPool('pods', '10.244.0.0/16'), bgpPeer('tor', '172.30.0.1', 65000));
  const file = join(rack.directory, 'pmbmpd.conf');
  const lines = [
    'daemonize: false',
    'bmp_daemon_ip: 172.30.0.9',
    'bmp_daemon_port: 11019',
    `bmp_daemon_msglog_file: ${heard}`,
    'bmp_daemon_msglog_output: json',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  station = rack.ground.start('station', ['pmbmpd', '-f', file]);
  await ownRouter(
    rack,
    'bird',
    'tor',
    `${birdConf('172.30.0.11', '172.30.0.1', '').replace('export none', 'export all')}
protocol static more { ipv4; route 10.244.7.0/24 blackhole; route 192.0.2.0/24 blackhole; }`,
  );
  await node.start('--bmp', '172.30.0.9:11019');
  await node.peer('172.30.0.1', (peer) => isUp(peer) && peer.prefixesReceived >= 2, soon);
});
afterAll(() => rack.close());

type Line = Readonly<Record<string, unknown>>;
function lines(): readonly Line[] {
  return readFileSync(heard, 'utf8')
    .split('\n')
    .flatMap((line) => (line.endsWith('}') ? [JSON.parse(line) as Line] : []));
}

test('RFC 7854: pmbmpd hears who we are, the session, each route before policy, and the end of the session', async () => {
  await eventually(
    () => {
      if (station.process.exitCode !== null) throw new Error(station.output());
      const all = lines();
      expect(all).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ bmp_msg_type: 'init' }),
          expect.objectContaining({ bmp_msg_type: 'peer_up', peer_ip: '172.30.0.1', peer_asn: 65000 }),
          expect.objectContaining({
            bmp_msg_type: 'route_monitor',
            ip_prefix: '10.244.7.0/24',
            bgp_nexthop: '172.30.0.1',
            as_path: '65000',
            log_type: 'update',
          }),
          expect.objectContaining({ bmp_msg_type: 'route_monitor', ip_prefix: '192.0.2.0/24' }),
        ]),
      );
    },
    { within: soon },
  );
  rack.drop('BGPPeer', 'tor');
  await eventually(
    () =>
      expect(lines()).toContainEqual(
        expect.objectContaining({ bmp_msg_type: 'peer_down', peer_ip: '172.30.0.1' }),
      ),
    { within: soon },
  );
});
