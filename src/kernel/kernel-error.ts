/** The kernel said no: what was asked, the errno, and the kernel's own words where it had any (extended ACK). */
import { getSystemErrorName } from 'node:util';

export interface KernelError extends Error {
  /** errno name, e.g. "EEXIST". */
  readonly code: string;
}

/** @param errno  positive, as in errno(3) */
export const errnoName = (errno: number): string => {
  const name = getSystemErrorName(-errno);
  return name.startsWith('Unknown') ? `E${errno}` : name;
};

/** @param asked  what we wanted, in words: "set link cali123 up" */
export function kernelError(asked: string, code: string, words = ''): KernelError {
  const why = words === '' || words === code ? code : `${code} (${words})`;
  return Object.assign(new Error(`cannot ${asked}: ${why}`), { name: 'KernelError', code });
}

export const isKernelError = (error: unknown): error is KernelError =>
  error instanceof Error && error.name === 'KernelError';
