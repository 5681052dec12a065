/** Others who claim what is ours: the BGP port, the CNI directory, the protocol numbers; and what the kernel lacks. */
import type { Finding } from '../check.ts';
import type { NodeFacts } from './facts.ts';

const isOurs = (command: string): boolean =>
  /tortie(\.ts|\.sh)?(\s|$)/.test(command) && /(^|\s)bgp(\s|$)/.test(command);

export function portOwner({ listeners }: NodeFacts): readonly Finding[] {
  return listeners
    .filter(({ command }) => command === undefined || !isOurs(command))
    .map(({ command, pid, uid }) =>
      command === undefined
        ? {
            severity: 'note',
            subject: 'TCP port 179',
            evidence: `/proc/net/tcp: a process of user ${uid} listens; whose it is, only root may see.`,
            why: 'If it is another BGP daemon, Tortie cannot listen there.',
            fix: 'Look as root: tortiectl doctor --scope node --only bgp-port.',
          }
        : {
            severity: 'error',
            subject: 'TCP port 179',
            evidence: `/proc/net/tcp: process ${pid} (${command.slice(0, 120)}) listens there.`,
            why: 'Only one can: Tortie gets no incoming session, and neighbours talk to the wrong daemon.',
            fix: 'Stop and disable it (systemctl disable --now bird, frr, …), or set listenPort of BGPConfiguration and the neighbours to another port.',
          },
    );
}

export function kernelFeatures({ lacking }: NodeFacts): readonly Finding[] {
  return lacking.map(({ feature, said }) => ({
    severity: 'error',
    subject: feature,
    evidence: `nft --check says: ${said}`,
    why: 'The ruleset cannot be written: pods stay without policy, so without network.',
    fix: 'Load or install the module (modprobe, the package linux-modules-extra), or use a kernel of 5.10 or later with it.',
  }));
}

const protocolNames = [
  ['80', 'tortie-bgp'],
  ['81', 'tortie-felix'],
] as const;

export function protocolNumbers({ protocols }: NodeFacts): readonly Finding[] {
  const taken = protocolNames.flatMap(([number, name]): readonly Finding[] => {
    const found = protocols.get(number);
    if (found === undefined || found === name) return [];
    return [
      {
        severity: 'warning',
        subject: `routing protocol ${number}`,
        evidence: `/etc/iproute2/rt_protos calls it ${found}.`,
        why: "If that program runs here, it and Tortie take each other's routes for their own.",
        fix: 'Remove that program or its line; Tortie needs 80 and 81 for itself.',
      },
    ];
  });
  const nameless = protocolNames.filter(([number]) => !protocols.has(number));
  if (nameless.length === 0) return taken;
  const both = (of: 0 | 1): string => nameless.map((one) => one[of]).join(' and ');
  return [
    ...taken,
    {
      severity: 'note',
      subject: `routing protocol${nameless.length === 1 ? '' : 's'} ${both(0)}`,
      evidence: '/etc/iproute2/rt_protos and rt_protos.d have no name for it.',
      why: `"ip route" shows ${both(0)} where it could show ${both(1)}.`,
      fix: 'Copy deploy/rt_protos.d/tortie.conf to /etc/iproute2/rt_protos.d/.',
    },
  ];
}

/** The runtime takes the first file by name. */
export function cniOrder({ cni, cniDirectory }: NodeFacts): readonly Finding[] {
  const first = cni[0];
  const ours = cni.find(({ plugins = [] }) => plugins.includes('tortie'));
  if (ours === undefined)
    return [
      {
        severity: 'error',
        subject: cniDirectory,
        evidence: `${cniDirectory} holds ${cni.length === 0 ? 'no configuration' : cni.map(({ name }) => name).join(', ')}, and none of them names the plugin tortie.`,
        why: 'Pods get no network from Tortie.',
        fix: '"tortie felix" writes it once it can serve it; see its log: kubectl -n kube-system logs ds/tortie-node -c felix.',
      },
    ];
  const broken = cni
    .filter(({ plugins }) => plugins === undefined)
    .map(
      ({ name }): Finding => ({
        severity: 'warning',
        subject: name,
        evidence: `${cniDirectory}/${name} is not JSON.`,
        why: 'The container runtime may refuse the whole directory.',
        fix: 'Remove it.',
      }),
    );
  if (first === undefined || first === ours) return broken;
  return [
    {
      severity: 'error',
      subject: first.name,
      evidence: `${cniDirectory} holds ${cni.map(({ name }) => name).join(', ')}; the first by name is the one that counts, and it runs ${first.plugins?.join(', ') ?? 'nothing readable'}.`,
      why: 'Pods get their network from another plugin.',
      fix: `Uninstall the other network, then: rm ${cniDirectory}/${first.name}.`,
    },
    ...broken,
  ];
}
