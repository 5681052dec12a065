import { provePolicyByPackets } from '../support/policy-packets.ts';

provePolicyByPackets('nftables');
