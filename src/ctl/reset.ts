/** `tortiectl bgp reset`: a session made anew, or its routes told again. */
import { userInfo } from 'node:os';
import { askSocket } from '../host/socket.ts';
import type { ResetOptions } from './options.ts';
import { complain } from './output.ts';

export async function bgpReset(peer: string | undefined, options: ResetOptions): Promise<number> {
  const { socket, soft, all } = options;
  if ((peer === undefined) === (all !== true))
    return complain({ code: 2, sentence: 'Name one neighbour, or say --all.' });
  const query = new URLSearchParams({
    how: soft ?? 'hard',
    by: whoAsks(),
    ...(peer === undefined ? { all: '' } : { peer }),
  });
  const answer = await askSocket(socket, `/reset?${query}`, { method: 'POST' });
  if (!answer.ok)
    return complain({
      code: 2,
      sentence: `${answer.error} Is "tortie bgp" running here? Its socket can be named with --socket.`,
    });
  const { status, body } = answer.value;
  const said = body as { readonly error?: string; readonly reset?: readonly string[]; readonly how?: string };
  if (status !== 200)
    return complain({ code: status === 404 ? 1 : 2, sentence: said.error ?? `status ${status}` });
  for (const name of said.reset ?? []) process.stdout.write(`${name}: ${said.how}\n`);
  return 0;
}

/** For the journal: the person behind sudo, if there is one. */
function whoAsks(): string {
  try {
    return process.env['SUDO_USER'] ?? userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}
