/** Asking a daemon and printing its answer in the form that was asked for. */
import { askSocket } from '../host/socket.ts';
import { err, ok, type Result } from '../lib/result.ts';

export type Form = 'wide' | 'json' | 'yaml';

export interface Failure {
  readonly code: 1 | 2;
  readonly sentence: string;
}

/** Code 2 if nobody answers, 1 if the answer is that there is no such thing. The body is believed: both ends are ours. */
export async function ask<T>(
  socket: string,
  path: string,
  daemon: 'bgp' | 'felix',
): Promise<Result<T, Failure>> {
  const answer = await askSocket(socket, path);
  if (!answer.ok) {
    const sentence = `${answer.error} Is "tortie ${daemon}" running here? Its socket can be named with --socket.`;
    return err({ code: 2, sentence });
  }
  const { status, body } = answer.value;
  if (status === 200) return ok(body as T);
  const said =
    typeof body === 'object' && body !== null && 'error' in body ? String(body.error) : `status ${status}`;
  return err({ code: status >= 500 ? 2 : 1, sentence: said });
}

export function complain({ code, sentence }: Failure): number {
  process.stderr.write(`tortiectl: ${sentence}\n`);
  return code;
}

/** `text` makes the table, and is only called for one. */
export async function print(value: unknown, form: Form | undefined, text: () => string): Promise<void> {
  if (form === 'json') process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
  else if (form === 'yaml') process.stdout.write((await import('yaml')).stringify(value));
  else process.stdout.write(`${text()}\n`);
}
