/** The checks of this node. Root sees more; without it each says what it could not see. */
import type { Check } from '../check.ts';
import type { Need, NodeFacts } from './facts.ts';
import { foreignRules } from './firewall.ts';
import { cniOrder, kernelFeatures, portOwner, protocolNumbers } from './host.ts';
import { conntrack, forwarding, mtu, reversePath } from './path.ts';

export const nodeChecks: readonly Check<NodeFacts, Need>[] = [
  {
    name: 'forwarding',
    what: 'forwarding switched off',
    needs: ['sysctls', 'links', 'routes'],
    find: forwarding,
  },
  {
    name: 'rp-filter',
    what: 'strict reverse path filters on several uplinks',
    needs: ['links', 'routes'],
    find: reversePath,
  },
  { name: 'mtu', what: 'pod interfaces larger than the way out', needs: ['links', 'routes'], find: mtu },
  {
    name: 'foreign-rules',
    what: 'rules of others that drop forwarded packets',
    needs: ['ruleset', 'legacy'],
    find: foreignRules,
  },
  { name: 'conntrack', what: 'a full table of connections', needs: ['sysctls'], find: conntrack },
  { name: 'bgp-port', what: 'another owner of TCP port 179', needs: [], find: portOwner },
  { name: 'kernel', what: 'what the ruleset needs of the kernel', needs: ['features'], find: kernelFeatures },
  { name: 'rt-protos', what: 'names of our routing protocols', needs: [], find: protocolNumbers },
  { name: 'cni', what: 'another CNI configuration that wins', needs: ['cni'], find: cniOrder },
];
