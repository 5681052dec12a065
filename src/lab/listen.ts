/**
 * What answers in a pod or on a client: a listener for each container port, both families, from one process.
 * TCP greets with the host's name and closes; UDP answers every datagram with it. SCTP needs no listener: see probe.ts.
 */

import { tcpListen, udpSocket } from '../kernel/sockets.ts';
import { parseAddress } from '../lib/net.ts';
import type { ContainerPort } from '../model/resource.ts';

export interface Listeners {
  close(): void;
}

const everyAddress = ['0.0.0.0', '::'] as const;

/** Rejects with a KernelError if a port cannot be had; nothing stays open then. */
export async function listenAs(
  name: string,
  netnsPath: string,
  ports: readonly Pick<ContainerPort, 'protocol' | 'port'>[],
): Promise<Listeners> {
  const open: { close(): void }[] = [];
  const close = (): void => open.forEach((one) => void one.close());
  try {
    for (const { protocol, port } of ports)
      for (const text of everyAddress) {
        const address = parseAddress(text);
        if (address === undefined) continue;
        if (protocol === 'TCP') open.push(await tcpGreeter(name, netnsPath, address, port));
        if (protocol === 'UDP') open.push(await udpEcho(name, netnsPath, address, port));
      }
  } catch (error) {
    close();
    throw error;
  }
  return { close };
}

type Address = NonNullable<ReturnType<typeof parseAddress>>;

async function tcpGreeter(name: string, netnsPath: string, address: Address, port: number) {
  return tcpListen(netnsPath, address, port, (socket) => {
    socket.on('error', () => undefined); // the other side went away
    socket.end(`${name}\n`);
    socket.resume();
  });
}

async function udpEcho(name: string, netnsPath: string, address: Address, port: number) {
  const socket = await udpSocket(netnsPath, address, port);
  socket.on('error', () => undefined); // an ICMP error for an answer nobody waits for
  socket.on('message', (_request, from) => socket.send(name, from.port, from.address));
  return socket;
}
