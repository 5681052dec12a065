/**
 * Which of the two writes the rules: nftables, or iptables where FelixConfiguration says so or the kernel has no nf_tables. Chosen
 * at the first write, for the life of the process. Once the one has written all, what the other left of an earlier life is taken
 * out: for a moment both judge, and never none.
 */
import type { Clock } from '../../src/host/clock.ts';
import type { Logger } from '../../src/host/log.ts';
import { isKernelError } from '../../src/kernel/kernel-error.ts';
import { type XtBackend, type XtPrograms, XtRefusal } from '../../src/kernel/xtables.ts';
import type { FelixSettings } from '../../src/model/felix-configuration.ts';
import type { Problem } from '../../src/model/problem.ts';
import type { Graph } from '../calc/graph.ts';
import { type Backend, secondBit } from '../config/rules.ts';
import { type RulesetChange, tableName } from '../rules/model.ts';
import { isShared, xtPrefix } from '../rules/xtables/name.ts';
import { type IsTrusted, type RulesetWriter, Writer, type WriterOptions } from './write.ts';
import { XtWriter } from './xtables.ts';

export interface XtTools {
  readonly open: (backend: XtBackend) => XtPrograms;
  /** The one whose tables are in use. */
  readonly inUse: () => XtBackend;
}

export interface RendererOptions extends Omit<WriterOptions, 'graph'> {
  readonly graph: Graph;
  readonly xtables: XtTools;
  readonly settings: () => FelixSettings;
  readonly workloadPrefixes: readonly string[];
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** It is another than `backend` said before: the settings of the rules depend on it. */
  readonly onChosen: () => void;
}

const xtBackends: readonly XtBackend[] = ['nft', 'legacy'];

interface Chosen {
  readonly backend: Backend;
  readonly writer: RulesetWriter;
  /** Of iptables, which one. */
  readonly xt?: XtBackend;
}

export class Renderer implements RulesetWriter {
  readonly #options: RendererOptions;
  #chosen: Chosen | undefined;
  #isAlone = false;

  constructor(options: RendererOptions) {
    this.#options = options;
  }

  /** Until it is chosen, what is likely. */
  get backend(): Backend {
    if (this.#chosen !== undefined) return this.#chosen.backend;
    return this.#options.settings().nftablesMode === 'Disabled' ? 'iptables' : 'nftables';
  }

  /** Of iptables, if that writes. */
  get programs(): XtPrograms | undefined {
    const xt = this.#chosen?.xt;
    return xt === undefined ? undefined : this.#options.xtables.open(xt);
  }

  /** Which iptables writes; undefined: nftables does, or nothing was written yet. */
  get iptables(): XtBackend | undefined {
    return this.#chosen?.xt;
  }

  /** The kernel tells nothing of tables of the older iptables: see `watch`. */
  isAmong(chains: ReadonlySet<string> | undefined): boolean {
    const isTold = this.#chosen?.xt === 'nft';
    return isTold && (chains === undefined || [...chains].some(isShared));
  }

  watch(clock: Clock, onForeignChange: () => void): () => void {
    return this.#chosen?.writer.watch?.(clock, onForeignChange) ?? (() => undefined);
  }

  get isWhole(): boolean {
    return this.#chosen?.writer.isWhole ?? true;
  }

  get needs(): string {
    return this.#chosen?.writer.needs ?? 'nf_tables, or the modules of iptables and ipset';
  }

  problems(): readonly Problem[] {
    return this.#chosen?.writer.problems() ?? [];
  }

  forgive(): void {
    this.#chosen?.writer.forgive();
  }

  async change(change: RulesetChange): Promise<number> {
    return (await this.#open()).writer.change(change);
  }

  async settle(isTrusted?: IsTrusted): Promise<number> {
    const chosen = await this.#open();
    const count = await chosen.writer.settle(isTrusted);
    await this.#takeOver(chosen);
    return count;
  }

  async byText(why: string): Promise<number> {
    return (await this.#open()).writer.byText(why);
  }

  async #open(): Promise<Chosen> {
    if (this.#chosen !== undefined) return this.#chosen;
    const before = this.backend;
    const backend = await this.#choose();
    this.#chosen = backend === 'nftables' ? { backend, writer: new Writer(this.#options) } : this.#openXt();
    this.#options.log.info(`rules are written by ${backend}`, { backend, ...this.#named() });
    if (backend !== before) this.#options.onChosen();
    return this.#chosen;
  }

  #named(): { readonly iptables?: XtBackend } {
    return this.#chosen?.xt === undefined ? {} : { iptables: this.#chosen.xt };
  }

  async #choose(): Promise<Backend> {
    const { settings, kernel } = this.#options;
    const mode = settings().nftablesMode;
    if (mode !== 'Auto') return mode === 'Enabled' ? 'nftables' : 'iptables';
    return (await nftTable(kernel)) === 'lacking' ? 'iptables' : 'nftables';
  }

  #openXt(): Chosen {
    const { xtables, settings } = this.#options;
    const wanted = settings().iptablesBackend;
    const xt = wanted === 'Auto' ? xtables.inUse() : wanted === 'NFT' ? 'nft' : 'legacy';
    return { backend: 'iptables', writer: this.#xtWriter(xt), xt };
  }

  #xtWriter(xt: XtBackend): XtWriter {
    const { graph, xtables, settings, workloadPrefixes } = this.#options;
    return new XtWriter({
      graph,
      programs: xtables.open(xt),
      render: () => {
        const { maxIpsetSize, chainInsertMode, iptablesMarkMask } = settings();
        return {
          maxSetSize: maxIpsetSize,
          insert: chainInsertMode === 'Append' ? 'last' : 'first',
          workloadPrefixes,
          rejectedMark: secondBit(iptablesMarkMask),
        };
      },
    });
  }

