import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allKinds, apiKindOf, kinds } from '../../../src/store/kinds.ts';
import { readManifest } from '../../../src/store/schema/manifest.ts';

const fieldName = fc.constantFrom(
  ...'spec status metadata name namespace labels ingress egress from to ports port ipBlock cidr except'.split(
    ' ',
  ),
  ...'selector tier order action source destination nets notNets services protocol icmp type subject'.split(
    ' ',
  ),
  ...'podSelector matchLabels matchExpressions peerIP asNumber nodeSelector podIPs podCIDRs addresses'.split(
    ' ',
  ),
);
const { json } = fc.letrec((tie) => ({
  json: fc.oneof(
    { depthSize: 'medium' },
    fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.constantFrom('a', '10.0.0.0/8', '__proto__'),
    ),
    fc.array(tie('json'), { maxLength: 3 }),
    fc.dictionary(fc.oneof(fieldName, fc.string()), tie('json'), { maxKeys: 4 }),
  ),
}));

test('arbitrary JSON under any kind gives a resource or flaws with a sentence each, never an exception', () => {
  fc.assert(
    fc.property(fc.constantFrom(...allKinds), fc.dictionary(fieldName, json), (kind, body) => {
      const result = readManifest({
        metadata: { name: 'default' },
        ...body,
        apiVersion: kinds[kind].apiVersion,
        kind: apiKindOf(kind),
      });
      if (result.ok) return;
      expect(result.error.length).toBeGreaterThan(0);
      for (const { what, fix } of result.error) {
        expect(what).toMatch(/\.$/);
        expect(what).not.toContain('Invalid input');
        expect(fix).toMatch(/[.?]$/);
      }
    }),
  );
});
