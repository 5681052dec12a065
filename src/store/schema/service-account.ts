/** v1 ServiceAccount: only its labels matter. */
import { ok, type Result } from '../../lib/result.ts';
import type { Meta } from '../../model/meta.ts';
import type { ServiceAccount } from '../../model/policy.ts';
import type { Flaw } from './flaw.ts';

export const readServiceAccount = (meta: Meta): Result<ServiceAccount, readonly Flaw[]> =>
  ok({ kind: 'ServiceAccount', meta });
