/**
 * The fields a network configuration may have: the specification's, ours, and those of Calico's own template, so that it
 * can stay as it is. Each comes with what is wrong with a value; a field that is not here is refused, never passed over.
 *
 * What Calico's plugin needs because it runs by itself (log files, kubeconfig, lock file, waiting for policy) the node agent
 * has or does anyway: such a field is taken and asks for nothing.
 */
import { isRecord } from './config.ts';

/** What to do about the value, or undefined if it can be honoured. */
type Judge = (value: unknown) => string | undefined;

const anything: Judge = () => undefined;
const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === false ||
  value === '' ||
  (Array.isArray(value) && value.length === 0) ||
  (isRecord(value) && Object.values(value).every((item) => item === false));

const none =
  (remedy: string): Judge =>
  (value) =>
    isEmpty(value) ? undefined : remedy;
const only =
  (allowed: readonly unknown[], remedy: string): Judge =>
  (value) =>
    isEmpty(value) || allowed.includes(value) ? undefined : remedy;

/** Capabilities of ours; the others belong to a plugin of the chain. */
const ownCapabilities = ['ips', 'mac'];

function foreignCapabilities(value: unknown): string | undefined {
  if (isEmpty(value)) return undefined;
  const declared = isRecord(value) ? Object.entries(value).filter(([, is]) => is !== false) : [];
  const foreign = declared.map(([name]) => name).filter((name) => !ownCapabilities.includes(name));
  if (isRecord(value) && foreign.length === 0) return undefined;
  return `Tortie has the capabilities ${ownCapabilities.join(' and ')}; give others to the plugin that has them, e.g. portMappings to portmap and bandwidth to bandwidth, after tortie.`;
}

const ownEtcd = 'Tortie reads the Kubernetes API; leave it out.';

const fields: Readonly<Record<string, Judge>> = {
  cniVersion: anything,
  cniVersions: anything,
  name: anything,
  type: anything,
  args: anything,
  dns: anything,
  prevResult: anything,
  disableCheck: anything,
  disableGC: anything,
  loadOnlyInlinedPlugins: anything,
  'cni.dev/valid-attachments': anything,
  'cni.dev/attachments': anything,
  // What these say is judged where it is parsed: network.ts.
  mtu: anything,
  ipam: anything,
  nodename: anything,
  policyOnly: anything,
  runtimeConfig: anything,
  capabilities: foreignCapabilities,
  ipMasq: none('Tortie does not masquerade pods; leave it out.'),
  // Calico's, honoured by what the agent does anyway.
  log_level: anything,
  log_file_path: anything,
  log_file_max_size: anything,
  log_file_max_age: anything,
  log_file_max_count: anything,
  nodename_file: anything,
  nodename_file_optional: anything,
  ipam_lock_file: anything,
  kubernetes: anything,
  calico_api_group: anything,
  qps: anything,
  burst: anything,
  include_default_routes: anything,
  policy_setup_timeout_seconds: anything,
  endpoint_status_dir: anything,
  // Calico's, honoured for some values only.
  datastore_type: only(['kubernetes'], ownEtcd),
  etcd_endpoints: none(ownEtcd),
  etcd_discovery_srv: none(ownEtcd),
  etcd_key_file: none(ownEtcd),
  etcd_cert_file: none(ownEtcd),
  etcd_ca_cert_file: none(ownEtcd),
  policy: (value) =>
    isEmpty(value) || (isRecord(value) && value['type'] === 'k8s')
      ? undefined
      : 'Tortie enforces Kubernetes policy; write {"type": "k8s"} or leave it out.',
  num_queues: only([0, 1], 'Tortie makes veth pairs with one queue; write 1 or leave it out.'),
  device_type: only(['veth'], 'Tortie makes veth pairs; write "veth" or leave it out.'),
  feature_control: none(
    'Tortie has neither addresses past its IPAM nor floating IPs; set both to false or leave it out.',
  ),
  container_settings: none('Tortie does not let pods forward for others; leave it out.'),
  readiness_gates: none('ADD waits for the policy of the pod by itself; leave it out.'),
  require_mtu_file: none(
    'Tortie takes the MTU from mtu, or from the link of the default route; leave it out.',
  ),
  dataplane_options: none('Tortie has one dataplane; leave it out.'),
};

/** The first field that cannot be honoured, with its value and what to do. */
export function foreignField(config: Readonly<Record<string, unknown>>): string | undefined {
  for (const [key, value] of Object.entries(config)) {
    if (key.startsWith('windows_')) continue; // Calico's one template for both systems
    const judge = Object.hasOwn(fields, key) ? fields[key] : none('Tortie has no such field; leave it out.');
    const remedy = judge?.(value);
    if (remedy !== undefined) {
      return `The network configuration has ${key} = ${JSON.stringify(value)}. ${remedy}`;
    }
  }
  return undefined;
}
