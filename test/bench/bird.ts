/** A BIRD 2 of Debian in a namespace of its own, spoken to over its control socket as `birdc` does. */
import { writeFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import type { Playground, Running } from '../support/namespaces.ts';

export interface Bird {
  readonly running: Running;
  /** Answers with all lines of the reply. */
  ask(command: string): Promise<string>;
  /** Routes a protocol has imported; a counter, so asking costs nothing. */
  imported(protocol: string): Promise<number>;
  close(): void;
}

/** The last line of a reply begins with four digits and a space; in any other line a hyphen follows, or there are none. */
const isWhole = (reply: string): boolean => /(?:^|\n)\d{4} [^\n]*\n$/.test(reply);

export async function startBird(
  ground: Playground,
  netns: string,
  directory: string,
  config: string,
): Promise<Bird> {
  const file = join(directory, `${netns}.conf`);
  const control = join(directory, `${netns}.ctl`);
  writeFileSync(file, config);
  const running = ground.start(netns, ['bird', '-f', '-c', file, '-s', control]);
  const socket = await eventually(() => open(control), { within: 10_000 });
  const ask = await asker(socket);
  return {
    running,
    ask,
    imported: async (protocol) => {
      const found = /Routes: +(\d+) imported/.exec(await ask(`show protocols all ${protocol}`));
      return Number(found?.[1] ?? 0);
    },
    close: () => socket.destroy(),
  };
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path, () => resolve(socket));
    socket.once('error', reject);
  });
}

/** One question at a time. Resolves after BIRD's greeting. */
async function asker(socket: Socket): Promise<Bird['ask']> {
  let text = '';
  let answer: (reply: string) => void = () => undefined;
  socket.on('error', () => undefined);
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (!isWhole(text)) return;
    const reply = text;
    text = '';
    answer(reply);
  });
  const next = (): Promise<string> =>
    new Promise((resolve) => {
      answer = resolve;
    });
  await next();
  return (command) => {
    const reply = next();
    socket.write(`${command}\n`);
    return reply;
  };
}
