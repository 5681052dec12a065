import { proveKilled } from '../support/kill-steps.ts';

proveKilled('nftables', {
  live: ['nft batch', 'conntrack delete', 'qdisc new', 'link new'],
  start: ['nft batch'],
  closing: ['nft batch 5'],
});
