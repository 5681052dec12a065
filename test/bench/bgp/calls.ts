/** Asking a process of the bench to do something, over Node's own channel: one answer to each question. */
import { spawn } from 'node:child_process';

interface Question {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

export type Handlers = Readonly<Record<string, (argument: never) => unknown>>;

/** In the process: answers until the channel closes, then ends. */
export function answer(handlers: Handlers): void {
  process.on('message', async ({ id, name, argument }: Question) => {
    let reply: Answer;
    try {
      reply = { id, value: await handlers[name]?.(argument as never) };
    } catch (error) {
      reply = { id, error: String(error) };
    }
    process.send?.(reply);
  });
  process.once('disconnect', () => process.exit());
}

export interface Helper {
  readonly pid: number;
  ask<T>(name: string, argument?: unknown): Promise<T>;
  end(): Promise<void>;
}

/** Starts `file` with Node in a network namespace, given by its path. */
export function startHelper(netns: string, file: string): Helper {
  const child = spawn('nsenter', [`--net=${netns}`, process.execPath, '--no-warnings', file], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  });
  const waiting = new Map<number, (answer: Answer) => void>();
  let last = 0;
  child.on('message', (reply: Answer) => {
    waiting.get(reply.id)?.(reply);
    waiting.delete(reply.id);
  });
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      for (const [id, tell] of waiting) tell({ id, error: `${file} ended` });
      resolve();
    });
  });
  return {
    pid: child.pid ?? 0,
    ask: <T>(name: string, argument?: unknown) =>
      new Promise<T>((resolve, reject) => {
        last += 1;
        waiting.set(last, ({ value, error }) =>
          error === undefined ? resolve(value as T) : reject(new Error(error)),
        );
        child.send({ id: last, name, argument } satisfies Question);
      }),
    end: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
