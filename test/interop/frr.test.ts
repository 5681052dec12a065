import { interop } from './suite.ts';

interop('frr');
