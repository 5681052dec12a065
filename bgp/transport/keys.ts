/** The keys that stand on one listening socket (RFC 2385), kept as those that are wanted. */
import { isKernelError } from '../../src/kernel/kernel-error.ts';
import { sign } from '../../src/kernel/tcp.ts';
import { type Address, formatAddress, isIpv4 } from '../../src/lib/net.ts';
import type { Problem } from '../../src/model/problem.ts';

/** Of setting a key: the errno, and what it comes from. */
const remedies: Readonly<Record<string, string>> = {
  ENOPROTOOPT: 'Use a kernel with CONFIG_TCP_MD5SIG.',
  ENOMEM: 'Raise the sysctl net.core.optmem_max, which bounds the keys of one socket.',
};

const keyProblem = (errno: string, where: string, neighbour: string): Problem => ({
  where: `listening on ${where}`,
  what: `The kernel does not take the password of ${neighbour} (${errno}), so this neighbour cannot dial us.`,
  fix: remedies[errno] ?? 'See that this kernel has TCP MD5 signatures and that we may set them.',
});

export interface StandingKeys {
  /** Sets, changes and removes what differs. Only keys of the socket's own family stand on it. */
  renew(fd: number, wanted: ReadonlyMap<Address, Uint8Array>): void;
  /** The socket is another one: none stands on it. */
  forget(): void;
}

/** @param listening  the socket's own address */
export function standingKeys(listening: Address, onProblem: (problem: Problem) => void): StandingKeys {
  let standing = new Map<Address, Uint8Array>();

  /** True if it stands there now. */
  function set(fd: number, neighbour: Address, key: Uint8Array | undefined): boolean {
    try {
      sign(fd, neighbour, key);
      return true;
    } catch (error) {
      if (!isKernelError(error)) throw error;
      onProblem(keyProblem(error.code, formatAddress(listening), formatAddress(neighbour)));
      return false;
    }
  }

  return {
    renew(fd, wanted) {
      const before = standing;
      standing = new Map();
      for (const neighbour of before.keys()) if (!wanted.has(neighbour)) set(fd, neighbour, undefined);
      for (const [neighbour, key] of wanted) {
        if (isIpv4(neighbour) !== isIpv4(listening)) continue;
        const known = before.get(neighbour);
        const isSame = known !== undefined && Buffer.compare(known, key) === 0;
        if (isSame || set(fd, neighbour, key)) standing.set(neighbour, key);
      }
    },
    forget: () => {
      standing = new Map();
    },
  };
}
