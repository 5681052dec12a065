/** `tortie bgp-decode`, which is `tortiectl bgp decode`: lines from standard input, a line of JSON for each. Wiring only. */
import { createInterface } from 'node:readline';
import { decodeLine } from '../wire/decode-line.ts';

const usage = `Usage: tortie bgp-decode < LINES

Each line of standard input is one BGP message, as hexadecimal or as {"hex":…,"options":{…}}; each line of standard output
says in JSON what it comes to. See "tortiectl bgp decode --help".
`;

/** @returns 0, or 1 if a line held no octets, or 2 if it was asked for wrongly */
export async function main(argv: readonly string[]): Promise<number> {
  if (argv.length > 0) {
    const isHelp = argv.includes('--help') || argv.includes('-h');
    (isHelp ? process.stdout : process.stderr).write(usage);
    return isHelp ? 0 : 2;
  }
  let code = 0;
  // A reader that has seen enough, such as head, is no failure.
  process.stdout.on('error', () => process.exit(code));
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    const decoded = decodeLine(line);
    if (decoded === undefined) continue;
    if (!decoded.isMessage) code = 1;
    if (!process.stdout.write(`${decoded.text}\n`))
      await new Promise<void>((resolve) => {
        process.stdout.once('drain', resolve);
      });
  }
  return code;
}
