/**
 * Equal labels are one object: the pods of a Deployment have the same, and a cluster has a hundred thousand pods.
 *
 * What was seen last is remembered, up to a number; labels of which every pod has its own are forgotten again in time.
 */
import type { Labels } from '../../model/meta.ts';

const most = 20_000;

const seen = new Map<string, Labels>();

export function interned(labels: Labels): Labels {
  const text = JSON.stringify(labels);
  const known = seen.get(text);
  if (known !== undefined) return known;
  if (seen.size >= most) seen.clear();
  seen.set(text, labels);
  return labels;
}
