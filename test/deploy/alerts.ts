/** For each alert: series it fires on, series on which it is silent, and the time at which one looks. In promtool's notation. */
type Series = Readonly<Record<string, string>>;

export interface AlertCase {
  readonly fires: Series;
  readonly silent: Series;
  readonly at: string;
}

const on = '{instance="10.0.0.1:9092", node="node1"}';
const peer = (name: string): string =>
  `tortie_bgp_peer_up{instance="10.0.0.1:9092", node="node1", peer="${name}"}`;
const sessions = (kind: string, state: string): string =>
  `tortie_bgp_sessions{instance="10.0.0.1:9092", node="node1", kind="${kind}", state="${state}"}`;
const prefixes = (what: string): string =>
  `tortie_bgp_peer_prefixes{instance="10.0.0.1:9092", node="node1", peer="tor", what="${what}"}`;
const routes = (what: string): string =>
  `tortie_bgp_kernel_routes{instance="10.0.0.1:9092", node="node1", what="${what}"}`;
const bucket = (le: string): string =>
  `felix_int_dataplane_apply_time_seconds_bucket{instance="10.0.0.1:9091", le="${le}"}`;

export const alertCases: Readonly<Record<string, AlertCase>> = {
  TortieBgpNoSession: {
    fires: { [sessions('peer', 'Active')]: '1x10', [sessions('mesh', 'Connect')]: '4x10' },
    silent: { [sessions('peer', 'Active')]: '1x10', [sessions('mesh', 'Established')]: '4x10' },
    at: '5m',
  },
  TortieBgpMeshDegraded: {
    fires: { [sessions('mesh', 'Connect')]: '12x20', [sessions('mesh', 'Established')]: '88x20' },
    silent: { [sessions('mesh', 'Connect')]: '1x20', [sessions('mesh', 'Established')]: '99x20' },
    at: '10m',
  },
  TortieBgpMonitoringBlind: {
    fires: { [`tortie_bgp_bmp_connected${on}`]: '0x20' },
    silent: { [`tortie_bgp_bmp_connected${on}`]: '-1x20' },
    at: '15m',
  },
  TortieBgpPeerDown: {
    fires: { [peer('tor')]: '1 0x10', [peer('node2')]: '1x11' },
    silent: { [peer('tor')]: '1 0 1x10' },
    at: '6m',
  },
  TortieBgpPeerFlapping: {
    fires: { [peer('tor')]: '1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0' },
    silent: { [peer('tor')]: '1 1 1 0 1 1 1 1 1 1 1 1 1 1 1 1' },
    at: '15m',
  },
  TortieBgpAllPrefixesRejected: {
    fires: { [prefixes('received')]: '12x20', [prefixes('accepted')]: '0x20' },
    silent: { [prefixes('received')]: '12x20', [prefixes('accepted')]: '1x20' },
    at: '15m',
  },
  TortieBgpRoutesPending: {
    fires: { [routes('pending')]: '3x10' },
    silent: { [routes('pending')]: '3 3 3 0x10', [routes('installed')]: '3x10' },
    at: '7m',
  },
  TortieBgpRoutesStale: {
    fires: { [routes('stale')]: '3x30' },
    silent: { [routes('stale')]: '3 3 0x30' },
    at: '20m',
  },
  TortieBgpBehind: {
    fires: { [`tortie_bgp_inbox_events${on}`]: '20000x10' },
    silent: { [`tortie_bgp_inbox_events${on}`]: '20000 20000 12x10' },
    at: '7m',
  },
  TortieFelixPolicyPending: {
    fires: { [`felix_dataplane_pending${on}`]: '1x10' },
    silent: { [`felix_dataplane_pending${on}`]: '1 1 0 1 1 0 1 1 0 1' },
    at: '8m',
  },
  TortieFelixTransactionsRefused: {
    fires: { [`felix_int_dataplane_failures${on}`]: '0+1x15' },
    silent: { [`felix_int_dataplane_failures${on}`]: '4x15' },
    at: '12m',
  },
  TortieFelixTableChangedByOthers: {
    fires: { [`felix_nft_foreign_changes_total${on}`]: '0+1x20' },
    silent: { [`felix_nft_foreign_changes_total${on}`]: '0 0 1x20' },
    at: '15m',
  },
  TortieFelixPodRoutesPending: {
    fires: { [`felix_routes_pending${on}`]: '1x10' },
    silent: { [`felix_routes_pending${on}`]: '1 1 0x10' },
    at: '7m',
  },
  TortieFelixSlow: {
    fires: { [bucket('3')]: '0+1x40', [bucket('10')]: '0+10x40', [bucket('+Inf')]: '0+10x40' },
    silent: { [bucket('3')]: '0+10x40', [bucket('10')]: '0+10x40', [bucket('+Inf')]: '0+10x40' },
    at: '35m',
  },
  TortieNotReady: {
    fires: { [`tortie_ready${on}`]: '0x15' },
    silent: { [`tortie_ready${on}`]: '0 0 0 1x15' },
    at: '12m',
  },
  TortieEventLoopLate: {
    fires: { [`nodejs_eventloop_lag_p99_seconds${on}`]: '0.9x15', [`tortie_ready${on}`]: '1x15' },
    silent: { [`nodejs_eventloop_lag_p99_seconds${on}`]: '0.9x15' },
    at: '12m',
  },
  TortieControllerNoLeader: {
    fires: { 'tortie_controller_leader{pod="a"}': '1 0x10', 'tortie_controller_leader{pod="b"}': '0x11' },
    silent: {
      'tortie_controller_leader{pod="a"}': '1 0x10',
      'tortie_controller_leader{pod="b"}': '0 0 1x10',
    },
    at: '8m',
  },
  TortieControllerDutyFailing: {
    fires: { 'tortie_controller_duty_failures_total{duty="garbage"}': '0+1x30' },
    silent: { 'tortie_controller_duty_failures_total{duty="garbage"}': '0 1x30' },
    at: '30m',
  },
  TortieIpPoolNearlyFull: {
    fires: {
      'ipam_allocations_in_use{ippool="pods", node="node1"}': '120x20',
      'ipam_allocations_in_use{ippool="pods", node="node2"}': '120x20',
      'ipam_ippool_size{ippool="pods"}': '256x20',
    },
    silent: {
      'ipam_allocations_in_use{ippool="pods", node="node1"}': '120x20',
      'ipam_ippool_size{ippool="pods"}': '256x20',
    },
    at: '15m',
  },
  TortieIpamLeaks: {
    fires: { 'ipam_allocations_gc_candidates{ippool="pods", node="node1"}': '30x90' },
    silent: { 'ipam_allocations_gc_candidates{ippool="pods", node="node1"}': '30x30 0x60' },
    at: '80m',
  },
};
