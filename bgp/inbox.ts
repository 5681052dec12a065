/** What waits for the speaker: how much of it may, and what goes before or behind it. */
import type { Loop } from '../src/host/loop.ts';
import type { SpeakerEvent, SpeakerTimer } from './speaker/event.ts';

/**
 * Events that may wait, of UPDATEs the attribute sets. A message of 4 kB is 8 kB of prefixes once decoded: what is more waits in the sockets,
 * as octets, and no collector has to copy it. With 500 the loop's delay was twice as long while a table came in (99th percentile, 10
 * instead of 5 ms); with 16 times as many, as where events are counted whatever they hold, thirty neighbours took a third longer.
 */
export const highWater = 100;

/** It may be many UPDATEs in one. */
export const weigh = (event: SpeakerEvent): number =>
  event.kind === 'transport' && event.event.kind === 'Message' && event.event.message.kind === 'update'
    ? Math.max(1, event.event.message.announced.length)
    : 1;

/**
 * Behind what the sockets hold by now: after a stall, a KEEPALIVE that arrived in time must be heard before the hold timer's
 * expiry, which it undoes. While the inbox is full nobody is heard, so it waits for that to end, lets the sockets be read, and waits
 * again if that has filled the inbox: what was read then is heard first when it goes on.
 */
export const behindSockets = (loop: Loop<SpeakerEvent>) => {
  const onceHeard = (run: () => void): void =>
    void setImmediate(() => (loop.isPressed ? onceHeard(run) : run()));
  return (event: SpeakerEvent): void => onceHeard(() => onceHeard(() => loop.post(event)));
};

/** A KEEPALIVE is owed to the neighbour whatever it has sent that still waits. */
export const isOwed = (timer: SpeakerTimer): boolean =>
  timer.owner === 'peer' && timer.name.startsWith('keepalive');
