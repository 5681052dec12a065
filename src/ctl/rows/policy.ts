/** Commands that say what policy means: for a pod or a node, for a connection, and for a change that is not made yet. */

import { type Command, command, namespace, type OptionRow, output, socket, usual } from '../command.ts';
import type {
  PolicyLintOptions,
  PolicyOptions,
  PolicyPreviewOptions,
  PolicyTestOptions,
  PolicyWhyOptions,
} from '../options.ts';

const files: readonly OptionRow[] = [
  { flags: '-f, --filename <path>', what: 'a file, a directory, or - for standard input', many: true },
  { flags: '-R, --recursive', what: 'directories with all below them' },
];

export const policyCommands: readonly Command[] = [
  command<PolicyOptions>({
    name: 'policy show',
    words: '<pod-or-node>',
    what: 'what applies to a pod, or with host:NODE to the host endpoints of a node, in the order it is evaluated',
    options: [socket('felix'), output('json', 'yaml'), { ...namespace, what: 'the namespace of the pod' }],
    examples: [
      'tortiectl policy show front -n shop',
      'tortiectl policy show shop/front -o json',
      'tortiectl policy show host:node1',
    ],
    exits: usual,
    run: async ([who = ''], options) => (await import('../policy.ts')).policyShow(who, options),
  }),
  command<PolicyWhyOptions>({
    name: 'policy why',
    words: '<source> <destination>',
    what: 'whether a connection is allowed, and at each end the tier, policy and rule that decide; each end is a pod, NAMESPACE/LABEL=VALUE, an address or host:NODE, the destination may be a Service (svc:NAMESPACE/NAME, or its address), with :PORT and /PROTOCOL behind it',
    options: [
      {
        ...output('wide', 'json', 'yaml'),
        what: 'instead of what decides; wide: with every rule that was looked at',
      },
      { ...namespace, what: 'the namespace of pods that are named without one' },
      {
        flags: '--live',
        what: "and try it: a real probe from the source, and the kernel's own trace of it on both nodes",
      },
      {
        flags: '--felix-socket <socket>',
        what: 'of --live: Unix socket of "tortie felix", or NODE=SOCKET of another node; other nodes are asked in their pods (default: /run/tortie/felix.sock)',
        many: true,
      },
      { flags: '--within <seconds>', what: 'of --live: so long an answer is waited for', fallback: '3' },
    ],
    examples: [
      'tortiectl policy why shop/front shop/db:5432',
      'tortiectl policy why shop/app=front 192.0.2.7:53/udp -o wide',
      'tortiectl policy why host:node1 shop/db:postgres',
      'tortiectl policy why shop/front svc:shop/db:5432',
      'tortiectl policy why 192.0.2.7 host:node1/icmp',
      'tortiectl policy why shop/front shop/db:5432 --live',
    ],
    exits: [
      [0, 'allowed; all of it, where several are meant'],
      [1, 'denied, or some of it is; or a Service without a backend'],
      [2, 'no answer, not allowed, or asked for wrongly; with --live also: it could not be tried'],
      [3, 'with --live: what was tried did otherwise than policy says'],
    ],
    run: async ([from = '', to = ''], options) =>
      (await import('../policy-why.ts')).policyWhy(from, to, options),
  }),
  command<PolicyPreviewOptions>({
    name: 'policy preview',
    what: 'between whom, and for what traffic, the verdict would change if these manifests were applied; nothing is changed',
    options: [
      ...files,
      { flags: '--delete', what: 'if they were deleted instead' },
      {
        flags: '--staged',
        what: 'as if what is staged then, in the cluster too, were done; needs no file',
      },
      { flags: '--connections', what: 'and which connections of pods of this node, now, would be forbidden' },
      socket('felix'),
      { ...output('wide', 'json', 'yaml'), what: 'instead of a few names of each group; wide: all of them' },
    ],
    examples: [
      'tortiectl policy preview -f policy.yaml',
      'tortiectl policy preview -f policy.yaml --delete -o wide',
      'tortiectl policy preview -f policy.yaml --connections',
      'tortiectl policy preview --staged',
      'kubectl kustomize overlay | tortiectl policy preview -f -',
    ],
    exits: [
      [0, 'no verdict changes'],
      [1, 'some do'],
      [2, 'no answer, not allowed, or asked for wrongly'],
    ],
    run: async (_, options) => (await import('../policy-preview.ts')).policyPreview(options),
  }),
  command<PolicyLintOptions>({
    name: 'policy lint',
    what: 'what in policies is likely not what was meant: rules that are never reached, selectors that take nothing, names that say the opposite, missing DNS',
    options: [
      ...files,
      { flags: '--offline', what: 'judge the files alone, without a cluster' },
      output('json'),
    ],
    examples: [
      'tortiectl policy lint -f policies/ -R',
      'tortiectl policy lint -f policy.yaml --offline -o json',
    ],
    exits: [
      [0, 'nothing is odd'],
      [1, 'something is'],
      [2, 'a file or the cluster cannot be read'],
    ],
    run: async (_, options) => (await import('../policy-lint.ts')).policyLint(options),
  }),
  command<PolicyTestOptions>({
    name: 'policy test',
    what: 'whether the cluster gives the verdicts that a table expects',
    options: [
      {
        flags: '-f, --filename <path>',
        what: 'the cases: a list of objects with from, to, expect (allow or deny) and, if wanted, name, namespace and by (the policy that decides)',
      },
      { flags: '--apply <path>', what: 'as if these manifests were applied', many: true },
      { flags: '-R, --recursive', what: 'directories of --apply with all below them' },
      output('json'),
    ],
    examples: [
      'tortiectl policy test -f cases.yaml',
      'tortiectl policy test -f cases.yaml --apply policies/',
      'tortiectl --datastore dir:manifests policy test -f cases.yaml',
    ],
    exits: [
      [0, 'all as expected'],
      [1, 'some not'],
      [2, 'the cases or the cluster cannot be read'],
    ],
    run: async (_, options) => (await import('../policy-test.ts')).policyTest(options),
  }),
];
