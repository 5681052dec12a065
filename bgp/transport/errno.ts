/** What a socket's errno means to whoever runs the network: a table of words. */

/** `where` reads "10.0.0.1 port 179". */
const meanings: Readonly<Record<string, (where: string) => string>> = {
  ECONNREFUSED: (where) => `${where} refuses connections: no BGP speaker listens there`,
  ECONNRESET: (where) => `${where} reset the connection`,
  ECONNABORTED: (where) => `the connection to ${where} was aborted`,
  EPIPE: (where) => `${where} closed the connection while we were sending`,
  ETIMEDOUT: (where) => `${where} does not answer`,
  EHOSTUNREACH: (where) => `${where} is unreachable: nobody answers for it on its link`,
  ENETUNREACH: (where) => `there is no route to ${where}`,
  EHOSTDOWN: (where) => `the host of ${where} is down`,
  ENETDOWN: (where) => `the interface towards ${where} is down`,
  EADDRNOTAVAIL: (where) => `the source address for ${where} is not an address of this node`,
  EADDRINUSE: (where) => `the source address and port for ${where} are in use`,
  EACCES: (where) => `the kernel forbids a connection to ${where}: firewall or prohibit route`,
  EPERM: (where) => `the kernel forbids a connection to ${where}: a local firewall rule`,
  EINVAL: (where) => `source address and ${where} do not fit each other: is one IPv4 and the other IPv6?`,
  EAFNOSUPPORT: (where) => `this host does not speak the address family of ${where}`,
  EMFILE: () => 'this process has no file descriptors left',
  ENFILE: () => 'this host has no file descriptors left',
  ENOBUFS: () => 'the kernel has no memory for another connection',
};

/** One sentence without a full stop, the errno in parentheses. */
export function describeErrno(errno: string, where: string): string {
  return `${meanings[errno]?.(where) ?? `the connection to ${where} failed`} (${errno})`;
}

/** The errno name of what Node throws or emits; its message if it has none. */
export const errnoOf = (error: Error & { readonly code?: unknown }): string =>
  typeof error.code === 'string' ? error.code : error.message;
