/** Running one command in a container of the cluster, through the API server, with the rights of the one who asks (create of pods/exec). */
import { Writable } from 'node:stream';
import type { KubeConfig, V1Status } from '@kubernetes/client-node';
import { err, ok, type Result } from '../../lib/result.ts';

export interface Container {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

export interface Ended {
  /** 0 if it ended well; -1 if that is not known. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Fails: a sentence without its end. */
export type RunInContainer = (where: Container, command: readonly string[]) => Promise<Result<Ended>>;

/** Longer than anything that is asked takes. */
const patienceMs = 60_000;

class Gathered extends Writable {
  readonly #parts: Buffer[] = [];
  override _write(part: Buffer, _: string, done: () => void): void {
    this.#parts.push(part);
    done();
  }
  text(): string {
    return Buffer.concat(this.#parts).toString();
  }
}

export async function openExec(config: KubeConfig): Promise<RunInContainer> {
  const { Exec } = await import('@kubernetes/client-node');
  return ({ namespace, pod, container }, command) =>
    new Promise((resolve) => {
      const [stdout, stderr] = [new Gathered(), new Gathered()];
      const timer = setTimeout(resolve, patienceMs, err(`it has not ended within ${patienceMs / 1000} s`));
      const finish = (result: Result<Ended>): void => {
        clearTimeout(timer);
        resolve(result);
      };
      const hangUp = (): void => undefined;
      const ended = (status: V1Status): void => {
        finish(ok({ code: codeOf(status), stdout: stdout.text(), stderr: stderr.text() }));
        hangUp();
      };
      new Exec(config).exec(namespace, pod, container, [...command], stdout, stderr, null, false, ended).then(
        (socket) => {
          socket.onerror = (event: { readonly message: string }) => finish(err(event.message));
          // Closed before a status came: nobody knows how it ended.
          socket.onclose = () => setImmediate(finish, err('the connection was closed'));
        },
        (error: unknown) => finish(err(wordsOf(error))),
      );
    });
}

function codeOf({ status, details }: V1Status): number {
  if (status === 'Success') return 0;
  const said = details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message;
  return said === undefined ? -1 : Number(said);
}

/** A refusal of the WebSocket comes as an event with a message, and not as an Error. */
const wordsOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
