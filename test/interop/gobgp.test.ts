import { interop } from './suite.ts';

interop('gobgp');
