/** projectcalico.org/v3 IPAMConfiguration; only `default` is read. */
import type { z } from 'zod';
import { ok, type Result } from '../../lib/result.ts';
import { defaultIpamSettings, type IpamConfiguration } from '../../model/ipam.ts';
import type { Meta } from '../../model/meta.ts';
import { onlyDefaultName, withDefault, withRules } from './cel.ts';
import { flag, maybe, wholeNumber } from './fields.ts';
import type { Flaw } from './flaw.ts';
import { onlyDefault } from './meta.ts';
import { check, manifest, read, strict, unsupported } from './read.ts';

const spec = strict({
  strictAffinity: maybe(withDefault(flag.describe('A node gives addresses of its own blocks only.'), false)),
  maxBlocksPerHost: maybe(
    wholeNumber('a number', 0, 1_000_000).describe('The most blocks a node may take; 20 if 0 or absent.'),
  ),
  autoAllocateBlocks: maybe(withDefault(flag.describe('Nodes take blocks as they need them.'), true)),
  ipCooldownSeconds: maybe(
    wholeNumber('a number', 0, 1200).describe(
      'So long an address rests before it is given again; 0 if absent.',
    ),
  ),
  kubeVirtVMAddressPersistence: unsupported(
    'virtual machines get addresses as pods do',
    'Disabled',
    'Enabled',
  ),
});

/** Without blocks of its own or of others a node could give nothing. */
function checkBlocks({ strictAffinity = false, autoAllocateBlocks = true }: z.infer<typeof spec>) {
  return autoAllocateBlocks || strictAffinity
    ? undefined
    : {
        at: ['autoAllocateBlocks'],
        wrong: {
          what: 'cannot be false while strictAffinity is false.',
          fix: 'Set strictAffinity to true, or remove autoAllocateBlocks.',
        },
      };
}

export const ipamConfigurationSchema = withRules(
  manifest(
    maybe(
      withRules(spec.superRefine(check(checkBlocks)), [
        {
          rule: '!has(self.autoAllocateBlocks) || self.autoAllocateBlocks || (has(self.strictAffinity) && self.strictAffinity)',
          message:
            'autoAllocateBlocks cannot be false while strictAffinity is false: set strictAffinity to true',
        },
      ]),
    ),
  ),
  [onlyDefaultName],
);

export function readIpamConfiguration(meta: Meta, json: unknown): Result<IpamConfiguration, readonly Flaw[]> {
  const named = onlyDefault(meta.name);
  if (!named.ok) return named;
  const parsed = read(ipamConfigurationSchema, json);
  if (!parsed.ok) return parsed;
  const { kubeVirtVMAddressPersistence: _, maxBlocksPerHost = 0, ...rest } = parsed.value.spec ?? {};
  return ok({
    kind: 'IPAMConfiguration',
    meta,
    ...defaultIpamSettings,
    ...rest,
    ...(maxBlocksPerHost === 0 ? {} : { maxBlocksPerHost }),
  });
}
