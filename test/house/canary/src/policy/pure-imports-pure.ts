import { now } from '../host/clock.ts';
export const worldly = now;
