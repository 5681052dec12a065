/** `tortiectl bgp mrt`: the speaker's routes in a file that bgpdump and others read (RFC 6396). */
import { open, rename, rm } from 'node:fs/promises';
import { readSocket } from '../host/socket.ts';
import type { MrtOptions } from './options.ts';
import { complain } from './output.ts';

/** @param file  "-": standard output */
export async function bgpMrt(file: string, { socket }: MrtOptions): Promise<number> {
  if (file === '-') return finish(socket, await readSocket(socket, '/mrt', toStdout));
  // Under another name until it is whole: nobody should read half a table.
  const partial = `${file}.part`;
  let octets = 0;
  try {
    const handle = await open(partial, 'w', 0o600);
    const read = await readSocket(socket, '/mrt', async (bytes) => {
      octets += bytes.byteLength;
      await handle.write(bytes);
    }).finally(() => handle.close());
    if (read.ok && read.value.status === 200) {
      await rename(partial, file);
      process.stdout.write(`${file}: ${octets} octets\n`);
    } else await rm(partial, { force: true });
    return finish(socket, read);
  } catch (error) {
    await rm(partial, { force: true });
    return complain({ code: 2, sentence: `${file} cannot be written: ${(error as Error).message}.` });
  }
}

function finish(socket: string, read: Awaited<ReturnType<typeof readSocket>>): number {
  if (read.ok && read.value.status === 200) return 0;
  const sentence = read.ok
    ? `${socket} answered with status ${read.value.status}.`
    : `${read.error} Is "tortie bgp" running here? Its socket can be named with --socket.`;
  return complain({ code: 2, sentence });
}

const toStdout = (bytes: Uint8Array): Promise<void> =>
  new Promise((resolve) => {
    process.stdout.write(bytes, () => resolve());
  });
