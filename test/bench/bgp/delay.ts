/** Loaded into `tortie bgp` by the bench: every 200 ms writes the 99th percentile and the worst delay of its event loop, in ms, since the file was last removed. */
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const file = process.env['TORTIE_BENCH_DELAY'];
const resolution = 1;

if (file !== undefined) {
  const histogram = monitorEventLoopDelay({ resolution });
  histogram.enable();
  setInterval(() => {
    if (!existsSync(file)) histogram.reset();
    // What the histogram holds is the time between two looks, which is `resolution` where nothing is late.
    const late = (ns: number): number => Math.max(0, ns / 1e6 - resolution);
    writeFileSync(
      `${file}.next`,
      JSON.stringify({ p99: late(histogram.percentile(99)), max: late(histogram.max) }),
    );
    renameSync(`${file}.next`, file);
  }, 200).unref();
}
