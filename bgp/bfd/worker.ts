/** The BFD thread: an event loop of its own, ahead of all ordinary threads, so that deadlines of 150 ms hold while the main one works. */
import { parentPort } from 'node:worker_threads';
import { realClock } from '../../src/host/clock.ts';
import { hurry } from '../../src/kernel/schedule.ts';
import { Engine } from './engine.ts';
import { createPorts } from './ports.ts';
import type { FromWorker, ToWorker } from './says.ts';

const say = (said: FromWorker): void => parentPort?.postMessage(said);
const engine = new Engine({ clock: realClock, random: Math.random, ports: createPorts, say });
const { kind, what } = hurry();
parentPort?.on('message', (told: ToWorker) => {
  if (told.kind === 'configure') engine.configure(told.sessions);
  else engine.stop();
});
say({ kind: 'started', scheduling: what, isRealtime: kind === 'realtime' });
