/** The import rules of docs/ARCHITECTURE.md. test/house/canary breaks each of them, and must be caught. */
const pure =
  '^(bgp/(wire|bfd/(demux|diagnostic|machine|packet|timing|wanted)[.]ts|session|policy|rib|speaker|monitor|config[.]ts|speaker[.]ts|intent)|felix/(calc|rules)|src/(lib|model|policy|ipam|cni/plan[.]ts|controller/decide))';

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'foundation-looks-down',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/tortie[.]ts$' },
      to: { path: '^(bgp|felix)/' },
    },
    {
      name: 'wings-are-strangers',
      severity: 'error',
      from: { path: '^(bgp|felix)/' },
      to: { path: '^(bgp|felix)/', pathNot: '^$1/' },
    },
    {
      name: 'pure-imports-pure',
      severity: 'error',
      from: { path: pure },
      to: { path: '^(src|bgp|felix)/', pathNot: pure },
    },
    {
      name: 'pure-touches-no-world',
      severity: 'error',
      from: { path: pure },
      to: {
        dependencyTypes: [
          'core',
          'npm',
          'npm-dev',
          'npm-peer',
          'npm-optional',
          'npm-no-pkg',
          'npm-unknown',
          'unknown',
        ],
      },
    },
    {
      name: 'mains-are-leaves',
      severity: 'error',
      from: { pathNot: '^src/tortie[.]ts$' },
      to: { path: '/main[.]ts$' },
    },
    {
      name: 'source-ignores-test',
      severity: 'error',
      from: { path: '^(src|bgp|felix)/' },
      to: { path: '^test/' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: 'house/canary' },
  },
};
