/** Nodes' reports for tests of the CLI: well unless told otherwise. */
import type { BgpReport, FelixReport, SessionReport } from '../../src/model/node-report.ts';
import type { Json } from '../../src/store/store.ts';

const at = '2026-11-21T12:00:00.000Z';
/** A minute after the reports. */
export const now = new Date('2026-11-21T12:01:00.000Z');

export const bgpReport: BgpReport = {
  version: '0.1.0',
  at,
  inSync: true,
  problems: [],
  asn: 64512,
  routerId: '172.30.0.11',
  sessions: { established: 2, total: 2 },
  peers: [],
  originated: ['10.244.1.0/24'],
  kernel: { installed: 3, pending: 0 },
  sees: [],
};

export const felixReport: FelixReport = {
  version: '0.1.0',
  at,
  inSync: true,
  problems: [],
  dataplane: 'in-sync',
  endpoints: { ready: 4, total: 4 },
};

export const torSession: SessionReport = {
  name: 'tor',
  address: '172.30.0.1',
  type: 'global',
  asn: 65000,
  state: 'Established',
  since: '2026-11-20T12:00:00.000Z',
  received: 5,
  accepted: 4,
  advertised: 2,
};

export const torDown: SessionReport = {
  ...torSession,
  state: 'Active',
  since: '2026-11-21T11:51:00.000Z',
  received: 0,
  accepted: 0,
  advertised: 0,
  lastError: '172.30.0.1 port 179 refuses connections: no BGP speaker listens there (ECONNREFUSED)',
};

export interface Parts {
  readonly bgp?: BgpReport;
  readonly felix?: FelixReport;
}

/** As the object in the API. */
export const reportManifest = (
  node: string,
  { bgp, felix }: Parts = { bgp: bgpReport, felix: felixReport },
) => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'CalicoNodeStatus',
  metadata: { name: node },
  spec: { node, classes: ['Agent', 'BGP'], updatePeriodSeconds: 10 },
  status: { tortie: { ...(bgp && { bgp }), ...(felix && { felix }) } as unknown as Json },
});
