/** Patterns of names, of links say: * stands for anything, nothing too, and the rest for itself. */
export const globOf = (pattern: string): RegExp =>
  new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`);
