/**
 * Where the player plays: an API server with nothing in it, two nodes with nothing on them, a ToR with BIRD and a client beyond it.
 *
 *     client 192.0.2.10 ── tor 172.30.0.1 (BIRD, AS 65000) ──┬── node1 172.30.0.11
 *                                                            ├── node2 172.30.0.12
 *                                                            └── api   172.30.0.100, as Service 10.96.0.1 by what stands for kube-proxy
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ApiServer, createApiServer } from '../../support/api-server.ts';
import type { Playground } from '../../support/namespaces.ts';
import { createRack } from '../../support/rack.ts';
import { type Router, startRouter } from '../../support/routers.ts';
import { createNode, type PlayedNode } from './node.ts';
import { type Player, startPlayer } from './player.ts';

export interface Site {
  readonly ground: Playground;
  readonly api: ApiServer;
  /** Path of the administrator's kubeconfig. */
  readonly admin: string;
  readonly tor: Router;
  readonly player: Player;
  readonly nodes: readonly PlayedNode[];
  node(name: string): PlayedNode;
  /** Of the client beyond the ToR: path. */
  readonly client: { readonly netns: string; readonly addresses: readonly string[] };
  readonly scratch: string;
  close(): Promise<void>;
}

const apiAddress = '172.30.0.100';

/** What a node has of others before we come, and must have after. */
const others: Readonly<Record<string, string>> = {
  'etc/cni/net.d/87-podman.conflist':
    '{"cniVersion":"0.4.0","name":"podman","plugins":[{"type":"bridge"}]}\n',
  'opt/cni/bin/bridge': '#!/bin/sh\nexit 1\n',
};

/** kube-proxy's part, and rules of the administrator's own. */
const ruleset = `table ip kube-proxy {
  chain services { type nat hook output priority -100; ip daddr 10.96.0.1 tcp dport 443 dnat to ${apiAddress}:6443; }
}
table inet site {
  chain input { type filter hook input priority 0; policy accept; tcp dport 23 drop; }
}`;

/** @param prefix  of the namespaces' names. @param image  that pods run */
export async function createSite(prefix: string, image: string): Promise<Site> {
  const rack = createRack(prefix, 2);
  const { ground, directory: scratch } = rack;
  rack.host('api', 100);
  ground.link(
    ['client', 'eth0', '192.0.2.10/24', '2001:db8:30::10/64'],
    ['tor', 'to-client', '192.0.2.1/24', '2001:db8:30::1/64'],
  );
  await ground.exec('client', 'ip route add default via 192.0.2.1; ip route add default via 2001:db8:30::1');
  await ground.exec('tor', 'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1');
  const api = createApiServer(ground, 'api', [apiAddress, '10.96.0.1']);
  const nodes = rack.nodes.map(({ name, address }) =>
    createNode(name, ground.netns(name), [address.v4, address.v6], join(scratch, `root-${name}`)),
  );
  for (const { name, host } of nodes) {
    await ground.exec(name, 'ip route add default via 172.30.0.1; ip route add default via fd00:30::1');
    execFileSync('nsenter', [`--net=/run/netns/${ground.netns(name)}`, 'nft', '-f', '-'], { input: ruleset });
    if (name !== 'node1') continue;
    for (const [path, text] of Object.entries(others)) {
      mkdirSync(join(host('/'), path, '..'), { recursive: true });
      writeFileSync(join(host('/'), path), text);
      chmodSync(join(host('/'), path), path.startsWith('opt') ? 0o755 : 0o600);
    }
  }
  // What it hears of the nodes it routes by.
  const kernel = 'export where source = RTS_BGP;';
  const tor = await startRouter(rack, 'bird', {
    ...{ asn: 65000, host: 'tor', number: 1, announces: ['192.0.2.0/24', '2001:db8:30::/64'] },
    more: `protocol kernel { ipv4 { ${kernel} }; }\nprotocol kernel { ipv6 { ${kernel} }; }`,
  });
  await api.start();
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const player = startPlayer({ ground, api, nodes: byName, image, scratch });
  return {
    ...{ ground, api, tor, player, nodes, scratch, admin: api.kubeconfig('admin', '10.97.0.1') },
    node: (name) => {
      const found = byName.get(name);
      if (found === undefined) throw new Error(`there is no ${name}`);
      return found;
    },
    client: { netns: `/run/netns/${ground.netns('client')}`, addresses: ['192.0.2.10', '2001:db8:30::10'] },
    close: async () => {
      await player.close();
      await api.close();
      await rack.close();
    },
  };
}
