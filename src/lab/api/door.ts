/**
 * The way from this machine into the API server's network namespace: a TCP port on loopback, and bytes carried both ways.
 * Nothing of the machine's own network is changed for it.
 */
import type { Server, Socket } from 'node:net';
import { tcpConnect, tcpListen } from '../../kernel/sockets.ts';
import { parseAddress } from '../../lib/net.ts';
import { serverPort } from './server.ts';

const loopback = parseAddress('127.0.0.1');

/** @param netnsPath  where the server listens on loopback. @param port  0: the kernel chooses */
export async function openDoor(netnsPath: string, port: number): Promise<Server> {
  if (loopback === undefined) throw new Error('127.0.0.1 is an address');
  return tcpListen(undefined, loopback, port, (near) => {
    near.on('error', () => undefined); // told to the other side by closing it
    tcpConnect(netnsPath, loopback, serverPort).then(
      (far) => carry(near, far),
      () => near.destroy(),
    );
  });
}

function carry(near: Socket, far: Socket): void {
  far.on('error', () => undefined);
  near.pipe(far);
  far.pipe(near);
  near.once('close', () => far.destroy());
  far.once('close', () => near.destroy());
}
