/** status.conditions, as on every object of Kubernetes; written by `tortie controller`, read by people. */
import { z } from 'zod';
import { list, maybe, oneOf, text, time, wholeNumber } from './fields.ts';

export const conditions = list(
  z.object({
    type: text,
    status: oneOf('True', 'False', 'Unknown'),
    reason: text.describe('One word in camel case, for programs.'),
    message: text.describe('One sentence, for people.'),
    lastTransitionTime: time,
    observedGeneration: maybe(wholeNumber('a generation', 0, Number.MAX_SAFE_INTEGER)),
  }),
).meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] });
