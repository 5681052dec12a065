import { describe, expect, test } from 'vitest';
import type { Pod } from '../../src/model/resource.ts';
import { snapshotOf } from '../../src/policy/cluster.ts';
import { protocolNumbers } from '../../src/policy/convert/ports.ts';
import { type Verdict, verdict } from '../../src/policy/verdict.ts';
import { addressOf, type Cell, denied, others, play, readPolicyCases } from '../support/policy-cases.ts';

const cases = readPolicyCases();

const endOf = (pod: Pod) => ({ address: addressOf(pod), spot: { kind: 'workload' as const, pod } });

describe.skipIf(cases === undefined)('the oracle reads NetworkPolicy as other projects do', () => {
  test('there are 115 cases', () => {
    expect(cases?.cases.length).toBe(115);
  });

  for (const { id, description, steps } of cases?.cases ?? []) {
    test(`case ${id}: each end is judged so: ${description}`, () => {
      if (cases === undefined) return expect.unreachable();
      play(
        cases,
        steps,
        () => {},
        (step, resources) => {
          const { cluster } = snapshotOf(resources.values());
          const judge = ({ from, to, protocol, port }: Cell): Verdict =>
            verdict(cluster, {
              from: endOf(from),
              to: { ...endOf(to), port },
              protocol: protocolNumbers[protocol],
            });
          const all = (isAllowed: (cell: Cell) => boolean) => denied(cases, resources, isAllowed);
          expect(all((cell) => judge(cell).ingress)).toEqual(others(step.ingressDenied));
          expect(all((cell) => judge(cell).egress)).toEqual(others(step.egressDenied));
          expect(all((cell) => judge(cell).allowed)).toEqual(others(step.denied));
        },
      );
    });
  }
});
