import { a } from './no-cycles-a.ts';
export const two = a;
