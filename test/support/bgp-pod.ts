/** A pod of a rack's node, wired as the CNI plugin does it, with BIRD in it. */
import { execFileSync } from 'node:child_process';
import { interfaceName } from '../../src/model/endpoint.ts';
import type { Rack } from './rack.ts';

export interface BgpPod {
  readonly name: string;
  /** In namespace default. */
  readonly manifest: { readonly kind: string; readonly metadata: { readonly name: string } };
  /** Of the node's end. */
  readonly interface: string;
}

/** @param number  its addresses are 10.244.1.NUMBER and fd00:244:1::NUMBER, on node1 */
export function bgpPod(rack: Rack, name: string, number: number, labels: object): BgpPod {
  const host = interfaceName('default', name);
  const [v4, v6] = [`10.244.1.${number}`, `fd00:244:1::${number}`];
  rack.ground.link([name, 'eth0', `${v4}/32`, `${v6}/128`], ['node1', host]);
  const run = (where: string, script: string): void => {
    execFileSync('nsenter', [`--net=/run/netns/${rack.ground.netns(where)}`, 'sh', '-ec', script]);
  };
  run(
    'node1',
    `ip link set ${host} address ee:ee:ee:ee:ee:ee
    for sysctl in ipv4/conf/${host}/proxy_arp ipv4/conf/${host}/forwarding ipv6/conf/all/forwarding ipv4/ip_forward; do
      echo 1 >/proc/sys/net/$sysctl; done
    ip route add ${v4} dev ${host} proto 81 scope link
    ip -6 route add ${v6} dev ${host} proto 81 metric 1024`,
  );
  run(
    name,
    `ip route add 169.254.1.1 dev eth0 scope link
    ip neighbour add 169.254.1.1 lladdr ee:ee:ee:ee:ee:ee dev eth0
    ip route add default via 169.254.1.1 dev eth0
    ip neighbour add fe80::ecee:eeff:feee:eeee lladdr ee:ee:ee:ee:ee:ee dev eth0
    ip -6 route add default via fe80::ecee:eeff:feee:eeee dev eth0`,
  );
  return {
    name,
    interface: host,
    manifest: podManifest(name, [v4, v6], labels),
  };
}

export const podManifest = (name: string, addresses: readonly string[], labels: object) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', labels },
  spec: { nodeName: 'node1', serviceAccountName: 'default', containers: [] },
  status: { phase: 'Running', podIPs: addresses.map((ip) => ({ ip })) },
});

/** AS 64600, which has and announces 10.99.N.0/24 and fd00:99:N::/64. @param to  where the node is dialled, each by its family */
export const podBird = (
  number: number,
  to: readonly { readonly node: string; readonly own: string }[],
): string => `log stderr all;
router id 10.244.1.${number};
protocol device {}
protocol static { ipv4; route 10.99.${number}.0/24 blackhole; }
protocol static { ipv6; route fd00:99:${number}::/64 blackhole; }
${to
  .map(
    ({ node, own }, index) => `protocol bgp node${index} {
  local ${own} as 64600;
  neighbor ${node} as 64512;
  multihop;
  hold time 9; keepalive time 1; connect retry time 1; connect delay time 1; error wait time 1, 2;
  ${own.includes(':') ? 'ipv6' : 'ipv4'} { import all; export where source = RTS_STATIC; };
}`,
  )
  .join('\n')}
`;
