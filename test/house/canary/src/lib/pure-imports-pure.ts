import { now } from '../host/clock.ts';
export const impure = now;
