/** What the ruleset of "tortie felix" asks of the kernel, each as the least script that needs it. */
/** A closing brace must not follow a statement on its line without a semicolon. */
const chain = 'table inet tortie_probe { chain c { type filter hook forward priority 0; policy accept;';

export const features: readonly { readonly feature: string; readonly script: string }[] = [
  { feature: 'nf_tables, family inet (module nf_tables)', script: 'table inet tortie_probe { }' },
  { feature: 'base chains at the forward hook', script: `${chain} }; }` },
  {
    feature: 'sets (nft_set_hash)',
    script: 'table inet tortie_probe { set s { type ipv4_addr; elements = { 192.0.2.1 }; }; }',
  },
  {
    feature: 'interval sets (nft_set_rbtree or pipapo)',
    script:
      'table inet tortie_probe { set s { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 }; }; }',
  },
  {
    feature: 'verdict maps',
    script: 'table inet tortie_probe { map m { type ifname : verdict; elements = { "cali1" : accept }; }; }',
  },
  {
    feature: 'connection tracking (nft_ct, nf_conntrack)',
    script: `${chain} ct state established accept; }; }`,
  },
  {
    feature: 'reverse path lookups (nft_fib, nft_fib_inet)',
    script: `${chain} fib saddr . iif oif missing drop; }; }`,
  },
];
