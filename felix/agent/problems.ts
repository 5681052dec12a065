/** What a person should mend, by where we heard of it; each is logged once, when it comes up. */
import type { Logger } from '../../src/host/log.ts';
import { formatProblem, type Problem } from '../../src/model/problem.ts';

export class Problems {
  readonly #log: Logger;
  readonly #bySource = new Map<string, readonly Problem[]>();

  constructor(log: Logger) {
    this.#log = log;
  }

  replace(source: string, problems: readonly Problem[]): void {
    const before = new Set((this.#bySource.get(source) ?? []).map(formatProblem));
    this.#bySource.set(source, problems);
    for (const text of problems.map(formatProblem)) if (!before.has(text)) this.#log.warn(text);
  }

  all(): readonly Problem[] {
    return [...this.#bySource.values()].flat();
  }
}
