/** The BFD worker thread, seen from the main one. */
import { Worker } from 'node:worker_threads';
import type { FromWorker, ToWorker } from './says.ts';

export interface BfdThread {
  post(message: ToWorker): void;
  /** Ends it, whatever it does; nothing more is heard of it. */
  end(): Promise<void>;
}

export interface ThreadListeners {
  readonly onSaid: (said: FromWorker) => void;
  /** It has ended by itself, and a phrase says why. Once. */
  readonly onDeath: (why: string) => void;
}

export type StartThread = (listeners: ThreadListeners) => BfdThread;

/** It holds a few kilobytes a session; a leak must not take the node with it. */
const mostMegabytes = 128;

export const startBfdThread: StartThread = ({ onSaid, onDeath }) => {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    name: 'bfd',
    resourceLimits: { maxOldGenerationSizeMb: mostMegabytes },
  });
  let isOver = false;
  const die = (why: string): void => {
    if (isOver) return;
    isOver = true;
    onDeath(why);
  };
  worker.on('message', (said: FromWorker) => {
    if (!isOver) onSaid(said);
  });
  worker.once('error', (error) => die(error instanceof Error ? error.message : String(error)));
  worker.once('exit', (code) => die(`it ended with code ${code}`));
  return {
    post: (message) => worker.postMessage(message),
    end: async () => {
      isOver = true;
      await worker.terminate();
    },
  };
};
