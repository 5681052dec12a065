import { main } from './ctl/main.ts';
export const early = main;
