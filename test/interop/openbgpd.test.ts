import { interop } from './suite.ts';

interop('openbgpd');
