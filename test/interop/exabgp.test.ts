import { interop } from './suite.ts';

interop('exabgp');
