/** The report of `ipam check -o FILE`, which `ipam release --from-report` reads again. */
import { allocationText, type CheckResult, type UsedAddress } from '../../ipam/check.ts';
import {
  type Address,
  formatAddress,
  formatPrefix,
  type Prefix,
  parseAddress,
  parsePrefix,
} from '../../lib/net.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { isObject } from '../../store/json.ts';

export interface Report {
  readonly format: 'tortie-ipam-report/1';
  readonly version: string;
  /** ISO 8601. */
  readonly time: string;
  readonly problems: readonly string[];
  /** By address. */
  readonly allocations: Readonly<Record<string, ReportedAllocation>>;
}

export interface ReportedAllocation {
  readonly handle: string;
  readonly block: string;
  readonly sequenceNumber: number;
  readonly attributes: Readonly<Record<string, string>>;
  readonly inUse: boolean;
  readonly why?: string;
}

const usersText = ({ address, users }: UsedAddress): string =>
  `${formatAddress(address)} (${users.join(', ')})`;

/** Every finding as a sentence. */
export const problemsOf = (result: CheckResult, unreadable: readonly string[]): readonly string[] => [
  ...unreadable,
  ...result.leaked.map((one) => `${allocationText(one)} is allocated but not in use. ${one.whyUnused}`),
  ...result.shared.map((one) => `${usersText(one)} has more than one user.`),
  ...result.outsidePools.map((one) => `${usersText(one)} is in use, but in no active IP pool.`),
  ...result.unallocated.map((one) => `${usersText(one)} is in use, but not allocated.`),
  ...result.broken,
];

export const reportOf = (
  result: CheckResult,
  problems: readonly string[],
  version: string,
  now: Date,
): Report => ({
  format: 'tortie-ipam-report/1',
  version,
  time: now.toISOString(),
  problems,
  allocations: Object.fromEntries(
    result.allocations.map(({ address, block, handle, sequence, attributes, whyUnused }) => [
      formatAddress(address),
      {
        ...{ handle, block: formatPrefix(block), sequenceNumber: sequence, attributes },
        ...{ inUse: whyUnused === undefined, ...(whyUnused && { why: whyUnused }) },
      },
    ]),
  ),
});

/** One leak as a report has it. */
export interface ReportedLeak {
  readonly address: Address;
  readonly block: Prefix;
  readonly handle: string;
  readonly sequence: number;
}

/** The leaks of a report. Fails: a sentence. */
export function leaksIn(json: unknown): Result<readonly ReportedLeak[]> {
  if (!isObject(json) || json['format'] !== 'tortie-ipam-report/1' || !isObject(json['allocations']))
    return err('is not a report of "tortiectl ipam check -o FILE".');
  const leaks: ReportedLeak[] = [];
  for (const [text, found] of Object.entries(json['allocations'])) {
    if (!isObject(found) || found['inUse'] !== false) continue;
    const { handle, sequenceNumber: sequence, block } = found;
    const [address, cidr] = [parseAddress(text), parsePrefix(String(block))];
    if (
      address === undefined ||
      cidr === undefined ||
      typeof handle !== 'string' ||
      typeof sequence !== 'number'
    )
      return err(`has an entry that cannot be read: ${text}.`);
    leaks.push({ address, block: cidr, handle, sequence });
  }
  return ok(leaks);
}
