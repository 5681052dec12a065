/** Long work in slices: whoever does it asks now and then whether others should have their turn. */
import { setImmediate } from 'node:timers/promises';

/** Of the loop, at most. */
const sliceMs = 15;

/** @returns what gives others their turn if the slice is used up */
export function slices(): () => Promise<void> {
  let begun = performance.now();
  return async () => {
    if (performance.now() - begun < sliceMs) return;
    await setImmediate();
    begun = performance.now();
  };
}
