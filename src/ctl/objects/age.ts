/** How long ago, as kubectl writes it: "45s", "12m", "3h", "5d". */
const units = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
] as const;

/** @param time  ISO 8601; what is no time is shown as it came */
export function ageText(time: string, now: Date): string {
  const at = Date.parse(time);
  if (Number.isNaN(at)) return time;
  const seconds = Math.max(0, Math.round((now.getTime() - at) / 1000));
  // Two of a unit at least, so that "1h" is not ninety minutes.
  for (const [unit, size] of units) if (seconds >= 2 * size) return `${Math.floor(seconds / size)}${unit}`;
  return `${seconds}s`;
}
