/** `npm run fuzz -- [--seed N] [--count N] [--case N]`: as many cases as asked for, or one that failed, once more. */
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    count: { type: 'string', default: '1000000' },
    case: { type: 'string' },
  },
});
const seed = Number(values.seed);
const began = performance.now();
const { failure, tally } =
  values.case === undefined ? fuzz(seed, Number(values.count)) : fuzz(seed, 1, Number(values.case));
const seconds = ((performance.now() - began) / 1000).toFixed(1);
const [accepted, discarded, withdrawn, reset] = tally.costs;
console.log(
  `seed ${seed}: ${tally.cases} messages in ${seconds} s; UPDATEs: ${accepted} accepted, ${discarded} with an attribute discarded, ${withdrawn} withdrawn, ${reset} that end the session; ${tally.resets} sessions ended`,
);
if (failure !== undefined) {
  console.log(`case ${failure.number} fails: ${failure.why}\n${failure.hex}`);
  console.log(`again: npm run fuzz -- --seed ${failure.seed} --case ${failure.number}`);
  process.exitCode = 1;
}
