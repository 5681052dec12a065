/** Writes the table into docs/INTEROP.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { marks, table } from './table.ts';

const page = new URL('../../docs/INTEROP.md', import.meta.url);
const text = readFileSync(page, 'utf8');
const [before = ''] = text.split(marks.begin);
const [, after = ''] = text.split(marks.end);
writeFileSync(page, `${before}${marks.begin}\n\n${table()}\n\n${marks.end}${after}`);
