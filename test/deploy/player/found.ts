/** What a node is like, to compare after with before: each part as sorted lines. */
import { execFileSync } from 'node:child_process';
import type { PlayedNode } from './node.ts';

export type Found = Readonly<Record<string, readonly string[]>>;

const kernel: Readonly<Record<string, string>> = {
  'nftables ruleset': 'nft -s list ruleset',
  'IPv4 routes': 'ip -4 route show table all',
  'IPv6 routes': 'ip -6 route show table all',
  rules: 'ip -4 rule; ip -6 rule',
  links: 'ip -o link',
  addresses: 'ip -o address show permanent',
  'queueing disciplines': 'tc qdisc show',
  // Of counters, and of what moves by itself, nothing.
  'kernel parameters': `grep -rs . /proc/sys/net/ipv4 /proc/sys/net/ipv6 /proc/sys/net/core /proc/sys/net/netfilter | grep -v 'nf_conntrack_count\\|stable_secret' || true`,
};

/** Name, kind, mode and contents. Sockets of the machine's programs and the mount points of the node's root are not there. */
const files = (root: string): readonly string[] =>
  execFileSync(
    'sh',
    [
      '-c',
      `cd ${root} && find etc/cni opt var/lib run -path run/netns -prune -o -printf '%y %m %p %l' -type f -printf ' ' -exec sha256sum {} ';' -o -printf '\\n' 2>/dev/null || true`,
    ],
    { encoding: 'utf8' },
  )
    .split('\n')
    .filter((line) => line !== '')
    .sort();

export async function look(node: PlayedNode): Promise<Found> {
  const found: Record<string, readonly string[]> = { files: files(node.root) };
  for (const [name, line] of Object.entries(kernel)) {
    const text = await node.sh(line);
    // Only the ruleset's order means something; it has few lines.
    found[name] = name === 'nftables ruleset' ? text.split('\n') : text.trim().split('\n').sort();
  }
  return found;
}

/** "part: - line" for what is gone, "part: + line" for what has come. */
export const differences = (before: Found, after: Found): readonly string[] =>
  Object.keys(before).flatMap((part) => {
    const [was, is] = [before[part] ?? [], after[part] ?? []];
    return [
      ...was.filter((line) => !is.includes(line)).map((line) => `${part}: - ${line}`),
      ...is.filter((line) => !was.includes(line)).map((line) => `${part}: + ${line}`),
    ];
  });
