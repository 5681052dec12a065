import { provePolicyByPackets } from '../support/policy-packets.ts';

provePolicyByPackets('iptables');
