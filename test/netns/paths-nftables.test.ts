import { hostPaths } from '../support/path-host-rows.ts';
import { podPaths } from '../support/path-rows.ts';
import { provePaths } from '../support/path-table.ts';

provePaths('nftables', [...podPaths, ...hostPaths]);
