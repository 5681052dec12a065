import { fake } from '../test/fake.ts';
export const tested = fake;
