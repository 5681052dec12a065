import { proveKilled } from '../support/kill-steps.ts';

proveKilled('iptables', {
  live: ['ipset add', 'iptables mangle', 'iptables filter half-way', 'ip6tables filter'],
  start: ['iptables mangle'],
  closing: ['iptables mangle 3'],
});
