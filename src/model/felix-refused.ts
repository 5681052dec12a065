/**
 * Fields of Calico's FelixConfiguration that have no meaning here, each with the reason and what to do. Values that ask for
 * what is so anyway are taken, so that a manifest of a Calico user need not be cut where it says nothing.
 */

export interface Refusal {
  /** A clause: why, and what to do instead. */
  readonly why: string;
  /** As JSON; these are taken. */
  readonly harmless: readonly (string | number | boolean | readonly never[])[];
}

type Names = Readonly<Record<string, Refusal['harmless']>>;

const all = (why: string, names: Names): Readonly<Record<string, Refusal>> =>
  Object.fromEntries(Object.entries(names).map(([name, harmless]) => [name, { why, harmless }]));

export const refusedFelixFields: Readonly<Record<string, Refusal>> = {
  ...all('pods are reached by plain routes, without tunnels; see docs/ROUTES.md', {
    ipipEnabled: [false],
    ipipMTU: [0],
    vxlanEnabled: [false],
    vxlanMTU: [0],
    vxlanMTUV6: [0],
    vxlanVNI: [4096],
    externalNodesList: [[]],
    routeSource: ['CalicoIPAM', 'WorkloadIPs'],
    routeTableRange: [],
    routeTableRanges: [],
  }),
  ...all('there is no WireGuard; encrypt below (MACsec, IPsec of the host) or above (mTLS)', {
    wireguardEnabled: [false],
    wireguardEnabledV6: [false],
    wireguardHostEncryptionEnabled: [false],
    wireguardInterfaceName: ['wireguard.cali'],
    wireguardInterfaceNameV6: ['wg-v6.cali'],
    wireguardListeningPort: [51820],
    wireguardListeningPortV6: [51821],
    wireguardMTU: [0],
    wireguardMTUV6: [0],
    wireguardKeepAlive: ['0s'],
    wireguardRoutingRulePriority: [99],
    wireguardThreadingEnabled: [false],
    prometheusWireGuardMetricsEnabled: [true, false],
  }),
  ...all('there is no eBPF dataplane; nftables and iptables are the two there are (nftablesMode)', {
    bpfEnabled: [false],
    bpfAttachType: ['Netkit', 'TCX', 'TC'],
    bpfCTLBLogFilter: [''],
    bpfConnectTimeLoadBalancing: ['TCP'],
    bpfConnectTimeLoadBalancingEnabled: [false],
    bpfConntrackMode: ['Auto'],
    bpfConntrackLogLevel: ['Off', 'off'],
    bpfConntrackTimeouts: [],
    bpfDSROptoutCIDRs: [[]],
    bpfDataIfacePattern: [],
    bpfDisableGROForIfaces: [''],
    bpfDisableUnprivileged: [true, false],
    bpfEnforceRPF: ['Loose', 'Strict', 'Disabled'],
    bpfExcludeCIDRsFromNAT: [[]],
    bpfExportBufferSizeMB: [1],
    bpfExtToServiceConnmark: [0],
    bpfExternalServiceMode: ['Tunnel', 'tunnel'],
    bpfForceTrackPacketsFromIfaces: [],
    bpfHostConntrackBypass: [false, true],
    bpfHostNetworkedNATWithoutCTLB: ['Enabled', 'Disabled'],
    bpfIPFragTimeout: [0],
    bpfIPFragmentReassemblyEnabled: [true],
    bpfJITHardening: ['Auto'],
    bpfKubeProxyHealthzPort: [10256],
    bpfKubeProxyIptablesCleanupEnabled: [true, false],
    bpfKubeProxyMinSyncPeriod: ['1s'],
    bpfL3IfacePattern: [''],
    bpfLogFilters: [],
    bpfLogLevel: ['Off', 'off', ''],
    bpfMaglevMaxEndpointsPerService: [100],
    bpfMaglevMaxServices: [100],
    bpfMapSizeConntrack: [512000],
    bpfMapSizeConntrackCleanupQueue: [100000],
    bpfMapSizeConntrackScaling: ['DoubleIfFull'],
    bpfMapSizeIPSets: [1048576],
    bpfMapSizeIfState: [1000],
    bpfMapSizeNATAffinity: [65536],
    bpfMapSizeNATBackend: [262144],
    bpfMapSizeNATFrontend: [65536],
    bpfMapSizePerCpuConntrack: [0],
    bpfMapSizeRoute: [262144],
    bpfOverlayHostSourceIP: ['TunnelAddress'],
    bpfPSNATPorts: ['20000:29999'],
    bpfPolicyDebugEnabled: [true, false],
    bpfProfiling: ['Disabled'],
    bpfRedirectToPeer: ['Enabled', 'Disabled'],
    cgroupV2Path: [''],
  }),
  ...all('untracked policy is written as rules before connection tracking, without XDP', {
    xdpEnabled: [true, false],
    genericXDPEnabled: [false],
    xdpRefreshInterval: ['90s', '1m30s'],
  }),
  ...all(
    'metrics and health are served where --metrics of felix says (chart: felix.metrics), as /metrics, /livez and /readyz',
    {
      healthEnabled: [true],
      healthHost: [],
      healthPort: [],
      healthTimeoutOverrides: [[]],
      prometheusMetricsEnabled: [true],
      prometheusMetricsHost: [],
      prometheusMetricsPort: [9091],
      prometheusMetricsCAFile: [''],
      prometheusMetricsCertFile: [''],
      prometheusMetricsKeyFile: [''],
      prometheusMetricsClientAuth: ['NoClientCert'],
      prometheusGoMetricsEnabled: [true, false],
      prometheusProcessMetricsEnabled: [true],
    },
  ),
  ...all('logs go to standard error, which the container runtime keeps; set logSeverityScreen', {
    logFilePath: ['none', ''],
    logSeverityFile: [''],
    logSeveritySys: [''],
    logDebugFilenameRegex: [''],
  }),
  ...all('flows are read from the node itself with tortiectl flows', {
    flowLogsGoldmaneServer: [''],
    flowLogsLocalReporter: ['Disabled'],
    flowLogsFlushInterval: ['300s', '5m0s', '5m'],
    flowLogsCollectorDebugTrace: [false],
    flowLogsPolicyEvaluationMode: ['Continuous', 'None'],
  }),
  ...all(
    'the CNI plugin answers once the policy of the pod is in the kernel, so nothing need be written for it',
    {
      endpointReportingEnabled: [false],
      endpointReportingDelay: ['1s'],
      endpointStatusPathPrefix: ['', '/var/run/calico'],
      requireMTUFile: [false],
    },
  ),
  ...all('there is no application layer policy', {
    policySyncPathPrefix: [''],
    sidecarAccelerationEnabled: [false],
    istioAmbientMode: ['Disabled'],
    istioDSCPMark: [23],
  }),
  ...all('felix is no Go program; give Node.js its limits by the chart (felix.resources)', {
    goGCThreshold: [40],
    goMaxProcs: [-1],
    goMemoryLimitMB: [-1],
  }),
  ...all('it is of OpenStack', {
    metadataAddr: ['127.0.0.1', 'none'],
    metadataPort: [8775],
    openstackRegion: [''],
    reportingInterval: ['30s', '0s'],
    reportingTTL: ['90s', '1m30s'],
  }),
  ...all('nothing is ever reported to anybody', {
    usageReportingEnabled: [true, false],
    usageReportingInitialDelay: ['300s', '5m0s', '5m'],
    usageReportingInterval: ['86400s', '24h0m0s', '24h'],
  }),
  ...all('it is of no use outside the tests of Calico', {
    debugDisableLogDropping: [false],
    debugHost: ['localhost'],
    debugMemoryProfilePath: [''],
    debugPort: [],
    debugSimulateCalcGraphHangAfter: ['0s'],
    debugSimulateDataplaneApplyDelay: ['0s'],
    debugSimulateDataplaneHangAfter: ['0s'],
  }),
  ...all('what the kernel can do is tried, not guessed', { featureDetectOverride: [''], featureGates: [''] }),
  ...all('pods are not moved alive between nodes', {
    ipv4ElevatedRoutePriority: [512],
    ipv6ElevatedRoutePriority: [512],
    liveMigrationRouteConvergenceTime: ['30s'],
  }),
  ...all(
    'what our iptables rules accept leaves the table; rules of others that must judge too go before ours, with chainInsertMode: Append',
    {
      iptablesFilterAllowAction: ['Accept', 'ACCEPT'],
      iptablesMangleAllowAction: ['Accept', 'ACCEPT'],
    },
  ),
  iptablesPostWriteCheckInterval: {
    why: 'what iptables holds is read again every iptablesRefreshInterval; set that',
    harmless: ['5s', '1s'],
  },
  iptablesLockProbeInterval: { why: 'iptables itself waits for its lock', harmless: ['50ms'] },
  interfacePrefix: {
    why: 'interfaces of pods are named cali and 11 more characters, as kubelet’s other tools expect',
    harmless: ['cali'],
  },
  interfaceRefreshInterval: {
    why: 'the kernel tells of each interface, and all are listed again if it lost count',
    harmless: ['90s', '1m30s'],
  },
  netlinkTimeout: { why: 'the kernel answers within the call, or the process says so', harmless: ['10s'] },
  kubeNodePortRanges: {
    why: 'node ports are told by their translation, not by number, and kube-proxy in mode ipvs is not supported; use mode nftables or iptables',
    harmless: [],
  },
  nftablesFlowTableOffload: {
    why: 'established connections leave our chains by their first rule; the kernel’s flow tables are not used',
    harmless: ['Disabled'],
  },
  nftablesFlowTableDataIfacePattern: { why: 'the kernel’s flow tables are not used', harmless: [''] },
  programClusterRoutes: {
    why: 'routes to other nodes are written by the speaker; see programClusterRoutes of BGPConfiguration',
    harmless: ['Disabled', 'EnabledIPIPOnly'],
  },
  deviceRouteProtocol: {
    why: 'routes to pods have protocol 81, by which felix knows its own after a restart',
    harmless: [81, 3],
  },
  removeExternalRoutes: {
    why: 'routes of others are never deleted; a foreign route in the place of ours is reported',
    harmless: [false],
  },
  localSubnetL2Reachability: {
    why: 'addresses of pods and Services are announced by BGP, not by ARP; use BGPPeer',
    harmless: ['Disabled'],
  },
  localSubnetL2ReachabilityRefreshInterval: {
    why: 'addresses of pods are announced by BGP, not by ARP',
    harmless: ['120s', '2m0s', '2m'],
  },
  ipv6Support: {
    why: 'IPv6 is judged as IPv4 is, and pods have it only where a pool or the Node’s pod CIDRs give it; take the IPv6 pool away instead',
    harmless: [true],
  },
  awsSrcDstCheck: {
    why: 'felix has no credentials of a cloud; turn the check off at the instance or its group',
    harmless: ['DoNothing'],
  },
  windowsManageFirewallRules: { why: 'there are no Windows nodes', harmless: ['Disabled'] },
  dataplaneDriver: { why: 'the one dataplane is built in', harmless: ['calico-iptables-plugin'] },
  useInternalDataplaneDriver: { why: 'the one dataplane is built in', harmless: [true] },
};
