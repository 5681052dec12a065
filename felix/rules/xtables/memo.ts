/** Answers of a pure function of a text, kept while they are asked for: what is made anew is mostly what it was. */

/** Of the younger half; the elder is as large. */
const mostYoung = 1 << 15;

/** At most twice `most` answers are kept, the longest unasked go first. */
export function remembered<T extends NonNullable<unknown>>(
  make: (text: string) => T,
  most = mostYoung,
): (text: string) => T {
  let young = new Map<string, T>();
  let old = new Map<string, T>();
  return (text) => {
    const known = young.get(text);
    if (known !== undefined) return known;
    const answer = old.get(text) ?? make(text);
    if (young.size >= most) {
      old = young;
      young = new Map();
    }
    young.set(text, answer);
    return answer;
  };
}
