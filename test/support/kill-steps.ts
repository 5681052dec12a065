/**
 * A real `tortie felix` killed at each thing it does to the world, one after another (die-at.ts): between any two of them the
 * kernel has rules that let through nothing that the old and the new ones both forbid, and the agent after it makes of what is
 * left exactly what an agent that was never killed makes.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Conntrack, openConntrack } from '../../src/kernel/conntrack.ts';
import type { Flow } from '../../src/kernel/netlink/conntrack.ts';
import { udpSocket } from '../../src/kernel/sockets.ts';
import { formatAddress, ipv4, parseAddress } from '../../src/lib/net.ts';
import { interfaceName } from '../../src/model/endpoint.ts';
import { eventually } from './eventually.ts';
import { createFelixNode, type FelixNode, namespaceObject, nodeObject, podObject } from './felix.ts';
import type { Running } from './namespaces.ts';
import { type Cell, cellName, Prober } from './prober.ts';

export type RendererName = 'nftables' | 'iptables';

const hook = new URL('./die-at.ts', import.meta.url).pathname;
const staying = ['shop/web', 'shop/friend', 'shop/stranger'];
const leaving = 'shop/gone';
const coming = 'shop/late';
const bandwidth = {
  'qos.projectcalico.org/ingressBandwidth': '800M',
  'qos.projectcalico.org/egressBandwidth': '800M',
};

const v3 = (kind: string, name: string, spec: object, labels: object = {}): object => ({
  apiVersion: 'projectcalico.org/v3',
  kind,
  metadata: { name, labels },
  spec,
});

const ingress = (...friends: readonly string[]): object => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'only-friends', namespace: 'shop' },
  spec: {
    podSelector: { matchLabels: { app: 'web' } },
    ingress: [
      {
        from: friends.map((app) => ({ podSelector: { matchLabels: { app } } })),
        ports: ['TCP', 'UDP'].map((protocol) => ({ protocol, port: 80 })),
      },
    ],
  },
});

/** What differs between the two worlds, beside pods that go and come: policies, sets, bandwidth, settings of interfaces, a host endpoint. */
const worlds = {
  old: {
    policies: [
      ingress('friend'),
      v3('GlobalNetworkSet', 'partners', { nets: ['198.51.100.0/24', '203.0.113.7/32'] }, { role: 'p' }),
      v3('GlobalNetworkPolicy', 'to-partners', {
        selector: 'app == "stranger"',
        types: ['Egress'],
        egress: [{ action: 'Deny', destination: { selector: 'role == "p"' } }, { action: 'Allow' }],
      }),
    ],
    annotations: { 'shop/friend': bandwidth },
  },
  new: {
    policies: [
      ingress('friend', 'late'),
      v3('GlobalNetworkSet', 'partners', { nets: ['198.51.100.0/25', '203.0.113.8/32'] }, { role: 'p' }),
      v3('GlobalNetworkPolicy', 'to-partners', {
        selector: 'app == "stranger"',
        types: ['Egress'],
        egress: [
          { action: 'Deny', protocol: 'UDP', destination: { selector: 'role == "p"', ports: [53] } },
          { action: 'Deny', destination: { selector: 'role == "nobody"' } },
          { action: 'Allow' },
        ],
      }),
      v3('HostEndpoint', 'uplink', { node: 'node1', interfaceName: 'eth0', expectedIPs: ['192.0.2.1'] }),
      v3('IPPool', 'pods', { cidr: '10.244.0.0/16', natOutgoing: true }),
    ],
    annotations: {
      'shop/web': { ...bandwidth, 'cni.projectcalico.org/allowedSourcePrefixes': '["192.0.2.0/24"]' },
    },
  },
} as const;
type WorldName = keyof typeof worlds;

/** Tells which world was read. */
const marker = (name: WorldName): object => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name, namespace: 'shop' },
  spec: { podSelector: { matchLabels: { app: 'stranger' } }, ingress: [{}] },
});

const metadataOf = (object: object): object =>
  'metadata' in object && typeof object.metadata === 'object' ? (object.metadata ?? {}) : {};

