/**
 * What of iptables and ipset is Tortie's, as scripts that take it out: a decision over what `iptables-save` and `ipset save` print.
 * Chains and sets of ours begin with "tortie"; of other chains only rules that lead to one of those, or bear our comment, are ours.
 */

const ourName = /^tortie[-.~]/;
const ourRule = / --comment "?tortie:[0-9a-f]{12}[" ]| -[jg] tortie[-.]/;

/** For `iptables-restore --noflush`; empty: nothing is ours. @param saved  of `iptables-save` */
export function rulesAway(saved: string): string {
  return saved
    .split(/^(?=\*)/m)
    .map((table) => {
      const lines = table.split('\n');
      const head = lines.find((line) => line.startsWith('*')) ?? '';
      const chains = lines
        .map((line) => /^:(\S+) /.exec(line)?.[1] ?? '')
        .filter((name) => ourName.test(name));
      const rules = lines.filter(
        (line) => line.startsWith('-A ') && !ourName.test(line.slice(3)) && ourRule.test(line),
      );
      const commands = [
        ...rules.map((line) => `-D${line.slice(2)}`),
        ...chains.map((name) => `-F ${name}`),
        ...chains.map((name) => `-X ${name}`),
      ];
      return commands.length === 0 ? '' : `${head}\n${commands.join('\n')}\nCOMMIT\n`;
    })
    .join('');
}

/** Names. @param saved  of `ipset save` */
export const ourSets = (saved: string): readonly string[] =>
  [...saved.matchAll(/^create (\S+) /gm)].map(([, name = '']) => name).filter((name) => ourName.test(name));
