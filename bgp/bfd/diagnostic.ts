/** Diagnostic codes (RFC 5880 §4.1): why a session was last taken out of Up, in words. */
export const diagnostic = {
  none: 0,
  timeExpired: 1,
  neighborSignaledDown: 3,
  administrativelyDown: 7,
} as const;

const words: readonly string[] = [
  'no diagnostic',
  'control detection time expired',
  'echo function failed',
  'neighbour signalled session down',
  'forwarding plane reset',
  'path down',
  'concatenated path down',
  'administratively down',
  'reverse concatenated path down',
];

export const describeDiagnostic = (code: number): string => words[code] ?? `diagnostic ${code}`;
