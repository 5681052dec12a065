/** BFD against BIRD and FRR of Debian: what they say of the session counts as much as what we say. */
import { afterEach, describe, expect, test } from 'vitest';
import {
  type BfdLab,
  type BfdRouter,
  bfdLab,
  bfdRouter,
  ends,
  type Station,
  soon,
} from '../support/bfd-lab.ts';
import { eventually } from '../support/eventually.ts';

const labs: BfdLab[] = [];
afterEach(async () => {
  for (const lab of labs.splice(0)) await lab.close();
});

const cases = (['bird', 'frr'] as const).flatMap((kind) =>
  (['single hop', 'multihop'] as const).flatMap((hops) =>
    (['IPv4', 'IPv6'] as const).map((version) => ({
      kind,
      hops,
      version,
      name: `${kind} ${hops} ${version}`,
    })),
  ),
);

const isUpThere = (router: BfdRouter) =>
  eventually(async () => {
    if (!(await router.session()).isUp) throw new Error(await router.details());
  }, soon);
const isDownThere = (router: BfdRouter) =>
  eventually(async () => {
    if ((await router.session()).isUp) throw new Error(await router.details());
  }, soon);
const downs = (station: Station) => station.heard().filter(({ state }) => state === 'down');

describe.each(cases)('$name', ({ kind, hops, version }) => {
  test(`a session comes up, follows its parameters, sees a cut and an end by will`, async () => {
    const lab = bfdLab(
      `bfd${cases.findIndex((one) => one.kind === kind && one.hops === hops && one.version === version)}`,
      hops,
    );
    labs.push(lab);
    const at = ends[hops];
    const [node, own] = version === 'IPv4' ? [at.node, at.router] : [at.node6, at.router6];
    const isMultihop = hops === 'multihop';
    const station = lab.station();
    const bfd = { minTxMs: 250, minRxMs: 300, multiplier: 4, ...(isMultihop ? { isMultihop } : {}) };
    station.peers({ address: own, localAddress: node, bfd });
    const router = await bfdRouter(lab, kind, {
      node,
      own,
      isMultihop,
      minTxMs: 400,
      minRxMs: 200,
      multiplier: 3,
    });

    await station.is('up');
    await isUpThere(router);
    const agreed = await station.report(
      ({ transmitUs, detectionUs }) => transmitUs === 250_000 && detectionUs === 1_200_000,
    );
    expect(agreed.remote).toMatchObject({ multiplier: 3, minTxUs: 400_000, minRxUs: 200_000 });

    station.peers({
      address: own,
      localAddress: node,
      bfd: { ...bfd, minTxMs: 500, minRxMs: 450, multiplier: 5 },
    });
    await station.report(
      ({ transmitUs, detectionUs }) => transmitUs === 500_000 && detectionUs === 1_350_000,
    );
    expect(downs(station)).toEqual([]);
    await isUpThere(router);
    station.peers({ address: own, localAddress: node, bfd });
    await station.report(
      ({ transmitUs, detectionUs }) => transmitUs === 250_000 && detectionUs === 1_200_000,
    );
    expect(downs(station)).toEqual([]);

    lab.cut();
    expect(await station.is('down')).toMatchObject({ why: 'no BFD packet came for 1200 ms' });
    await isDownThere(router);
    lab.mend();
    await station.is('up');
    await isUpThere(router);

    station.peers();
    await station.is('adminDown');
    await isDownThere(router);
    station.peers({ address: own, localAddress: node, bfd });
    await station.is('up');
    await isUpThere(router);
    expect(downs(station)).toHaveLength(1);

    // FRR says AdminDown; BIRD of Debian just falls silent.
    await router.disable();
    const { why } = await station.is(kind === 'frr' ? 'adminDown' : 'down');
    expect(why).toMatch(kind === 'frr' ? /administratively/ : /no BFD packet came/);
    await router.enable();
    await station.is('up');
  });
});