/** A policy that the answers of neither world depend on. */
const closing = 'to-partners';

/** In the old world, and in the new one. */
const limited = ['friend', 'web'] as const;

const both = (from: string, to: string, protocol: Cell['protocol'], port: number): readonly Cell[] =>
  ([4, 6] as const).map((version) => ({ from, to, protocol, port, version }));
const forbidden: readonly Cell[] = [
  ...both('shop/stranger', 'shop/web', 'TCP', 80),
  ...both('shop/stranger', 'shop/web', 'UDP', 80),
  ...both('shop/friend', 'shop/web', 'UDP', 81),
];
const allowed: readonly Cell[] = [
  ...both('shop/friend', 'shop/web', 'UDP', 80),
  ...both('shop/friend', 'shop/web', 'TCP', 80),
  ...both('shop/web', 'shop/stranger', 'UDP', 81),
];

class KillSteps {
  readonly #node: FelixNode;
  readonly #prober = new Prober([80, 81]);
  readonly #addresses = new Map<string, readonly string[]>();
  #renderer: RendererName;
  readonly #files: string;
  readonly #conntrack: Conntrack;
  /** The address of the pod that went last. */
  #left = '';
  #felix: Running | undefined;
  #world: WorldName = 'old';
  #isPresent = { [leaving]: false, [coming]: false };
  #isTried = false;
  /** The steps of the last one that was to die, a line each; what it died before has a †. */
  told = '';
  /** What an agent leaves that was never killed. */
  #whole = '';
  /** The same, where the other renderer writes. */
  #otherWhole: string | undefined;

