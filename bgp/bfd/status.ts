/** A BFD session in the shape of `BfdStatus` of src/model/status.ts. */
import type { Millis } from '../../src/lib/net.ts';
import type { BfdStateName, BfdStatus, BfdTimes } from '../../src/model/status.ts';
import { describeDiagnostic } from './diagnostic.ts';
import type { BfdParameters } from './machine.ts';
import type { BfdState } from './packet.ts';
import { type BfdView, hintOf } from './problems.ts';

const names: Readonly<Record<BfdState, BfdStateName>> = {
  adminDown: 'AdminDown',
  down: 'Down',
  init: 'Init',
  up: 'Up',
};

const timesOf = ({ minTxUs, minRxUs, multiplier }: BfdParameters): BfdTimes => ({
  minTxMs: minTxUs / 1000,
  minRxMs: minRxUs / 1000,
  multiplier,
});

export function bfdStatus(view: BfdView, strict: boolean, wallClock: (moment: Millis) => Date): BfdStatus {
  const { wanted, report, since, downs, lastDown } = view;
  const { remote, transmitUs, detectionUs, sent = 0, received = 0, discarded = 0 } = report ?? {};
  const hint = hintOf(view);
  return {
    state: names[report?.state ?? 'down'],
    since: wallClock(since).toISOString(),
    kind: wanted.isMultihop ? 'multihop' : 'single hop',
    strict,
    diagnostic: describeDiagnostic(report?.diagnostic ?? 0),
    configured: timesOf(wanted.parameters),
    ...(remote === undefined || remote.multiplier === 0
      ? {}
      : {
          neighbour: {
            ...timesOf(remote),
            state: names[remote.state],
            diagnostic: describeDiagnostic(remote.diagnostic),
          },
        }),
    ...(transmitUs === undefined ? {} : { transmitMs: transmitUs / 1000 }),
    ...(detectionUs === undefined ? {} : { detectionMs: detectionUs / 1000 }),
    packets: { sent, received, discarded },
    downs,
    ...(lastDown === undefined
      ? {}
      : { lastDown: { at: wallClock(lastDown.at).toISOString(), what: lastDown.why } }),
    ...(hint === undefined ? {} : { hint }),
  };
}
