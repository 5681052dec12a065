/** A byte stream to its lines, however the bytes were cut: a chunk may end inside a line, or inside a character. */

/** More than the largest object etcd takes (1.5 MiB by default), with room to spare. */
const longestLine = 32 * 1024 * 1024;

export class LineSplitter {
  readonly #decoder = new TextDecoder();
  #rest = '';

  /** The lines that ended with this chunk, empty ones left out; undefined if one is longer than any sane object. */
  push(chunk: Uint8Array): readonly string[] | undefined {
    const text = this.#rest + this.#decoder.decode(chunk, { stream: true });
    const lines = text.split('\n');
    this.#rest = lines.pop() ?? '';
    return this.#rest.length > longestLine ? undefined : lines.filter((line) => line.trim() !== '');
  }
}
