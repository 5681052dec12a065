/** Calling the CNI plugin as a container runtime does: CNI specification 1.1.0, "Execution Protocol". */
import { formatAddress, networkOf, parsePrefix } from '../lib/net.ts';
import { fail } from './failure.ts';
import { run } from './process.ts';
import { at, parseJson } from './tor/tor.ts';

const pluginDir = new URL('../cni', import.meta.url).pathname;
const config = JSON.stringify({ cniVersion: '1.1.0', name: 'lab', type: 'tortie' });
/** The plugin itself waits 90 s for its agent. */
const patienceMs = 95_000;

export interface CniCall {
  readonly command: 'ADD' | 'DEL';
  /** The node's network namespace: a runtime runs the plugin there. */
  readonly nodeNetns: string;
  /** Of the node agent. */
  readonly socket: string;
  readonly containerId: string;
  readonly podNetnsPath: string;
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string;
}

/** @returns the pod's addresses (none for DEL). Rejects with what the plugin said. */
export async function callCni(call: CniCall): Promise<readonly string[]> {
  const done = await run([`${pluginDir}/tortie`], {
    netns: call.nodeNetns,
    input: config,
    timeoutMs: patienceMs,
    env: {
      CNI_COMMAND: call.command,
      CNI_CONTAINERID: call.containerId,
      CNI_NETNS: call.podNetnsPath,
      CNI_IFNAME: 'eth0',
      CNI_PATH: pluginDir,
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${call.namespace};K8S_POD_NAME=${call.pod};K8S_POD_INFRA_CONTAINER_ID=${call.containerId};K8S_POD_UID=${call.uid}`,
      TORTIE_CNI_SOCKET: call.socket,
    },
  });
  const answer = parseJson(done.stdout);
  if (done.code !== 0) {
    const why = at(answer, 'msg');
    fail(
      `CNI ${call.command}: ${typeof why === 'string' ? why : `exit ${done.code}: ${done.stderr.trim()}`}`,
    );
  }
  const ips = at(answer, 'ips');
  return (Array.isArray(ips) ? ips : []).flatMap((ip) => {
    const prefix = parsePrefix(String(at(ip, 'address')));
    return prefix === undefined ? [] : [formatAddress(networkOf(prefix))];
  });
}
