/** The thread of a scene's traffic: see traffic.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { hurry } from '../../kernel/schedule.ts';
import { udpSocket } from '../../kernel/sockets.ts';
import { ipv4 } from '../../lib/net.ts';
import { Books } from './books.ts';
import type { Asked, Told } from './says.ts';
import type { TrafficPlan } from './traffic.ts';

const port = 7007;
const everyMs = 1;
/** A packet that is not there after so long is lost: no way of a scene is a tenth as long. */
const underWayMs = 1000;
const any = ipv4(0);

const clock = (): number => Number(process.hrtime.bigint()) / 1e6;
const say = (told: Told): void => parentPort?.postMessage(told);
const quiet = (): undefined => undefined;

const plan = workerData as TrafficPlan;
const books = new Books();
hurry();

for (const netns of plan.at) {
  const echo = await udpSocket(netns, any, port);
  echo.on('error', quiet);
  echo.on('message', (message, from) => {
    books.arrive(message.readUInt32BE());
    echo.send(message, from.port, from.address, quiet);
  });
}

const flows = await Promise.all(
  Array.from({ length: plan.flows }, async () => {
    const flow = await udpSocket(plan.from, any, 0);
    flow.on('error', quiet);
    flow.on('message', (message) => books.answer(message.readUInt32BE()));
    return flow;
  }),
);

setInterval(() => {
  const number = books.send(clock());
  const message = Buffer.alloc(16);
  message.writeUInt32BE(number);
  // No route is a lost packet as any other.
  flows[number % flows.length]?.send(message, port, plan.to, quiet);
}, everyMs);

parentPort?.on('message', ({ id, since, until = clock() }: Asked) => {
  const counted = (): void => say({ kind: 'counted', id, counted: books.count(since, until) });
  setTimeout(counted, Math.max(0, until + underWayMs - clock()));
});
say({ kind: 'started' });
