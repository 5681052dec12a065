/**
 * Whether somebody changed a table of the older iptables, of which the kernel tells nobody: by how many entries it has and how they
 * lie. What is changed between our look and our own write is found by the count: it is not what there was and what we added.
 * One rule that is replaced by another of the same length is not seen.
 */
import { isKernelError } from '../../src/kernel/kernel-error.ts';
import type { XtPrograms } from '../../src/kernel/xtables.ts';
import type { XtShape } from '../../src/kernel/xtables-info.ts';
import type { IpVersion } from '../../src/lib/net.ts';
import type { XtTable } from '../rules/xtables/place.ts';
import { entriesIn, type Xtables } from '../rules/xtables/tables.ts';

type Families = Xtables['families'];

interface Look {
  readonly version: IpVersion;
  readonly table: XtTable;
  readonly shape: XtShape;
}

export class Shapes {
  readonly #programs: Pick<XtPrograms, 'versions' | 'look'>;
  /** Undefined: nobody knows how it should be. */
  #known: readonly Look[] | undefined;
  #isMissed = false;

  constructor(programs: Pick<XtPrograms, 'versions' | 'look'>) {
    this.#programs = programs;
  }

  /** As they should be. */
  get known(): readonly Look[] {
    return this.#known ?? [];
  }

  /** 'all': chains of all, where ours hang; 'some': others, be they ours or not. Undefined: none that is seen. */
  get touched(): 'all' | 'some' | undefined {
    const now = this.known.map((each) => ({ before: each.shape, after: this.#look(each) }));
    if (now.some(({ before, after }) => before.builtins !== after?.builtins)) return 'all';
    return this.#isMissed || now.some(({ before, after }) => !isSame(before, after)) ? 'some' : undefined;
  }

  forget(): void {
    this.#known = undefined;
    this.#isMissed = false;
  }

  /** Of the tables that have something of ours, and are there. */
  of(families: Families): readonly Look[] {
    if (this.#programs.look === undefined) return [];
    return this.#programs.versions.flatMap((version) =>
      [...families[version]].flatMap(([table, rules]) => {
        const shape = entriesIn(rules) === 0 ? undefined : this.#look({ version, table });
        return shape === undefined ? [] : [{ version, table, shape }];
      }),
    );
  }

  /**
   * They were just written, and stay so.
   * @param before  as they were
   * @param more    entries that were added to a table; undefined: it was not written
   */
  expect(
    families: Families,
    before: readonly Look[],
    more: (version: IpVersion, table: XtTable) => number | undefined,
  ): void {
    const now = this.of(families);
    this.#known = now;
    this.#isMissed = now.some(({ version, table, shape }) => {
      const was = before.find((each) => each.version === version && each.table === table)?.shape;
      if (was === undefined) return false;
      const added = more(version, table);
      return added === undefined ? !isSame(was, shape) : shape.entries !== was.entries + added;
    });
  }

  /** Undefined: it is not there, or nobody says. */
  #look({ version, table }: Omit<Look, 'shape'>): XtShape | undefined {
    try {
      return this.#programs.look?.(version, table);
    } catch (error) {
      if (isKernelError(error)) return undefined;
      throw error;
    }
  }
}

const isSame = (a: XtShape, b: XtShape | undefined): boolean =>
  a.entries === b?.entries && a.octets === b.octets && a.builtins === b.builtins;
