/** A node with a pod and somebody outside, and what our table holds beside policy, loaded into it. */
import { type Addition, versions } from '../../felix/rules/addition.ts';
import { elementKey, type Ruleset } from '../../felix/rules/model.ts';
import { renderRuleset } from '../../felix/rules/text.ts';
import { renderXtables } from '../../felix/rules/xtables/render.ts';
import { ruleScript, setScripts } from '../../felix/rules/xtables/script.ts';
import { xtSeen, xtSetsSeen } from '../../felix/rules/xtables/seen.ts';
import { openKernel } from '../../src/kernel/linux.ts';
import { tcpConnect, tcpListen, udpSocket } from '../../src/kernel/sockets.ts';
import { openXtables } from '../../src/kernel/xtables.ts';
import { type Address, formatAddress, ipv4, parseAddress } from '../../src/lib/net.ts';
import { eventually } from './eventually.ts';
import { createPlayground, type Playground } from './namespaces.ts';

export const address = (text: string): Address => parseAddress(text) ?? ipv4(0);

const rulesetOf = ({ chains, sets }: Addition): Ruleset => ({
  chains: new Map(chains.map((chain) => [chain.name, chain])),
  sets: new Map(
    sets.map(({ decl, elements }) => [
      decl.name,
      { decl, elements: new Map(elements.map((element) => [elementKey(element), element])) },
    ]),
  ),
});

export const names = {
  pod: { 4: '10.65.0.2', 6: 'fd65::2' },
  neighbour: { 4: '10.66.0.2', 6: 'fd66::2' },
  node: { 4: '192.0.2.1', 6: 'fd02::1' },
  outside: { 4: '192.0.2.2', 6: 'fd02::2' },
} as const;
export type Place = keyof typeof names;

export interface SmallNode {
  readonly playground: Playground;
  /** All we have, by this renderer, in place of whatever was there of it. */
  load(addition: Addition): Promise<void>;
  /** A script of somebody else's, for nft. */
  nft(script: string): Promise<void>;
  path(place: Place): string;
  /** Whom a UDP datagram to there seems to come from; undefined: it does not arrive. @param listen  where it should arrive */
  sourceOf(from: Place, to: string, listen: Place, port: number): Promise<string | undefined>;
  /** Sends datagrams that nobody need hear, until told to stop. */
  sendAgain(from: Place, to: string, port: number): Promise<() => void>;
  /** Whether a TCP connection comes about. */
  connects(from: Place, to: string, listen: Place, port: number): Promise<boolean>;
  close(): Promise<void>;
}

/** What must arrive is sent again until it does. */
const patienceMs = 15_000;

async function loadXtables(netns: string, ruleset: Ruleset): Promise<void> {
  const programs = openXtables('nft', netns);
  const rendered = renderXtables(ruleset, {
    maxSetSize: 65_536,
    insert: 'first',
    workloadPrefixes: ['cali'],
    rejectedMark: 0x2_0000,
  });
  if (!rendered.ok) throw new Error(rendered.error);
  const { families, sets } = rendered.value;
  const scripts = setScripts(sets, xtSetsSeen(await programs.saveSets()));
  await programs.restoreSets(scripts.before);
  for (const version of versions)
    await programs.restore(version, ruleScript(families[version], xtSeen(await programs.save(version))));
  await programs.restoreSets(scripts.after);
}

export async function createSmallNode(
  prefix: string,
  renderer: 'nftables' | 'iptables' = 'nftables',
): Promise<SmallNode> {
  const playground = createPlayground(prefix);
  const path = (place: Place): string => `/run/netns/${playground.netns(place)}`;
  playground.link(
    ['node', 'cali0000000000a', '10.65.0.1/24', 'fd65::1/64'],
    ['pod', 'eth0', '10.65.0.2/24', 'fd65::2/64'],
  );
  playground.link(
    ['node', 'cali0000000000b', '10.66.0.1/24', 'fd66::1/64'],
    ['neighbour', 'eth0', '10.66.0.2/24', 'fd66::2/64'],
  );
  playground.link(
    ['node', 'eth0', '192.0.2.1/24', 'fd02::1/64'],
    ['outside', 'eth0', '192.0.2.2/24', 'fd02::2/64'],
  );
  const run = async (place: Place, ...commands: readonly string[]): Promise<void> => {
    for (const command of commands) await playground.exec(place, command);
  };
  await run(
    'node',
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
    'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding',
    'echo 0 > /proc/sys/net/ipv4/icmp_ratelimit', // a SYN is rejected at once, not when it is sent again
    'ip route add default via 192.0.2.2',
    'ip -6 route add default via fd02::2',
  );
  await run('pod', 'ip route add default via 10.65.0.1', 'ip -6 route add default via fd65::1');
  await run('neighbour', 'ip route add default via 10.66.0.1', 'ip -6 route add default via fd66::1');
  await run(
    'outside',
    ...['10.65.0.0/16', '10.66.0.0/16', '10.96.0.0/16', '198.51.100.0/24'].map(
      (prefix) => `ip route add ${prefix} via 192.0.2.1`,
    ),
    ...['fd65::/64', 'fd66::/64', 'fd96::/64'].map((prefix) => `ip -6 route add ${prefix} via fd02::1`),
  );
  await eventually(
    async () => {
      for (const place of ['pod', 'neighbour', 'node', 'outside'] as const)
        if ((await playground.exec(place, 'ip -6 address show tentative')) !== '')
          throw new Error('tentative');
    },
    { within: 30_000 },
  );
  const kernel = openKernel(path('node'));
  return {
    playground,
    path,
    load: (addition) =>
      renderer === 'nftables'
        ? kernel.nft(renderRuleset(rulesetOf(addition)))
        : loadXtables(path('node'), rulesetOf(addition)),
    nft: (script) => kernel.nft(script),
    sourceOf: (from, to, listen, port) => sourceOf(path(from), address(to), path(listen), port),
    sendAgain: (from, to, port) => sendAgain(path(from), address(to), port),
    connects: async (from, to, listen, port) => {
      const any = address(to.includes(':') ? '::' : '0.0.0.0');
      const server = await tcpListen(path(listen), any, port, (socket) => socket.resume());
      try {
        const socket = await tcpConnect(path(from), address(to), port, { timeoutMs: 15_000 });
        socket.destroy();
        return true;
      } catch {
        return false;
      } finally {
        server.close();
      }
    },
    close: async () => {
      kernel.close();
      await playground.close();
    },
  };
}

async function sourceOf(
  from: string,
  to: Address,
  listen: string,
  port: number,
): Promise<string | undefined> {
  const any = typeof to === 'number' ? ipv4(0) : address('::');
  const server = await udpSocket(listen, any, port);
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  server.on('message', (_, { address: source }) => resolve(source));
  const stop = await sendAgain(from, to, port);
  const end = setTimeout(() => resolve(undefined), patienceMs);
  const seen = await promise;
  clearTimeout(end);
  stop();
  server.close();
  return seen;
}

/** Sends a datagram every 50 ms. @returns how to stop */
async function sendAgain(from: string, to: Address, port: number): Promise<() => void> {
  const client = await udpSocket(from, typeof to === 'number' ? ipv4(0) : address('::'), 0);
  client.on('error', () => undefined); // ICMP: that is an answer too
  const send = (): void => client.send('x', port, formatAddress(to), () => undefined);
  const again = setInterval(send, 50);
  send();
  return () => {
    clearInterval(again);
    client.close();
  };
}
