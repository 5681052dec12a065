/** A program that a socket asks of each datagram before it is queued: classic BPF (socket(7), SO_ATTACH_FILTER). */

/** struct sock_filter; jumps count instructions after this one, loads read big-endian. */
export type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number];

export const loadByte = 0x30;
export const loadHalf = 0x28;
export const loadWord = 0x20;
export const jumpIfEqual = 0x15;
/** Of so many octets at most; 0: it is dropped. */
export const accept = 0x06;

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export function assembled(program: readonly Instruction[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(program.length * 8));
  program.forEach(([code, ifTrue, ifFalse, operand], index) => {
    view.setUint16(index * 8, code, littleEndian);
    view.setUint8(index * 8 + 2, ifTrue);
    view.setUint8(index * 8 + 3, ifFalse);
    view.setUint32(index * 8 + 4, operand, littleEndian);
  });
  return new Uint8Array(view.buffer);
}

/** What a load reads of a number that stands there in host order. */
export function asLoaded(value: number, octets: 2 | 4): number {
  if (!littleEndian) return value;
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, value, true);
  return octets === 2 ? view.getUint16(0) : view.getUint32(0);
}
