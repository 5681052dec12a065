/** `tortiectl bgp services`: which addresses of Services this node announces, and why or why not. */
import type { ServicesStatus } from '../model/status.ts';
import type { ServicesOptions } from './options.ts';
import { ask, complain, print } from './output.ts';
import { type Paint, paintFor, plain } from './style.ts';
import { type Cell, columns } from './table.ts';

/** @param service  "name" or "namespace/name": only of this one */
export async function bgpServices(service: string | undefined, options: ServicesOptions): Promise<number> {
  const asked = await ask<ServicesStatus>(options.socket, '/services', 'bgp');
  if (!asked.ok) return complain(asked.error);
  const status = service === undefined ? asked.value : only(asked.value, service);
  if (service !== undefined && status.services.length === 0) {
    const why = asked.value.followed
      ? `There is no address of a Service "${service}": it is not there, is headless, or is of type ExternalName.`
      : notFollowed;
    return complain({ code: 1, sentence: why });
  }
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  await print(status, options.output, () => servicesText(status, paint));
  return 0;
}

const notFollowed =
  'No addresses of Services are announced: BGPConfiguration/default names none in serviceClusterIPs, serviceExternalIPs or serviceLoadBalancerIPs.';

const only = (status: ServicesStatus, service: string): ServicesStatus => ({
  ...status,
  ranges: [],
  services: status.services.filter(
    ({ namespace, name }) => service === name || service === `${namespace}/${name}`,
  ),
});

const mark = (advertised: boolean): Cell =>
  advertised ? { text: 'yes', tone: 'good' } : { text: 'no', tone: 'quiet' };

export function servicesText(status: ServicesStatus, paint: Paint = plain): string {
  if (!status.followed) return notFollowed;
  const why = (reason: string): Cell => ({ text: reason, tone: 'quiet' });
  const ranges = columns(
    ['RANGE', 'OF', 'ANNOUNCED', 'WHY'],
    status.ranges.map(({ range, kind, advertised, reason }) => [range, kind, mark(advertised), why(reason)]),
    { paint },
  );
  const services = columns(
    ['SERVICE', 'ADDRESS', 'OF', 'ANNOUNCED', 'WHY'],
    status.services.map(({ namespace, name, address, kind, advertised, reason }) => [
      `${namespace}/${name}`,
      address,
      kind,
      mark(advertised),
      why(reason),
    ]),
    { paint },
  );
  const parts = [
    ...(status.ranges.length === 0 ? [] : [ranges]),
    status.services.length === 0 ? 'No Service has an address.' : services,
  ];
  return parts.join('\n\n');
}
