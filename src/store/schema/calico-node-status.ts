/**
 * projectcalico.org/v3 CalicoNodeStatus: what a node says of itself. The spec is a person's or ours, and strict; in the status
 * unknown fields pass, for it is written by daemons of any version.
 */
import { z } from 'zod';
import { ok, type Result } from '../../lib/result.ts';
import type { Meta } from '../../model/meta.ts';
import type {
  BgpReport,
  CalicoNodeStatus,
  FelixReport,
  NodeReport,
  SessionReport,
} from '../../model/node-report.ts';
import { never, withRules } from './cel.ts';
import { flag, list, maybe, oneOf, text, time, wholeNumber } from './fields.ts';
import type { Flaw } from './flaw.ts';
import { anything, manifest, read, strict } from './read.ts';

const count = wholeNumber('a count', 0, Number.MAX_SAFE_INTEGER);

const daemon = {
  version: text,
  at: time.describe('When this was written.'),
  inSync: flag,
  problems: list(text).describe('At most ten, in words.'),
};

const session: z.ZodType<SessionReport> = z.object({
  name: text,
  address: text,
  type: oneOf('node-to-node mesh', 'global', 'node specific'),
  asn: count,
  state: oneOf('Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'),
  since: time,
  received: count,
  accepted: count,
  advertised: count,
  lastError: maybe(text),
});

const bgp: z.ZodType<BgpReport> = z.object({
  ...daemon,
  asn: maybe(count),
  routerId: maybe(text),
  sessions: z.object({ established: count, total: count }),
  peers: list(session).describe(
    'Sessions of BGPPeers, and those of the mesh that are not Established; at most fifty.',
  ),
  originated: list(text).describe('Prefixes this node announces as its own.'),
  kernel: z.object({ installed: count, pending: count }),
  sees: list(text).describe('Waiting nodes whose pod routes this node has in its kernel.'),
});

const felix: z.ZodType<FelixReport> = z.object({
  ...daemon,
  dataplane: oneOf('waiting', 'in-sync', 'failing'),
  lastError: maybe(text),
  endpoints: z.object({ ready: count, total: count }),
});

const report: z.ZodType<NodeReport> = z.object({ bgp: maybe(bgp), felix: maybe(felix) });

export const calicoNodeStatusSchema = manifest(
  strict({
    node: withRules(text.describe('The node that reports here.'), [
      never('node', 'every node has an object of its own'),
    ]),
    classes: maybe(
      list(oneOf('Agent', 'BGP', 'Routes')).describe('Taken as Calico has it; every report says all it can.'),
    ),
    updatePeriodSeconds: maybe(
      wholeNumber('a number of seconds', 0, 86400).describe(
        'Taken as Calico has it; reports are written when something changed.',
      ),
    ),
  }),
  z.object({
    lastUpdated: maybe(time),
    agent: maybe(anything),
    bgp: maybe(anything),
    routes: maybe(anything),
    tortie: maybe(report),
  }),
);

export function readCalicoNodeStatus(meta: Meta, json: unknown): Result<CalicoNodeStatus, readonly Flaw[]> {
  const parsed = read(calicoNodeStatusSchema, json);
  if (!parsed.ok) return parsed;
  const { spec, status } = parsed.value;
  return ok({ kind: 'CalicoNodeStatus', meta, node: spec.node, report: status?.tortie ?? {} });
}
