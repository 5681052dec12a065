/** What the agent is made with; what is absent, it does without. */
import type { Clock } from '../../src/host/clock.ts';
import type { Logger, LogLevel } from '../../src/host/log.ts';
import type { Reporter } from '../../src/host/report.ts';
import type { Conntrack } from '../../src/kernel/conntrack.ts';
import type { InNetns, NetnsKernel } from '../../src/kernel/links.ts';
import type { OpenNftTrace } from '../../src/kernel/nft-trace.ts';
import type { Shaping } from '../../src/kernel/shaping.ts';
import type { Facts, Ledger } from '../../src/ledger/ledger.ts';
import type { Random } from '../../src/lib/random.ts';
import type { FelixFieldName, FelixOverride } from '../../src/model/felix-configuration.ts';
import type { Store } from '../../src/store/store.ts';
import type { PolicySyncObserver } from '../dataplane/apply.ts';
import type { XtTools } from '../dataplane/renderer.ts';
import type { MetricSources } from '../metrics.ts';
import type { OpenNflog } from '../observe/ear.ts';
import type { Knock } from '../probe/knock.ts';

export interface AgentOptions {
  readonly node: string;
  readonly version: string;
  readonly stateDir: string;
  readonly store: Store;
  readonly kernel: NetnsKernel;
  readonly inNetns: InNetns;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The kernel is older than 6.2. */
  readonly chainsFreedLate: boolean;
  /** Present: addresses come from blocks, by this ledger; absent: from the Node's pod CIDRs. */
  readonly openLedger?: (facts: () => Facts | undefined) => Ledger;
  /** FelixConfiguration from outside the cluster, the stronger last. */
  readonly overrides?: readonly FelixOverride[];
  /** Absent: rules are written by nftables, whatever the configuration says. */
  readonly xtables?: XtTools;
  /** Absent: bandwidths of pods are not limited. */
  readonly shaping?: Shaping;
  /** Absent: connections of pods that went are left to time out, and none is judged anew. */
  readonly conntrack?: Pick<Conntrack, 'deleteWhere' | 'dump' | 'deleteFlow'>;
  /** Absent: packets that rules report are not read. */
  readonly openNflog?: OpenNflog;
  /** Absent: packets are not followed through the kernel, nor is anything tried from here. */
  readonly live?: { readonly openTrace: OpenNftTrace; readonly knock: Knock };
  /** Fields of FelixConfiguration changed that are taken only at the start. */
  readonly onOutdated?: (fields: readonly FelixFieldName[]) => void;
  /** Undefined: as the command line says. */
  readonly setLogLevel?: (level: LogLevel | undefined) => void;
  /** Where this daemon says how it is. */
  readonly reporter: Pick<Reporter<'felix'>, 'say' | 'stop'>;
  /** Called once, when pods can be served: the conflist may be written. */
  readonly onReady?: () => void;
  readonly registerMetrics: (sources: MetricSources) => PolicySyncObserver;
  /** The kernel cannot be read, or a bug: the process should end, and start anew from what is there. */
  readonly onFatal: (error: unknown) => void;
}
