/**
 * Listens to the group that rules report denied packets to, for as long as there is one. Another process may have it, or the kernel
 * may lack it: then it is tried again, and said why nothing is heard. Nothing of this is ever in the way of policy.
 */
import type { Clock } from '../../src/host/clock.ts';
import type { NflogListener } from '../../src/kernel/nflog.ts';
import { millis } from '../../src/lib/net.ts';
import type { Problem } from '../../src/model/problem.ts';

/** Throws a KernelError if it cannot listen. @returns how to stop */
export type OpenNflog = (options: { readonly group: number }, listener: NflogListener) => () => void;

export interface EarOptions {
  readonly open: OpenNflog;
  readonly clock: Pick<Clock, 'after'>;
  readonly listener: NflogListener;
  readonly onProblems: (problems: readonly Problem[]) => void;
}

const againMs = millis(15_000);

export class Ear {
  readonly #options: EarOptions;
  #group: number | undefined;
  #close: (() => void) | undefined;
  #cancel: (() => void) | undefined;
  #deaf: string | undefined;

  constructor(options: EarOptions) {
    this.#options = options;
  }

  /** Why nothing is heard though it should be; absent: it is. */
  get deaf(): string | undefined {
    return this.#deaf;
  }

  /** @param group  undefined: nothing is reported */
  listen(group: number | undefined): void {
    if (group === this.#group && (this.#close !== undefined || group === undefined)) return;
    this.stop();
    this.#group = group;
    if (group !== undefined) this.#open(group);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#close?.();
    this.#close = undefined;
    this.#group = undefined;
    this.#say(undefined);
  }

  #open(group: number): void {
    const { open, clock, listener } = this.#options;
    try {
      this.#close = open({ group }, listener);
      this.#say(undefined);
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error));
      this.#cancel = clock.after(againMs, () => this.#open(group));
    }
  }

  #say(deaf: string | undefined): void {
    if (deaf === this.#deaf) return;
    this.#deaf = deaf;
    this.#options.onProblems(
      deaf === undefined
        ? []
        : [
            {
              where: 'records of denied packets',
              what: `They are not read: ${deaf}. Policy is enforced all the same.`,
              fix: 'Free the nflog group, or give denyLogGroup of FelixConfiguration another number; it is tried again every 15 s.',
            },
          ],
    );
  }
}
