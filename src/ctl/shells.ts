/** The shells that can be completed. */
export const shells = ['bash', 'zsh', 'fish'] as const;
