/** The keys that stand on one listening socket (RFC 2385), kept as those that are wanted. */
import { isKernelError } from '../../src/kernel/kernel-error.ts';
import { type Signature, sign, signRange } from '../../src/kernel/tcp.ts';
import { type Address, formatAddress, formatPrefix, type Prefix, versionOf } from '../../src/lib/net.ts';
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

/** Who must sign, and with what. */
export interface Keys {
  readonly neighbours: ReadonlyMap<Address, Signature>;
  /** Whoever is inside, if it is none of `neighbours`. */
  readonly ranges: ReadonlyMap<Prefix, Signature>;
}

export const noKeys: Keys = { neighbours: new Map(), ranges: new Map() };

export interface StandingKeys {
  /** Sets, changes and removes what differs. Only keys of the socket's own family stand on it. */
  renew(fd: number, wanted: Keys): void;
  /** The socket is another one: none stands on it. */
  forget(): void;
}

/** @param listening  the socket's own address */
export function standingKeys(listening: Address, onProblem: (problem: Problem) => void): StandingKeys {
  const where = formatAddress(listening);
  const neighbours = standing<Address>(listening, sign, formatAddress, (what, errno) =>
    onProblem(keyProblem(errno, where, what)),
  );
  const ranges = standing<Prefix>(listening, signRange, formatPrefix, (what, errno) =>
    onProblem(keyProblem(errno, where, what)),
  );
  return {
    renew(fd, wanted) {
      ranges.renew(fd, wanted.ranges);
      neighbours.renew(fd, wanted.neighbours);
    },
    forget() {
      ranges.forget();
      neighbours.forget();
    },
  };
}

/** Those of one kind, by whom they are of. */
function standing<Of extends Address | Prefix>(
  listening: Address,
  put: (fd: number, of: Of, signature: Signature | undefined) => void,
  format: (of: Of) => string,
  onFailed: (what: string, errno: string) => void,
) {
  let known = new Map<Of, Signature>();

  /** True if it stands there now. */
  function set(fd: number, of: Of, signature: Signature | undefined): boolean {
    try {
      put(fd, of, signature);
      return true;
    } catch (error) {
      if (!isKernelError(error)) throw error;
      onFailed(format(of), error.code);
      return false;
    }
  }

  return {
    renew(fd: number, wanted: ReadonlyMap<Of, Signature>): void {
      const before = known;
      known = new Map();
      for (const of of before.keys()) if (!wanted.has(of)) set(fd, of, undefined);
      for (const [of, signature] of wanted) {
        if (versionOf(of) !== versionOf(listening)) continue;
        const last = before.get(of);
        const isSame = last !== undefined && Buffer.compare(last.key, signature.key) === 0;
        if (isSame || set(fd, of, signature)) known.set(of, signature);
      }
    },
    forget: (): void => {
      known = new Map();
    },
  };
}