  constructor(renderer: RendererName) {
    this.#renderer = renderer;
    this.#node = createFelixNode(`ks${renderer[0]}`, 'node1');
    this.#files = join(this.#node.stateDir, '..', 'die');
    mkdirSync(this.#files);
    this.#conntrack = openConntrack(`/run/netns/${this.#node.ground.netns('node1')}`);
  }

  async open(): Promise<void> {
    const { ground } = this.#node;
    ground.link(['node1', 'eth0', '192.0.2.1/24'], ['out', 'eth0', '192.0.2.9/24']);
    this.#store('old');
    await this.#start();
    for (const pod of [...staying, leaving]) await this.#add(pod);
    await this.#settled();
    await this.#greet();
    for (const pod of staying) {
      const own = (this.#addresses.get(pod) ?? []).flatMap((text) => parseAddress(text) ?? []);
      await this.#prober.add(pod, this.#node.netns(pod), own);
    }
    await this.#look();
    this.#arm('');
    await this.#drive();
    await this.#look();
    this.#whole = await this.#seen();
    expect(await this.#flows(this.#left)).toEqual([]);
    await this.#back();
  }

  async close(): Promise<void> {
    this.#prober.close();
    this.#conntrack.close();
    await this.#node.close();
  }

  /**
   * Killed on the way from the old world to the new one. What is to come about is there after the next agent's start.
   * @param at  number or name of the step; see die-at.ts
   * @returns  the name of the step before which it died; undefined: it came to the end
   */
  async killed(at: string): Promise<string | undefined> {
    this.#arm(at);
    await this.#drive();
    return this.#buried();
  }

  /** The same, at the start of an agent that finds the new world. */
  async killedAtStart(at: string): Promise<string | undefined> {
    await this.#felix?.end();
    this.#store('new');
    this.#arm(at, false);
    this.#felix = this.#launch(true);
    await this.#settled();
    return this.#buried();
  }

  /** On the way to the new world while the kernel refuses a policy's rules, so that its chain is closed; it takes them later. */
  async killedClosing(at: string): Promise<string | undefined> {
    this.#arm(at, true, closing);
    await this.#drive();
    if (!this.#isDead) {
      const { problems } = await this.#node.status();
      expect(problems.map(({ where }) => where).join()).toContain(closing);
    }
    return this.#buried();
  }

  /** At the start of an agent that finds the new world and writes it by the other renderer; then that of before comes back. */
  async killedSwitching(at: string): Promise<string | undefined> {
    const own = this.#renderer;
    await this.#felix?.end();
    this.#store('new');
    this.#arm(at, false);
    this.#renderer = own === 'nftables' ? 'iptables' : 'nftables';
    this.#felix = this.#launch(true);
    await this.#settled();
    const died = await this.#revived();
    await this.#drive();
    await this.#look();
    const seen = await this.#seen();
    this.#otherWhole ??= seen;
    expect(seen, `what is there after it was killed before ${died}`).toBe(this.#otherWhole);
    await this.#felix?.end();
    this.#renderer = own;
    await this.#start();
    await this.#drive();
    await this.#look();
    expect(await this.#seen(), `what is there once ${own} writes again`).toBe(this.#whole);
    await this.#back();
    return died;
  }

  /** Until the next one runs. @returns  before which step it died; undefined: it did not */
  async #revived(): Promise<string | undefined> {
    this.told = readFileSync(join(this.#files, 'log'), 'utf8').trim();
    const died = /^† (.*)$/m.exec(this.told)?.[1];
    if (died !== undefined) {
      await this.#felix?.ended;
      await this.#look();
      this.#arm('', false);
      await this.#start();
    } else this.#arm('');
    return died;
  }

  async #buried(): Promise<string | undefined> {
    const died = await this.#revived();
    await this.#drive();
    await this.#look();
    // What the kernel refused before is tried again by and by.
    await eventually(
      async () =>
        expect(await this.#seen(), `what is there after it was killed before ${died}`).toBe(this.#whole),
      { within: 60_000 },
    );
    expect(await this.#flows(this.#left)).toEqual([]);
    await this.#back();
    return died;
  }

  /** Everything that an agent under test is asked to do; it may die at any moment of it. */
  async #drive(): Promise<void> {
    this.#store('new');
    await this.#settled();
    if (this.#isDead) return;
    if (this.#isPresent[leaving]) await this.#remove(leaving);
    if (!this.#isPresent[coming]) {
      // As the runtime does after an ADD that failed.
      if (this.#isTried) await this.#remove(coming);
      this.#isTried = true;
      await this.#add(coming);
    }
    await this.#settled();
  }

  async #back(): Promise<void> {
    this.#isTried = false;
    await this.#remove(coming);
    this.#store('old');
    await this.#settled();
    await this.#add(leaving);
    await this.#settled();
    await this.#greet();
  }

  /** A connection of the pod that is to go, for whoever gets its address next. */
  async #greet(): Promise<void> {
    const [to = ''] = this.#addresses.get(leaving) ?? [];
    const socket = await udpSocket(this.#node.netns('shop/friend'), ipv4(0), 0);
    await eventually(
      async () => {
        socket.send('?', 80, to);
        expect((await this.#flows(to)).length).toBeGreaterThan(0);
      },
      { within: 15_000 },
    );
    socket.close();
    this.#left = to;
  }

  async #flows(of: string): Promise<readonly Flow[]> {
    return (await this.#conntrack.dump(4)).filter(
      ({ original: { source, destination } }) =>
        formatAddress(source) === of || formatAddress(destination) === of,
    );
  }

  /** @param spoiled  name of a policy whose rules are refused; '': none is */
  #arm(at: string, isRunning = true, spoiled = ''): void {
    writeFileSync(join(this.#files, 'at'), at);
    writeFileSync(join(this.#files, 'spoil'), spoiled);
    writeFileSync(join(this.#files, 'log'), '');
    if (isRunning) this.#felix?.process.kill('SIGUSR2');
  }

  get #isDead(): boolean {
    return this.#felix?.process.exitCode !== null || this.#felix.process.signalCode !== null;
  }

  #launch(isFromStart: boolean): Running {
    const mode = this.#renderer === 'nftables' ? 'Enabled' : 'Disabled';
    const env = {
      NODE_OPTIONS: `--import ${hook}`,
      DIE_AT: join(this.#files, 'at'),
      DIE_SPOIL: join(this.#files, 'spoil'),
      DIE_LOG: join(this.#files, 'log'),
      DIE_DISK: this.#node.stateDir,
      ...(isFromStart ? { DIE_FROM_START: '1' } : {}),
    };
    return this.#node.launch(['--set', `nftablesMode=${mode}`, '--set', 'workloadSourceSpoofing=Any'], {
      env,
    });
  }

  async #start(): Promise<void> {
    this.#felix = this.#launch(false);
    await this.#settled();
    if (this.#isDead) throw new Error(`felix ended: ${this.#felix.output()}`);
  }

  /** Or it is dead. */
  async #settled(): Promise<void> {
    await eventually(
      async () => {
        if (this.#isDead) return;
        const { dataplane, pending, endpoints } = await this.#node.status();
        if (dataplane !== 'in-sync' || pending === true) throw new Error('it has something to do');
        if (endpoints.some(({ ready }) => !ready)) throw new Error('a pod is not ready');
        if (!this.#addresses.has('shop/stranger')) return;
        const { tiers } = (await this.#node.policy('shop/stranger')).ingress;
        if (!tiers.some(({ policies }) => policies.some(({ name }) => name === this.#world)))
          throw new Error(`world "${this.#world}" was not read`);
        const filters = await this.#node.ground.exec(
          'node1',
          limited.map((pod) => `tc filter show dev ${interfaceName('shop', pod)} ingress`).join(';'),
        );
        const wanted = `ifb${interfaceName('shop', limited[this.#world === 'old' ? 0 : 1]).slice(4)}`;
        if ([...filters.matchAll(/ifb\w+/g)].join() !== wanted) throw new Error(`not limited: ${filters}`);
      },
      { within: 60_000, every: 5 },
    );
  }

  #store(name: WorldName): void {
    const { policies, annotations } = worlds[name];
    this.#world = name;
    const noted: Readonly<Record<string, object>> = annotations;
    this.#node.store([
      nodeObject('node1', '10.244.1.0/24', 'fd00:1::/64'),
      namespaceObject('shop'),
      ...[...staying, leaving, coming].map((pod) => {
        const object = podObject(pod, 'node1', { labels: { app: pod.slice(5) } });
        return { ...object, metadata: { ...metadataOf(object), annotations: noted[pod] ?? {} } };
      }),
      marker(name),
      ...policies,
    ]);
  }

  /** What it was asked for failed: that may only be for its death. */
  async #died(why: string): Promise<void> {
    await eventually(() => expect(this.#isDead, why).toBe(true), { within: 15_000 });
  }

  async #add(pod: string): Promise<void> {
    const request = { container: `c-${pod.slice(5)}`, pod };
    if (this.#isDead) return;
    const { code, result } = await this.#node.call('ADD', request);
    if (code !== 0) return this.#died(`ADD ${pod}: ${JSON.stringify(result)}`);
    const { ips } = result as { readonly ips: readonly { readonly address: string }[] };
    this.#addresses.set(
      pod,
      ips.map(({ address }) => address.replace(/\/.*/, '')),
    );
    if (pod === leaving || pod === coming) this.#isPresent = { ...this.#isPresent, [pod]: true };
  }

  async #remove(pod: string): Promise<void> {
    if (this.#isDead) return;
    const { code, result } = await this.#node.call('DEL', { container: `c-${pod.slice(5)}`, pod });
    if (code !== 0) return this.#died(`DEL ${pod}: ${JSON.stringify(result)}`);
    this.#addresses.delete(pod);
    if (pod === leaving || pod === coming) this.#isPresent = { ...this.#isPresent, [pod]: false };
  }

  /** Nothing that is forbidden before and after arrives; what is allowed before and after does. */
  async #look(): Promise<void> {
    const must = new Set(allowed.map(cellName));
    const arrived = await this.#prober.probe([...forbidden, ...allowed], must);
    expect([...arrived].filter((name) => !must.has(name))).toEqual([]);
    expect([...must].filter((name) => !arrived.has(name))).toEqual([]);
  }

  /** All of ours in kernel and on disk, without what is another each time. */
  async #seen(): Promise<string> {
    const said = await this.#node.ground.exec(
      'node1',
      `${this.#renderer === 'nftables' ? 'nft -s list table inet tortie' : 'nft list tables | grep tortie'}
       ipset save 2>/dev/null | sed 's/ initval [^ ]*//' | sort
       for f in iptables ip6tables; do echo $f; $f-nft-save | grep -v '^#\\|^:[A-Z]' | sed 's/^:\\(.*\\) \\[.*/:\\1/' | awk '/^[*]/ { table = $0; next } !/^COMMIT/ { print table, $0 }' | sort -s -k1,3; done
       ip route show table all proto 81; ip -6 route show table all proto 81; ip -br link | sed 's/[@ ].*//' | sort
       tc qdisc show | sort; tc filter show dev ${interfaceName('shop', 'web')} ingress | grep -v index
       for p in rp_filter proxy_arp forwarding; do grep . /proc/sys/net/ipv4/conf/cali*/$p; done`,
    );
    const records = readdirSync(this.#node.stateDir).sort().join('\n');
    let text = `${ordered(said)}\n${records}`;
    for (const own of this.#addresses.get(coming) ?? [])
      text = text.replaceAll(
        new RegExp(`${own.replaceAll('.', '\\.')}(?![0-9a-f:.])`, 'g'),
        own.includes(':') ? 'six' : 'four',
      );
    return text;
  }
}

/** Objects of an nft listing in the order of their names, and elements in theirs; what comes after the listing stays whole. */
function ordered(listing: string): string {
  const sorted = listing.replace(/elements = \{([^}]*)\}/g, (_, inside: string) =>
    inside
      .split(',')
      .map((element) => element.trim())
      .sort()
      .join(', '),
  );
  return sorted
    .split(/\n(?=\t(?:chain|set|map) |\}\n)/)
    .map((object) => object.trimEnd())
    .sort()
    .join('\n');
}

/**
 * By name. All of them, by number, if KILL_STEPS is set; of those of taking over from the other renderer each that many, for one of
 * these takes ten seconds, and of those of quarantine each third of it. With 1 it takes an hour.
 */
export function proveKilled(
  renderer: RendererName,
  named: Readonly<Record<'live' | 'start' | 'closing', readonly string[]>>,
): void {
  const stride = Number(process.env['KILL_STEPS'] ?? 0);
  const isAll = stride > 0;
  describe(`an agent that writes by ${renderer}`, () => {
    const scene = new KillSteps(renderer);
    beforeAll(() => scene.open());
    afterAll(() => scene.close());

    test.each(isAll ? [] : named.live)(
      'killed before %s leaves one whole state, and the next one ends in the same',
      async (name) => {
        expect(await scene.killed(name), scene.told).toBe(name);
      },
    );

    test.each(isAll ? [] : named.start)('killed at its start before %s likewise', async (name) => {
      expect(await scene.killedAtStart(name), scene.told).toBe(name);
    });

    test.each(isAll ? [] : named.closing)(
      'killed before %s, while a chain is refused and closed, likewise',
      async (name) => {
        expect(`${name} `, scene.told).toContain(`${await scene.killedClosing(name)} `);
      },
    );

    /** One after another, until one comes to the end. */
    async function all(
      what: string,
      killed: (at: string) => Promise<string | undefined>,
      apart = 1,
    ): Promise<void> {
      for (let at = 1; ; at += apart) {
        const name = await killed(String(at));
        if (name === undefined) return;
        console.log(`${renderer}, ${what}, step ${at}: ${name}`);
      }
    }

    test.skipIf(!isAll)(
      'killed before each thing it does, at its start, in quarantine and taking over, likewise',
      async () => {
        await all('on the way', (at) => scene.killed(at));
        await all('at the start', (at) => scene.killedAtStart(at));
        await all('while a chain is refused', (at) => scene.killedClosing(at), Math.ceil(stride / 3));
        await scene.killedSwitching('');
        await all('to the other renderer', (at) => scene.killedSwitching(at), stride);
      },
      3 * 3_600_000,
    );
  });
}
