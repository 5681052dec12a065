import { proveKilled } from '../support/kill-steps.ts';

proveKilled('nftables', {
  live: ['nft batch', 'route delete', 'conntrack delete', 'qdisc new', 'link new', 'route new'],
  start: ['nft batch'],
});
