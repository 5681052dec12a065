/** `tortiectl node ask`: one question to the node agent here, and its answer as it is. */
import { askSocket } from '../host/socket.ts';
import type { NodeAskOptions } from './options.ts';
import { complain } from './output.ts';

/** Of a probe that waits for an answer. */
const patienceMs = 45_000;

export async function nodeAsk(
  method: string,
  path: string,
  body: string | undefined,
  { socket }: NodeAskOptions,
): Promise<number> {
  if (method !== 'GET' && method !== 'POST')
    return complain({ code: 2, sentence: `${JSON.stringify(method)} is neither GET nor POST.` });
  const answer = await askSocket(socket, path, {
    method,
    timeoutMs: patienceMs,
    ...(body === undefined ? {} : { body }),
  });
  if (!answer.ok)
    return complain({
      code: 2,
      sentence: `${answer.error} Is "tortie felix" running here? Its socket can be named with --socket.`,
    });
  process.stdout.write(`${JSON.stringify(answer.value)}\n`);
  return answer.value.status === 200 ? 0 : 1;
}