  /** What is in the way of a clean end is told, and tried again at the next comparison. */
  async #takeOver(chosen: Chosen): Promise<void> {
    if (this.#isAlone) return;
    const { kernel, log } = this.#options;
    try {
      const nftables = await nftTable(kernel);
      if (chosen.backend === 'iptables' && nftables === 'there') {
        await kernel.nft(`delete table inet ${tableName}\n`);
        log.info('what nftables had of an earlier life is gone');
      }
      const others = xtBackends.filter((xt) => xt !== chosen.xt && (xt !== 'nft' || nftables !== 'lacking'));
      for (const xt of others) await this.#leaveXt(xt);
      this.#isAlone = true;
    } catch (error) {
      log.warn('what another renderer left cannot be taken out yet', { why: String(error) });
    }
  }

  /** The older iptables is only asked where it has tables: asking would make them. */
  async #leaveXt(xt: XtBackend): Promise<void> {
    const { xtables, log } = this.#options;
    if (xt === 'legacy' && xtables.inUse() !== 'legacy') return;
    const { versions, save, saveSets } = xtables.open(xt);
    const isAlone = this.#chosen?.xt === undefined; // no other iptables asks the sets
    try {
      const texts = [isAlone ? await setsOf(saveSets) : ''];
      for (const version of versions) texts.push(await save(version));
      if (!texts.some((text) => text.includes(xtPrefix))) return;
    } catch (error) {
      if (isKernelError(error) && error.code === 'ENOENT') return; // not installed, so nothing of it is there
      throw error;
    }
    await this.#xtWriter(xt).leave(isAlone);
    log.info(`what iptables (${xt}) had of an earlier life is gone`);
  }
}

/** Whether there is a table of ours, and nftables at all. Fails with a KernelError. */
async function nftTable(kernel: RendererOptions['kernel']): Promise<'there' | 'absent' | 'lacking'> {
  try {
    return (await kernel.nftTable(tableName)) === undefined ? 'absent' : 'there';
  } catch (error) {
    if (isKernelError(error) && lacking.includes(error.code)) return 'lacking';
    throw error;
  }
}

/** A kernel that cannot list sets has none. */
const setsOf = (saveSets: XtPrograms['saveSets']): Promise<string> =>
  saveSets().catch((error: unknown) => {
    if (error instanceof XtRefusal) return '';
    throw error;
  });

/** What a kernel without nf_tables answers. */
const lacking: readonly string[] = ['EPROTONOSUPPORT', 'EOPNOTSUPP', 'ENOPROTOOPT', 'EINVAL', 'ENOENT'];
