/** The lab's own background processes, started by `up` and ended by `down`: its kubelet, the API server's door, GoBGP's follower. */
import { realClock } from '../host/clock.ts';
import { createLogger } from '../host/log.ts';
import { openDoor } from './api/door.ts';
import { socketOf, torDirOf } from './daemons.ts';
import { datastoreOf } from './datastore.ts';
import { fail } from './failure.ts';
import { followGobgp } from './follow.ts';
import { clientPorts } from './hosts.ts';
import { runKubelet } from './kubelet.ts';
import { listenAs } from './listen.ts';
import { type LabState, readPods, readState, writePods } from './state.ts';
import { netnsPath } from './topology.ts';

const stateOf = (name: string): LabState =>
  readState(name) ?? fail(`There is no lab "${name}". Bring it up first: tortie lab up.`);

const untilSignal = (): Promise<void> =>
  new Promise((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });

/** Pods of every node, and the listeners on the clients. */
export async function kubelet(name: string): Promise<number> {
  const state = stateOf(name);
  const { topology } = state;
  const log = createLogger('kubelet', 'lab', 'info');
  const datastore = datastoreOf(state);
  for (const client of topology.clients) await listenAs(client.name, netnsPath(client.netns), clientPorts);
  const stop = runKubelet(
    {
      topology,
      store: datastore.open(),
      release: datastore.release,
      clock: realClock,
      log,
      agentOf: (node) => socketOf(name, node, 'felix'),
      save: (pods) => writePods(name, pods),
    },
    readPods(name),
  );
  await untilSignal();
  stop();
  process.exit(0); // listeners and retries would keep the process; the pods' namespaces are the lab's to remove
}

/** From a port of this machine's loopback to the API server. */
export async function door(name: string): Promise<number> {
  const { topology, api } = stateOf(name);
  if (api === undefined || topology.api === undefined) return fail(`Lab "${name}" has no API server.`);
  const listening = await openDoor(netnsPath(topology.api.netns), api.port);
  await untilSignal();
  listening.close();
  process.exit(0); // what goes through it would keep the process
}

export async function follow(name: string): Promise<number> {
  const { topology } = stateOf(name);
  const ending = new AbortController();
  void untilSignal().then(() => ending.abort());
  await followGobgp(
    topology.tor.netns,
    torDirOf(name),
    createLogger('follower', 'tor', 'info'),
    ending.signal,
  );
  return 0;
}
