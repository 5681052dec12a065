/** Looks, and only looks, at base chains of other tables that would drop what ours let through. */
import type { Clock } from '../../src/host/clock.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { FAMILY } from '../../src/kernel/netlink/nft/numbers.ts';
import type { ChainSeen } from '../../src/kernel/netlink/nft/read.ts';
import { millis } from '../../src/lib/net.ts';
import type { Problem } from '../../src/model/problem.ts';
import { tableName } from '../rules/model.ts';

const families: ReadonlyMap<number, string> = new Map([
  [FAMILY.inet, 'inet'],
  [FAMILY.ip, 'ip'],
  [FAMILY.ip6, 'ip6'],
]);
const judged: ReadonlySet<string | number> = new Set(['forward', 'input']);
const traffic = { forward: 'to and from pods', input: 'from pods to this host' } as const;

/** A drop anywhere is the end of a packet, before ours or after. */
export function judgeOthers(chains: readonly ChainSeen[]): readonly Problem[] {
  return chains.flatMap(({ family, table, name, base }) => {
    const familyName = families.get(family);
    const isOurs = family === FAMILY.inet && table === tableName;
    if (base?.policy !== 'drop' || !judged.has(base.hook) || familyName === undefined || isOurs) return [];
    const what = base.hook === 'input' ? traffic.input : traffic.forward;
    return [
      {
        where: `nftables chain ${name} of table ${familyName} ${table}`,
        what: `Its policy is drop at hook ${base.hook} (priority ${base.priority}), so packets ${what} that no rule of it accepts are lost, whatever network policy says.`,
        fix: `Accept pods there ("nft list chain ${familyName} ${table} ${name}" shows the rules), or set its policy to accept.`,
      },
    ];
  });
}

export interface OthersOptions {
  readonly kernel: Pick<Kernel, 'nftHooks'>;
  readonly clock: Clock;
  readonly onChange: () => void;
}

/** Others may write as often as they like; we look this often. */
const intervalMs = 3_000;

export class Others {
  readonly #options: OthersOptions;
  #problems: readonly Problem[] = [];
  #notBefore = Number.NEGATIVE_INFINITY;
  #cancel: (() => void) | undefined;

  constructor(options: OthersOptions) {
    this.#options = options;
  }

  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** Somebody may have changed something: a look is due, now or when it is time. */
  wake(): void {
    if (this.#cancel !== undefined) return;
    const { clock } = this.#options;
    this.#cancel = clock.after(millis(Math.max(0, this.#notBefore - clock.now())), () => {
      this.#notBefore = clock.now() + intervalMs;
      this.#cancel = undefined;
      void this.#look();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** That it cannot look is no problem of the table's: the next look may. */
  async #look(): Promise<void> {
    const found = await this.#options.kernel.nftHooks().then(judgeOthers, () => undefined);
    if (found === undefined) return;
    const isSame = JSON.stringify(found) === JSON.stringify(this.#problems);
    this.#problems = found;
    if (!isSame) this.#options.onChange();
  }
}
