/** The old iptables, which this kernel may not have: its rules as iptables-legacy-save prints them. The rest is in test/netns/doctor.test.ts. */
import { expect, test } from 'vitest';
import { diagnose } from '../../../src/ctl/doctor/check.ts';
import type { NodeFacts } from '../../../src/ctl/doctor/node/facts.ts';
import { nodeChecks } from '../../../src/ctl/doctor/node/table.ts';

const facts: NodeFacts = {
  sysctls: new Map([['net/ipv4/conf/all/forwarding', '1']]),
  links: [],
  routes: [],
  podPrefixes: [],
  ruleset: [],
  legacy: [],
  listeners: [],
  lacking: [],
  protocols: new Map([
    ['80', 'tortie-bgp'],
    ['81', 'tortie-felix'],
  ]),
  cni: [{ name: '10-tortie.conflist', plugins: ['tortie'] }],
  cniDirectory: '/etc/cni/net.d',
};

const found = (more: Partial<NodeFacts>, unread: ReadonlyMap<string, string> = new Map()) =>
  diagnose(nodeChecks, { ...facts, ...more }, unread);

test('a node with nothing of note has no finding', () => {
  expect(found({}).findings).toEqual([]);
});

test.each<[string, readonly string[], string | undefined]>([
  ['policy drop', [':FORWARD DROP [0:0]'], 'iptables-legacy-save: :FORWARD DROP [0:0]'],
  [
    'a last rule that rejects',
    [':FORWARD ACCEPT [0:0]', '-A FORWARD -j REJECT --reject-with icmp-host-prohibited'],
    'iptables-legacy-save: -A FORWARD -j REJECT --reject-with icmp-host-prohibited',
  ],
  [
    'policy drop, with pods let pass',
    [':FORWARD DROP [0:0]', '-A FORWARD -i cali+ -j ACCEPT', '-A FORWARD -o cali+ -j ACCEPT'],
    undefined,
  ],
  ['a drop of something else', [':FORWARD ACCEPT [0:0]', '-A FORWARD -i docker0 -j DROP'], undefined],
])('legacy iptables with %s', (_, legacy, evidence) => {
  expect(found({ legacy }).findings.map((one) => one.evidence)).toEqual(
    evidence === undefined ? [] : [evidence],
  );
});

test('a full table of connections, and what the kernel lacks, are told', () => {
  const sysctls = new Map([
    ...facts.sysctls,
    ['net/netfilter/nf_conntrack_count', '95'],
    ['net/netfilter/nf_conntrack_max', '100'],
  ]);
  const lacking = [{ feature: 'reverse path lookups', said: 'Error: No such file or directory' }];
  expect(found({ sysctls, lacking }).findings.map(({ check, severity }) => [check, severity])).toEqual([
    ['conntrack', 'warning'],
    ['kernel', 'error'],
  ]);
});

test('without root, an owner of port 179 that cannot be seen is only noted', () => {
  expect(found({ listeners: [{ uid: 0 }] }).findings).toMatchObject([
    { check: 'bgp-port', severity: 'note' },
  ]);
});

test('our own speaker may own port 179', () => {
  expect(
    found({
      listeners: [
        {
          uid: 0,
          pid: 7,
          command: '/usr/bin/node --max-semi-space-size=4 /opt/tortie/src/tortie.ts bgp --node a',
        },
      ],
    }).findings,
  ).toEqual([]);
});

test('what only root may read makes a check impossible, and no other', () => {
  const { skipped, looked } = found({}, new Map([['ruleset', 'Root may.']]));
  expect(skipped).toEqual([{ check: 'foreign-rules', why: 'Root may.' }]);
  expect(looked).toHaveLength(nodeChecks.length - 1);
});
