import { two } from './no-cycles-b.ts';
export const a = two;
