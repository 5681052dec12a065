/**
 * BIRD and FRR as the routers of a scene. Those with BFD run ahead of ordinary processes where the kernel lets them: a switch does not
 * share its control plane's processor with nodes, and BFD of 50 ms would suffer on a busy machine.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { run } from '../process.ts';
import type { Ground } from './ground.ts';

export interface Router {
  /** Runs a command of its CLI; empty if it refuses, as BIRD does where there is no such route. */
  ask(command: string): Promise<string>;
}

const ahead = ['chrt', '--rr', '10'] as const;
let canHurry: boolean | undefined;

async function hurried(command: readonly string[]): Promise<readonly string[]> {
  canHurry ??= (await run([...ahead, 'true'])).code === 0;
  return canHurry ? [...ahead, ...command] : command;
}

/** @param text  bird.conf. @param name  where a host has several */
export async function startBird(ground: Ground, host: string, text: string, name = 'bird'): Promise<Router> {
  const dir = join(ground.dir, host);
  mkdirSync(dir, { recursive: true });
  const [file, control] = [join(dir, `${name}.conf`), join(dir, `${name}.ctl`)];
  writeFileSync(file, text);
  const command = ['bird', '-f', '-c', file, '-s', control];
  await ground.start(host, name, /\bbfd\b/.test(text) ? await hurried(command) : command, control);
  return { ask: (words) => askBird(control, words) };
}

const patienceMs = 10_000;

/**
 * BIRD's control socket, as birdc speaks it: a greeting, then for each command lines that begin with four digits of code and "-",
 * or with a blank if they go on; the last one has a blank after its code.
 */
function askBird(control: string, command: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(control);
    const done = (answer: string): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(patienceMs, () => done(''));
    socket.on('error', () => done(''));
    socket.on('close', () => done(''));
    socket.on('connect', () => socket.write(`${command}\n`));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const lines = text.split('\n').slice(1);
      const end = lines.slice(0, -1).findIndex((line) => /^\d{4} /.test(line));
      if (end < 0) return;
      const answer = lines
        .slice(0, end + 1)
        .map((line) => (line.startsWith(' ') ? line.slice(1) : line.slice(5)));
      done(answer.join('\n'));
    });
  });
}

/** @param text  bgpd.conf. BFD's daemon is started too where it says bfd */
export async function startFrr(ground: Ground, host: string, text: string): Promise<Router> {
  const dir = join(ground.dir, host);
  mkdirSync(dir, { recursive: true });
  const log = 'log stdout informational\n';
  const files = { zebra: log, bfdd: log, bgpd: `${log}${text}` };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, `${name}.conf`), content);
  // Debian's build insists that the user it runs as belongs to frrvty.
  const daemon = (name: string): readonly string[] => [
    `/usr/lib/frr/${name}`,
    ...['-u', 'root', '-g', 'frrvty', '--vty_socket', dir, '-z', `${dir}/zserv.api`],
    ...['-i', `${dir}/${name}.pid`, '-f', `${dir}/${name}.conf`, '-P', '0', '--log', 'stdout'],
  ];
  await ground.start(host, 'zebra', await hurried(daemon('zebra')), `${dir}/zserv.api`);
  if (/ bfd\b/.test(text))
    await ground.start(
      host,
      'bfdd',
      await hurried([...daemon('bfdd'), '--bfdctl', `${dir}/bfdd.sock`]),
      `${dir}/bfdd.vty`,
    );
  await ground.start(host, 'bgpd', await hurried(daemon('bgpd')), `${dir}/bgpd.vty`);
  return {
    ask: (command) =>
      ground.exec(host, 'vtysh', '-H', '/dev/null', '--vty_socket', dir, '-c', command).catch(() => ''),
  };
}
