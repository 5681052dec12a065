/** Colour, only where a person looks: on a terminal, and not if NO_COLOR is set. Meaning never rests on it alone. */
export type Tone = 'good' | 'bad' | 'warn' | 'quiet' | 'strong';

const codes: Readonly<Record<Tone, number>> = { good: 32, bad: 31, warn: 33, quiet: 2, strong: 1 };

export type Paint = (text: string, tone: Tone | undefined) => string;

export const plain: Paint = (text) => text;
const coloured: Paint = (text, tone) =>
  tone === undefined || text === '' ? text : `\x1b[${codes[tone]}m${text}\x1b[0m`;

export const paintFor = (stream: { readonly isTTY?: boolean }, noColor: string | undefined): Paint =>
  stream.isTTY === true && (noColor === undefined || noColor === '') ? coloured : plain;
