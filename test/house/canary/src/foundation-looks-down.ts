import { one } from '../felix/calc/ok.ts';
export const looksUp = one;
