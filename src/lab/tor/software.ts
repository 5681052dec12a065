/** The routers the lab can play the ToR with, by the name `--tor` takes. */
import { bird } from './bird.ts';
import { frr } from './frr.ts';
import { gobgp } from './gobgp.ts';
import type { TorKind, TorSoftware } from './tor.ts';

export const torSoftware: Readonly<Record<TorKind, TorSoftware>> = { bird, frr, gobgp };
